"""The few lines that say what a plan is worth."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fusec.explain.counts import Counts
from fusec.explain.units import human_bytes, human_flops, human_seconds
from fusec.plan import Plan


def counts_rows(counts: Counts) -> Iterator[tuple[str, str]]:
    """(what, how much) for each figure."""
    distinct = f" ({counts.distinct_kernels} distinct)"
    yield "kernels", f"{counts.nodes_before} source nodes -> {counts.kernels} kernels{distinct}"
    yield "activations", f"{human_bytes(counts.activation_bytes)} read and written a run"
    yield "arena", arena_text(counts)
    yield "weights", human_bytes(counts.weight_bytes)
    yield "operations", human_flops(counts.flops)
    if counts.at:
        sizes = ", ".join(f"{name}={size}" for name, size in counts.at.items())
        yield "at", f"{sizes} (all figures above)"


def arena_text(counts: Counts) -> str:
    """Arena bytes beside their lower bound."""
    bound = counts.arena_lower_bound_bytes
    ratio = counts.arena_bytes / bound if bound else 1.0
    beside = f"lower bound {human_bytes(bound)}, ratio {ratio:.3f}"
    return f"{human_bytes(counts.arena_bytes)} ({beside})"


def target_rows(plan: Plan) -> Iterator[tuple[str, str]]:
    """What the compiler made for each target."""
    for target in target_counts(plan):
        spilled = target["spilled"]
        spills = f"{spilled} with spills" if spilled else "no spills"
        registers = f"at most {target['registers']} registers"
        yield target["name"], f"{target['kernels']} kernels compiled, {spills}, {registers}"
    if not plan.targets:
        yield "binaries", "none (no --target): kernels compile on first load"


def target_counts(plan: Plan) -> list[dict[str, Any]]:
    """Kernels, spills and largest resources for each target."""
    rows = []
    for name in plan.targets:
        binaries = [b for k in plan.kernels for b in k.binaries if b.target == name]
        rows.append(
            {
                "name": name,
                "kernels": len(binaries),
                "spilled": sum(b.resources.spills > 0 for b in binaries),
                "registers": max((b.resources.registers for b in binaries), default=0),
                "shared_bytes": max((b.resources.shared_bytes for b in binaries), default=0),
            }
        )
    return rows


def seconds_text(seconds: Mapping[str, float]) -> str:
    """Stages in order with their time, those under 5 ms left out."""
    parts = [f"{name} {human_seconds(s)}" for name, s in seconds.items() if s >= 0.005]
    return ", ".join(parts) if parts else "under 5 ms"


def aligned(
    rows: Iterator[tuple[str, str]] | list[tuple[str, str]], indent: str = "  "
) -> list[str]:
    """``name  value`` lines."""
    pairs = list(rows)
    width = max(len(name) for name, _ in pairs)
    return [f"{indent}{name:<{width}}  {text}" for name, text in pairs]
