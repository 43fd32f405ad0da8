"""``plan-memory``: the offset of every arena root."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from fusec.ir.graph import Graph
from fusec.ir.storage import Lifetime, MemoryPlan
from fusec.ir.sym import Dim, bounds
from fusec.passes.base import Context, Pass
from fusec.passes.memory.lifetimes import arena_lifetimes
from fusec.passes.memory.offsets import place
from fusec.passes.memory.slots import place_in_slots

ALIGNMENT = 256  # bytes; what cudaMalloc guarantees, so that every vector load is aligned


@dataclass(frozen=True)
class PlanMemory(Pass):
    """Place the arena roots in one buffer; fills ``graph.memory``.

    1. Roots that are in use during one launch do not overlap.
    2. Offsets are multiples of ``alignment`` bytes.
    3. The arena is as low as the portfolio of `fusec.passes.memory.offsets` finds; it stops at the
       lower bound, the largest sum of live bytes.
    4. A size that depends on symbols counts with its upper bound. Where one has none, offsets are
       expressions: roots of equal size share slots.
    """

    name: ClassVar[str] = "plan-memory"
    alignment: int = ALIGNMENT

    def run(self, graph: Graph, context: Context) -> bool:  # noqa: ARG002
        plan = plan_memory(arena_lifetimes(graph), self.alignment)
        changed = plan != graph.memory
        graph.memory = plan
        return changed


def plan_memory(lifetimes: Sequence[Lifetime], alignment: int = ALIGNMENT) -> MemoryPlan:
    """Offsets for roots of (symbolic) sizes and lifetimes in launches."""
    limits = [bounds(life.nbytes)[1] for life in lifetimes]
    sizes = [limit for limit in limits if limit is not None]
    if len(sizes) < len(limits):
        slots = place_in_slots(lifetimes, alignment)
        return _memory_plan(
            lifetimes, slots.offsets, slots.arena_bytes, slots.lower_bound, alignment
        )
    known = [replace(life, nbytes=size) for life, size in zip(lifetimes, sizes, strict=True)]
    buffers = [
        (life.start, life.end, -(-size // alignment) * alignment)
        for life, size in zip(known, sizes, strict=True)
    ]
    placed = place(buffers)
    return _memory_plan(known, placed.offsets, placed.height, placed.lower_bound, alignment)


def _memory_plan(
    lifetimes: Sequence[Lifetime],
    offsets: Sequence[Dim],
    arena_bytes: Dim,
    lower_bound: Dim,
    alignment: int,
) -> MemoryPlan:
    names = [life.root for life in lifetimes]
    return MemoryPlan(
        alignment=alignment,
        lifetimes=tuple(lifetimes),
        offsets=tuple(zip(names, offsets, strict=True)),
        arena_bytes=arena_bytes,
        lower_bound_bytes=lower_bound,
    )
