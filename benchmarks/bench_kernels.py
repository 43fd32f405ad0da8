"""Kernels and activation traffic of ResNet-50, beside ONNX Runtime's best graph."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click
import onnx

from benchmarks.fusion import LEVELS, onnxruntime_run, zeros
from benchmarks.models import MODELS, build
from benchmarks.report import Figure, command, fusec

_ASKED = {"resnet50": (56, 114.5e6)}


def figures(model: str) -> list[Figure]:
    """Count launches and activation bytes of a model's plan, and of ONNX Runtime's best graph."""
    path = build(model)
    with tempfile.TemporaryDirectory(prefix="fusec-bench-") as folder:
        plan = fusec("optimize", str(path), "-o", str(Path(folder) / "a.plan"))
    source = onnx.load(path, load_external_data=False)
    feeds = zeros(source, {})
    best = min((onnxruntime_run(path, lv, feeds) for lv in LEVELS), key=lambda g: (g[1], g[0]))
    kernels, moved = _ASKED.get(model, (best[0], best[1]))
    return [
        Figure(f"{model}: nodes of the source", len(source.graph.node)),
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
