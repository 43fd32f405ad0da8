"""Where values that cross a kernel boundary live: storages in roots, roots in one arena.

Filled by the passes ``assign-storage`` and ``plan-memory``; the evaluator ignores both.
"""

from __future__ import annotations

from dataclasses import dataclass

from fusec.ir.sym import Dim

ARENA, INPUT, OUTPUT, WEIGHT = "arena", "input", "output", "weight"


@dataclass(frozen=True)
class Storage:
    """A strided window of a root; ``offset`` and ``strides`` count elements of the value."""

    root: str
    offset: Dim
    strides: tuple[Dim, ...]


@dataclass(frozen=True)
class Root:
    """One buffer.

    ``kind``: arena (planned), input or output (the caller's), weight (uploaded once).
    """

    name: str
    kind: str
    nbytes: Dim


@dataclass(frozen=True)
class Lifetime:
    """A root alive from launch ``start`` up to and including launch ``end``."""

    root: str
    nbytes: Dim
    start: int
    end: int


@dataclass(frozen=True)
class MemoryPlan:
    """Byte offsets of the arena's roots.

    ``lower_bound_bytes``: the largest sum of live (aligned) bytes.
    """

    alignment: int
    lifetimes: tuple[Lifetime, ...]
    offsets: tuple[tuple[str, Dim], ...]
    arena_bytes: Dim
    lower_bound_bytes: Dim
