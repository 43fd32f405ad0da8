"""How long `fusec optimize` takes with no target, and how passes scale with the graph."""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.models import build
from benchmarks.report import Figure, command, measure, run

REPEATS = 3  # of what takes seconds


def optimize(name: str, output: Path, repeats: int) -> tuple[float, dict[str, float]]:
    """Wall seconds of the whole command, and its own seconds by stage; the best of some runs."""
    arguments = ("optimize", str(build(name)), "-o", str(output))
    reports = [measure(*arguments) for _ in range(repeats)]
    stages = [report["seconds"] for report, _ in reports]
    best = {stage: min(seconds[stage] for seconds in stages) for stage in stages[0]}
    return min(done.seconds for _, done in reports), best


def figures() -> list[Figure]:
    """Time the import of torch, ResNet-50 by stage, and the passes on two generated graphs."""
    torch = min(run("-c", "import torch").seconds for _ in range(REPEATS))
    with tempfile.TemporaryDirectory(prefix="fusec-bench-") as folder:
        plan = Path(folder) / "a.plan"
        wall, stages = optimize("resnet50", plan, REPEATS)
        passes = {
            nodes: optimize(f"generated_{nodes}", plan, repeats)[1]["passes"]
            for nodes, repeats in ((1_000, REPEATS), (10_000, 1))
        }
    return [
        Figure("import of torch", torch, "s"),
        Figure("resnet50: optimize, beyond importing torch", wall - torch, "s", 3.0),
        *(
            Figure(f"resnet50: {s}", t, "s", 0.5 if s == "passes" else None)
            for s, t in stages.items()
        ),
        *(Figure(f"passes on {n:,} nodes", seconds, "s") for n, seconds in passes.items()),
        Figure("passes: 10,000 nodes over 1,000", passes[10_000] / passes[1_000], "x", 12.0),
    ]


if __name__ == "__main__":
    command(figures)()
