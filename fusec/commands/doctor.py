"""``fusec doctor``: what works on this machine."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import click

from fusec.commands.group import Command
from fusec.commands.talk import result, result_json
from fusec.errors import EnvironmentProblem

OK, MISSING, FAILS = "ok", "missing", "fails"


@dataclass(frozen=True)
class Finding:
    """One line of the report. ``fails`` is for what fusec cannot do without."""

    name: str
    status: str
    found: str
    next: str = ""


def _version(package: str) -> str | None:
    if find_spec(package) is None:
        return None
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "unknown version"


def check_python() -> Finding:
    """The Python that runs this."""
    text = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    good = sys.version_info >= (3, 11)
    return Finding(
        "python", OK if good else FAILS, text, "" if good else "use Python 3.11 or newer"
    )


def check_torch() -> Finding:
    """Needed for folding, the reference executor and every run."""
    version = _version("torch")
    if version is None:
        return Finding("torch", FAILS, "not installed", "pip install 'torch>=2.9'")
    return Finding("torch", OK, version)


def check_triton() -> Finding:
    """Needed to compile and interpret kernels."""
    version = _version("triton")
    if version is not None:
        return Finding("triton", OK, version)
    if platform.system() == "Linux":
        return Finding("triton", FAILS, "not installed", "pip install 'triton>=3.5'")
    text = "not installed; import, optimize, explain, inspect and the reference executor work"
    return Finding("triton", MISSING, text, "compile kernels on Linux")


def check_gpu() -> Finding:
    """Needed to run kernels on this machine."""
    if find_spec("torch") is None:
        return Finding("gpu", MISSING, "unknown without torch")
    import torch

    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
        return Finding("gpu", OK, ", ".join(names))
    built = torch.version.cuda or getattr(torch.version, "hip", None)
    if built is None:
        text = "this torch is built for the CPU"
        hint = "plans compile for any --target; to run them here, install a CUDA build of torch"
    else:
        text = f"torch is built for {built} but finds no device"
        hint = "check the driver with nvidia-smi (AMD: rocm-smi)"
    return Finding("gpu", MISSING, text, hint)


def check_driver() -> Finding:
    """The GPU driver of the operating system."""
    path = Path("/proc/driver/nvidia/version")
    if path.exists():
        first = path.read_text(errors="replace").splitlines()[0]
        return Finding("driver", OK, " ".join(first.split())[:100])
    if Path("/sys/module/amdgpu").exists():
        return Finding("driver", OK, "amdgpu")
    return Finding("driver", MISSING, "none", "needed only to run on a GPU of this machine")


def check_compiler() -> Finding:
    """Triton builds its launchers with a C compiler."""
    for name in (os.environ.get("CC"), "cc", "gcc", "clang"):
        path = shutil.which(name) if name else None
        if path:
            return Finding("C compiler", OK, path)
    return Finding(
        "C compiler", MISSING, "none", "install gcc: Triton builds GPU launchers with it"
    )


def check_onnxruntime() -> Finding:
    """The reference that golden outputs come from."""
    version = _version("onnxruntime")
    if version is not None:
        return Finding("onnxruntime", OK, version)
    text = "not installed; references come from the slower onnx evaluator"
    return Finding("onnxruntime", MISSING, text, "pip install 'fusec[verify]'")


def check_cache() -> Finding:
    """Where Triton keeps what it compiles on first load."""
    home = os.environ.get("TRITON_HOME") or os.path.expanduser("~")
    folder = Path(os.environ.get("TRITON_CACHE_DIR") or Path(home) / ".triton" / "cache")
    existing = next(p for p in (folder, *folder.parents) if p.exists())
    if not os.access(existing, os.W_OK):
        return Finding("cache", FAILS, f"{folder} is not writable", "set TRITON_CACHE_DIR")
    free = shutil.disk_usage(existing).free / 2**30
    return Finding("cache", OK, f"{folder} ({free:.0f} GiB free)")


CHECKS: tuple[Callable[[], Finding], ...] = (
    check_python,
    check_torch,
    check_triton,
    check_gpu,
    check_driver,
    check_compiler,
    check_onnxruntime,
    check_cache,
)


def _lines(findings: list[Finding]) -> Iterator[str]:
    width = max(len(f.name) for f in findings)
    for finding in findings:
        yield f"{finding.name:<{width}}  {finding.status:<7}  {finding.found}"
        if finding.next:
            yield f"{'':<{width}}  {'':<7}  next: {finding.next}"


@click.command("doctor", cls=Command)
@click.option("--json", "as_json", is_flag=True, help="Report as JSON.")
def command(as_json: bool) -> None:
    """Show what works on this machine, and what to do next.

    Exits 4 when something is missing that fusec cannot do without.
    """
    findings = [check() for check in CHECKS]
    if as_json:
        result_json([asdict(f) for f in findings])
    else:
        result("\n".join(_lines(findings)))
    failing = [f.name for f in findings if f.status == FAILS]
    if failing:
        raise EnvironmentProblem(f"not ready: {', '.join(failing)}", hint="see `next` above")
