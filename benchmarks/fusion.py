"""Kernels and activation bytes beside ONNX Runtime and OpenVINO, for networks and any ONNX file.

    python benchmarks/fusion.py [NAME | FILE.onnx]... [--dim batch=4]... [--time] [--json]

ONNX Runtime's columns are what its own profile says of one run at the optimisation level that moves
the fewest bytes; OpenVINO's is the number of nodes of the compiled model that took a microsecond or
more in one run, in float32, where the package is installed. Dims that a model leaves open have the
sizes at which fusec counts, which are the greatest of their ranges.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

if __package__ in {None, ""}:  # run as a file: the other modules are found from the root
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

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
# Nodes of OpenVINO's graph that are not work.
IDLE = {"Const", "Input", "Output"}
Sizes = Mapping[str, int]
Feeds = Mapping[str, np.ndarray[Any, Any]]


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
    passes_seconds: float
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


def measure(name: str, dims: tuple[str, ...] = ()) -> Row:
    """All columns of one model: a name of `benchmarks.models`, or a file.

    `dims`: as fusec's `--dim` takes them, for dims that the model leaves open.
    """
    path = build(name) if name in MODELS else Path(name)
    given = [text for dim in dims for text in ("--dim", dim)]
    with tempfile.TemporaryDirectory(prefix="fusec-bench-") as folder:
        plan = fusec("optimize", str(path), "-o", str(Path(folder) / "a.plan"), *given)
    sizes = {**fixed(dims), **plan.get("at", {})}
    model = onnx.load(path, load_external_data=False)
    feeds = zeros(model, sizes)
    runs = [onnxruntime_run(path, level, feeds) for level in LEVELS]
    nodes, moved = min(runs, key=lambda run: run[::-1])
    kernels, megabytes = ASKED.get(name, (None, None))
    return Row(
        name=Path(name).stem,
        source_nodes=len(model.graph.node),
        onnxruntime_nodes=nodes,
        onnxruntime_mb=moved / 1e6,
        openvino_nodes=openvino_nodes(path, feeds),
        kernels=plan["kernels"],
        mb=plan["activation_bytes"] / 1e6,
        passes_seconds=plan["seconds"]["passes"],
        asked_kernels=kernels,
        asked_mb=megabytes,
    )


def fixed(dims: tuple[str, ...]) -> dict[str, int]:
    """The dims that are given one size."""
    pairs = (dim.partition("=") for dim in dims)
    return {name: int(size) for name, _, size in pairs if size.isdigit()}


def zeros(model: onnx.ModelProto, sizes: Sizes) -> Feeds:
    """Inputs of zeros, by name: what is counted does not depend on values."""
    weights = {tensor.name for tensor in model.graph.initializer}
    feeds: dict[str, np.ndarray[Any, Any]] = {}
    for entry in model.graph.input:
        if entry.name not in weights:
            kind = entry.type.tensor_type
            dims = kind.shape.dim
            shape = [d.dim_value or sizes.get(d.dim_param, 1) for d in dims]
            feeds[entry.name] = np.zeros(
                shape, onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type)
            )
    return feeds


def onnxruntime_run(path: Path, level: str, feeds: Feeds) -> tuple[int, int]:
    """Nodes that ONNX Runtime executes at a level, and the activation bytes they move."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
    options.enable_profiling = True
    with tempfile.TemporaryDirectory(prefix="fusec-bench-") as folder:
        options.profile_file_prefix = str(Path(folder) / "profile")
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        session.run(None, dict(feeds))
        events = json.loads(Path(session.end_profiling()).read_text("utf-8"))
    runs = [e["args"] for e in events if str(e["name"]).endswith("_kernel_time")]
    return len(runs), sum(int(r["activation_size"]) + int(r["output_size"]) for r in runs)


def openvino_nodes(path: Path, feeds: Feeds) -> int | None:
    """Nodes that take time in a run of OpenVINO on the CPU; None where it is not installed.

    The compiled model also lists transposes of weights, done once, and reshapes that move nothing.
    """
    if find_spec("openvino") is None:
        return None
    import openvino

    # Unless told otherwise it computes in bfloat16 where the CPU can, with a node for each cast.
    settings = {"INFERENCE_PRECISION_HINT": "f32", "PERF_COUNT": True}
    compiled = openvino.Core().compile_model(str(path), "CPU", settings)
    compiled.create_infer_request().infer(dict(feeds))
    told = [node.get_rt_info() for node in compiled.get_runtime_model().get_ops()]
    ran = [info for info in told if _text(info["execTimeMcs"]).isdigit()]
    return sum(_text(info["layerType"]) not in IDLE for info in ran)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else str(value.astype(str))


@click.command(help=__doc__)
@click.argument("models", nargs=-1)
@click.option("--dim", "dims", multiple=True, help="an open dim, as fusec optimize takes it")
@click.option("--time", "timed", is_flag=True, help="show the seconds of the passes too")
@click.option("--json", "as_json", is_flag=True, help="print JSON")
def main(models: tuple[str, ...], dims: tuple[str, ...], timed: bool, as_json: bool) -> None:
    """Print the table; exit with 1 if a bar is missed."""
    rows = []
    for name in models or tuple(ASKED):
        click.echo(name, err=True)
        rows.append(measure(name, dims))
    if as_json:
        click.echo(json.dumps([{**asdict(row), "ok": row.ok} for row in rows], indent=2))
    else:
        lines: list[tuple[str, ...]]
        lines = [("model", "source nodes", "ONNX Runtime", "OpenVINO", "fusec", "asked")]
        lines += [row.cells() for row in rows]
        if timed:
            seconds = ["passes", *(f"{row.passes_seconds:.2f} s" for row in rows)]
            lines = [(*line, spent) for line, spent in zip(lines, seconds)]
        click.echo(table(lines))
    sys.exit(0 if all(row.ok for row in rows) else 1)


if __name__ == "__main__":
    main()
