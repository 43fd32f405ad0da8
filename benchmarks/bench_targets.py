"""Ahead-of-time compilation of ResNet-50 for two targets with no GPU: time, spills, tiles."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from benchmarks.bench_kernels import MODEL
from benchmarks.models import build
from benchmarks.report import Figure, command, fusec

TARGETS = ("sm_80", "sm_90")


def worst_tile(path: Path, target: str) -> float:
    """The largest ratio, over kernels, of the chosen tile's modelled time to the best one's."""
    from fusec.plan import read_plan
    from fusec.target import resolve
    from fusec.tile.candidates import candidates

    worst = 1.0
    for kernel in read_plan(path).kernels:
        legal = candidates(kernel.program, resolve(target))
        chosen = kernel.config(target)
        (seconds,) = [c.seconds for c in legal if c.config == chosen]
        worst = max(worst, seconds / min(c.seconds for c in legal))
    return worst


def figures(model: str, jobs: int) -> list[Figure]:
    """Compile every kernel for sm_80 and sm_90 into an empty cache; read what the plan says."""
    with tempfile.TemporaryDirectory(prefix="fusec-bench-") as folder:
        plan = Path(folder) / "a.plan"
        chosen = [part for target in TARGETS for part in ("--target", target)]
        cache = {"TRITON_CACHE_DIR": str(Path(folder) / "cache")}
        report = fusec(
            *("optimize", str(build(model)), "-o", str(plan), *chosen, "--jobs", str(jobs)),
            environment=cache,
        )
        kernels = fusec("inspect", str(plan))["kernel_list"]
        tiles = {target: worst_tile(plan, target) for target in TARGETS}
    binaries = [sorted(kernel["targets"]) for kernel in kernels]
    spilled = max(kernel["spills"] or 0 for kernel in kernels)
    return [
        Figure(f"{model}: kernels", len(kernels)),
        Figure(
            "kernels without a binary for both", sum(b != list(TARGETS) for b in binaries), "", 0
        ),
        Figure("largest spill of a kernel", spilled, "", 0),
        Figure("compile for both", report["seconds"]["compile"], "s", 180.0),
        *(
            Figure(f"worst chosen tile over the best, modelled, {t}", r, "x", 1.2)
            for t, r in tiles.items()
        ),
    ]


JOBS = click.Option(["--jobs"], type=int, default=2, show_default=True, help="processes")

if __name__ == "__main__":
    command(figures, MODEL, JOBS)()
