"""Outputs of a model computed by an independent tool in a subprocess."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from fusec.errors import EnvironmentProblem
from fusec.verification.compare import ERROR_FACTOR, is_floating, relative_l2, tolerance_floor
from fusec.verification.tensors import Array, load_arrays, save_arrays

ONNXRUNTIME, ONNX = "onnxruntime", "onnx"
_TOOLS = {
    ONNXRUNTIME: "ONNX Runtime, optimisations off",
    ONNX: "onnx reference evaluator",
}


@dataclass(frozen=True)
class Reference:
    """What a tool computed. ``tolerances``: relative L2 by output name. ``notes``: what failed."""

    tool: str
    version: str
    outputs: dict[str, Array]
    tolerances: dict[str, float]
    notes: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """The tool's name for people."""
        return f"{_TOOLS.get(self.tool, self.tool)} ({self.version})"


@dataclass(frozen=True)
class _Failure:
    tool: str
    reason: str


def run_reference(
    model: Path, inputs: Mapping[str, Array], *, tools: tuple[str, ...] = (ONNXRUNTIME, ONNX)
) -> Reference:
    """Run the first tool that can; EnvironmentProblem with every tool's reason when none can.

    A tool that crashes is reported in ``notes``; the next one is tried.
    """
    notes: list[str] = []
    for tool in tools:
        answer = _run(tool, model, inputs)
        if isinstance(answer, Reference):
            return Reference(
                answer.tool, answer.version, answer.outputs, answer.tolerances, tuple(notes)
            )
        notes.append(f"{_TOOLS[tool]}: {answer.reason}")
    raise EnvironmentProblem(
        f"no reference tool can run {model}:\n  " + "\n  ".join(notes),
        hint="install ONNX Runtime with `pip install 'fusec[verify]'`, or give --golden DIR",
    )


def _run(tool: str, model: Path, inputs: Mapping[str, Array]) -> Reference | _Failure:
    if find_spec(tool) is None:
        return _Failure(tool, "not installed")
    with tempfile.TemporaryDirectory(prefix="fusec-reference-") as name:
        folder = Path(name)
        request = {"tool": tool, "model": str(model.resolve()), "optimised": True}
        (folder / "request.json").write_text(json.dumps(request))
        save_arrays(folder, "inputs", inputs)
        command = [sys.executable, "-m", "fusec.verification.worker", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace")
        if not (folder / "outputs.json").exists():
            return _Failure(tool, _why(done))
        outputs = load_arrays(folder, "outputs")
        better = load_arrays(folder, "optimised") if (folder / "optimised.json").exists() else {}
        version = (folder / "version.txt").read_text()
        return Reference(tool, version, outputs, _tolerances(outputs, better))


def _tolerances(outputs: Mapping[str, Array], optimised: Mapping[str, Array]) -> dict[str, float]:
    """The floor of the dtype, or 4 x what the tool's own optimisations change if that is more."""
    result: dict[str, float] = {}
    for name, array in outputs.items():
        result[name] = tolerance_floor(array.dtype)
        other = optimised.get(name)
        if other is not None and is_floating(array.dtype) and other.shape == array.shape:
            own_error = relative_l2(other, array)
            result[name] = max(result[name], ERROR_FACTOR * min(own_error, 1e-2))
    return result


def _why(done: subprocess.CompletedProcess[str]) -> str:
    """The last line that the subprocess said, or the signal that ended it."""
    if done.returncode < 0:
        return f"crashed ({signal.Signals(-done.returncode).name})"
    lines = [line for line in done.stderr.strip().splitlines() if line.strip()]
    return lines[-1].strip() if lines else f"ended with exit code {done.returncode}"
