"""Kernels and activation bytes beside ONNX Runtime and OpenVINO, for networks and any ONNX file.

    python -m benchmarks.fusion [NAME | FILE.onnx]... [--json]

ONNX Runtime's columns are what its own profile says of one run at the optimisation level that moves
the fewest bytes; OpenVINO's is the number of nodes of the compiled model that execute, where the
package is installed. Dims that a model leaves open are 1.
"""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
import numpy as np
import onnx

from benchmarks.models import MODELS, build
from benchmarks.report import fusec, table

# kernels and megabytes that fusec must reach
ASKED: dict[str, tuple[int, float | None]] = {
    "vit_small": (90, 105),
    "convnext_tiny": (84, 145),
    "densenet121": (128, 100),
    "mobilenetv3_large_folded": (75, 46),
    "resnet50_folded": (56, 114),
    "bert_base": (90, 110),
    "gpt2": (90, 110),
    "gpt2_step_in_place": (90, None),
    "clip": (185, None),
    "cross_attention": (9, None),
}
LEVELS = ("ORT_ENABLE_BASIC", "ORT_ENABLE_EXTENDED", "ORT_ENABLE_ALL")
# Nodes that do not execute; nearly all reorders are of weights, once, when the model is compiled.
IDLE = {"Const", "Input", "Output", "Reorder"}


@dataclass(frozen=True)
class Row:
    """One model. Bytes in megabytes; None where a tool is missing or nothing was asked."""

    name: str
    source_nodes: int
    onnxruntime_nodes: int
    onnxruntime_mb: float
    openvino_nodes: int | None
    kernels: int
    mb: float
    asked_kernels: int | None
    asked_mb: float | None

    @property
    def ok(self) -> bool:
        """Whether what was asked is reached; a megabyte figure counts rounded, as it was asked."""
        few = self.asked_kernels is None or self.kernels <= self.asked_kernels
        return few and (self.asked_mb is None or round(self.mb) <= self.asked_mb)

    def cells(self) -> tuple[str, ...]:
        """The row as text."""
        asked = "" if self.asked_kernels is None else str(self.asked_kernels)
        asked += "" if self.asked_mb is None else f", {self.asked_mb:g} MB"
        return (
            self.name,
            str(self.source_nodes),
            f"{self.onnxruntime_nodes}, {self.onnxruntime_mb:.0f} MB",
            "-" if self.openvino_nodes is None else str(self.openvino_nodes),
            f"{self.kernels}, {self.mb:.1f} MB",
            asked if self.ok else f"{asked}  MISSED",
        )


def measure(name: str) -> Row:
    """All columns of one model: a name of `benchmarks.models`, or a file."""
    path = build(name) if name in MODELS else Path(name)
    with tempfile.TemporaryDirectory(prefix="fusec-bench-") as folder:
        plan = fusec("optimize", str(path), "-o", str(Path(folder) / "a.plan"))
    nodes, moved = min((onnxruntime_run(path, lv) for lv in LEVELS), key=lambda run: run[::-1])
    kernels, megabytes = ASKED.get(name, (None, None))
    return Row(
        name=Path(name).stem,
        source_nodes=len(onnx.load(path, load_external_data=False).graph.node),
        onnxruntime_nodes=nodes,
        onnxruntime_mb=moved / 1e6,
        openvino_nodes=openvino_nodes(path),
        kernels=plan["kernels"],
        mb=plan["activation_bytes"] / 1e6,
        asked_kernels=kernels,
        asked_mb=megabytes,
    )


def onnxruntime_run(path: Path, level: str) -> tuple[int, int]:
    """Nodes that ONNX Runtime executes at a level, and the activation bytes they move."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
    options.enable_profiling = True
    with tempfile.TemporaryDirectory(prefix="fusec-bench-") as folder:
        options.profile_file_prefix = str(Path(folder) / "profile")
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        weights = {entry.name for entry in session.get_overridable_initializers()}
        inputs = [entry for entry in session.get_inputs() if entry.name not in weights]
        session.run(None, {entry.name: zeros(entry) for entry in inputs})
        events = json.loads(Path(session.end_profiling()).read_text("utf-8"))
    runs = [e["args"] for e in events if str(e["name"]).endswith("_kernel_time")]
    return len(runs), sum(int(r["activation_size"]) + int(r["output_size"]) for r in runs)


def zeros(entry: Any) -> np.ndarray[Any, Any]:
    """An input of zeros: what is counted does not depend on values."""
    kind = {"tensor(float)": np.float32, "tensor(int64)": np.int64, "tensor(bool)": np.bool_}
    shape = [dim if isinstance(dim, int) else 1 for dim in entry.shape]
    return np.zeros(shape, kind[entry.type])


def openvino_nodes(path: Path) -> int | None:
    """Nodes that OpenVINO executes on the CPU; None where it is not installed."""
    if find_spec("openvino") is None:
        return None
    import openvino

    compiled = openvino.Core().compile_model(str(path), "CPU")
    kinds = [
        str(node.get_rt_info()["layerType"].astype(str))
        for node in compiled.get_runtime_model().get_ops()
    ]
    return sum(kind not in IDLE for kind in kinds)


@click.command(help=__doc__)
@click.argument("models", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="print JSON")
def main(models: tuple[str, ...], as_json: bool) -> None:
    """Print the table; exit with 1 if a bar is missed."""
    rows = []
    for name in models or tuple(ASKED):
        click.echo(name, err=True)
        rows.append(measure(name))
    if as_json:
        click.echo(json.dumps([{**asdict(row), "ok": row.ok} for row in rows], indent=2))
    else:
        head = ("model", "source nodes", "ONNX Runtime", "OpenVINO", "fusec", "asked")
        click.echo(table([head, *(row.cells() for row in rows)]))
    sys.exit(0 if all(row.ok for row in rows) else 1)


if __name__ == "__main__":
    main()
