"""Offsets as expressions, for sizes that have no upper bound.

Roots of equal size share slots, as few as their lifetimes allow; the slots of each size stand in
one row, one row after another. The offsets hold for every value of the symbols.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fusec.ir.storage import Lifetime
from fusec.ir.sym import Dim, ceildiv, smax
from fusec.passes.memory.offsets import place


@dataclass(frozen=True)
class Slots:
    """``offsets`` parallel to the lifetimes; all in bytes."""

    offsets: tuple[Dim, ...]
    arena_bytes: Dim
    lower_bound: Dim


def place_in_slots(lifetimes: Sequence[Lifetime], alignment: int) -> Slots:
    """Place roots whose sizes may depend on unbounded symbols."""
    sizes = [ceildiv(life.nbytes, alignment) * alignment for life in lifetimes]
    rows: dict[Dim, list[int]] = {}
    for index, size in enumerate(sizes):
        rows.setdefault(size, []).append(index)
    offsets: list[Dim] = [0] * len(lifetimes)
    base: Dim = 0
    for size, row in rows.items():
        slots = place([(lifetimes[i].start, lifetimes[i].end, 1) for i in row])
        for index, slot in zip(row, slots.offsets, strict=True):
            offsets[index] = base + slot * size
        base = base + slots.height * size
    return Slots(tuple(offsets), base, _lower_bound(lifetimes, sizes, list(rows)))


def _lower_bound(lifetimes: Sequence[Lifetime], sizes: Sequence[Dim], distinct: list[Dim]) -> Dim:
    """The largest sum of live bytes: a maximum over the launches that no other one covers."""
    counts = _maximal(_live_counts(lifetimes, [distinct.index(s) for s in sizes], len(distinct)))
    sums: list[Dim] = []
    for count in counts:
        total: Dim = 0
        for number, size in zip(count, distinct, strict=True):
            total = total + number * size
        sums.append(total)
    return smax(*sums) if sums else 0


def _live_counts(
    lifetimes: Sequence[Lifetime], kinds: Sequence[int], width: int
) -> set[tuple[int, ...]]:
    """How many roots of each size are alive, for each launch."""
    changes: dict[int, list[tuple[int, int]]] = {}
    for life, kind in zip(lifetimes, kinds, strict=True):
        changes.setdefault(life.start, []).append((kind, 1))
        changes.setdefault(life.end + 1, []).append((kind, -1))
    live = [0] * width
    seen: set[tuple[int, ...]] = set()
    for time in sorted(changes):
        for kind, change in changes[time]:
            live[kind] += change
        seen.add(tuple(live))
    return seen


def _maximal(counts: set[tuple[int, ...]]) -> list[tuple[int, ...]]:
    """Those that no other one reaches in every place."""
    kept: list[tuple[int, ...]] = []
    for count in sorted(counts, key=lambda c: (-sum(c), c)):
        if not any(all(a <= b for a, b in zip(count, other, strict=True)) for other in kept):
            kept.append(count)
    return kept
