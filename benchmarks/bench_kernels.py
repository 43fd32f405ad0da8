"""Kernels and activation traffic of ResNet-50, beside ONNX Runtime's best graph."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import click
import numpy as np
import onnx

from benchmarks.models import MODELS, build
from benchmarks.report import Figure, command, fusec

_ASKED = {"resnet50": (56, 114.5e6)}
_LEVELS = ("ORT_ENABLE_BASIC", "ORT_ENABLE_EXTENDED", "ORT_ENABLE_ALL")


def onnxruntime_graph(path: Path, level: str) -> tuple[int, int]:
    """Nodes that ONNX Runtime executes at that level, and the activation bytes they move.

    Both are what its own profile says of one run, for it invents operators that shape inference
    does not know.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
    options.enable_profiling = True
    with tempfile.TemporaryDirectory(prefix="fusec-bench-") as folder:
        options.profile_file_prefix = str(Path(folder) / "profile")
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        weights = {entry.name for entry in session.get_overridable_initializers()}
        (image,) = [entry for entry in session.get_inputs() if entry.name not in weights]
        session.run(None, {image.name: np.zeros(image.shape, np.float32)})
        events = json.loads(Path(session.end_profiling()).read_text("utf-8"))
    runs = [e["args"] for e in events if str(e["name"]).endswith("_kernel_time")]
    return len(runs), sum(int(r["activation_size"]) + int(r["output_size"]) for r in runs)


def figures(model: str) -> list[Figure]:
    """Count launches and activation bytes of a model's plan, and of ONNX Runtime's best graph."""
    path = build(model)
    with tempfile.TemporaryDirectory(prefix="fusec-bench-") as folder:
        plan = fusec("optimize", str(path), "-o", str(Path(folder) / "a.plan"))
    best = min((onnxruntime_graph(path, level) for level in _LEVELS), key=lambda g: (g[1], g[0]))
    kernels, moved = _ASKED.get(model, (best[0], best[1]))
    source = len(onnx.load(path, load_external_data=False).graph.node)
    return [
        Figure(f"{model}: nodes of the source", source),
        Figure("nodes of ONNX Runtime's best graph", best[0]),
        Figure("kernels of the plan", plan["kernels"], limit=kernels),
        Figure("distinct kernels", plan["distinct_kernels"]),
        Figure("activations of ONNX Runtime's best graph", best[1] / 1e6, "MB"),
        Figure("activations of the plan", plan["activation_bytes"] / 1e6, "MB", moved / 1e6),
        Figure("arena of the plan", plan["arena_bytes"] / 1e6, "MB"),
    ]


MODEL = click.Option(
    ["--model"], type=click.Choice(list(MODELS)), default="resnet50", show_default=True
)

if __name__ == "__main__":
    command(figures, MODEL)()
