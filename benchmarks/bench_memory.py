"""Peak memory of `fusec optimize`, beside the size of the weights."""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.models import build
from benchmarks.report import Figure, command, measure, run

NAMES = ("resnet50", "light_vgg19", "generated_10000")


def figures() -> list[Figure]:
    """Measure the peak of resident memory; at most 3 times the weights and 1 GB."""
    found = [Figure("importing torch alone", run("-c", "import torch").peak_bytes / 1e6, "MB")]
    for name in NAMES:
        with tempfile.TemporaryDirectory(prefix="fusec-bench-") as folder:
            plan = str(Path(folder) / "a.plan")
            report, done = measure("optimize", str(build(name)), "-o", plan)
        weights = report["weight_bytes"] / 1e6
        found.append(Figure(f"{name}: weights", weights, "MB"))
        limit = 3 * weights + 1000
        found.append(Figure(f"{name}: peak of optimize", done.peak_bytes / 1e6, "MB", limit))
    return found


if __name__ == "__main__":
    command(figures)()
