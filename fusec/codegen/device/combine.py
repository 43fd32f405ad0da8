"""How reductions combine two elements; a NaN wins over every number."""

from __future__ import annotations

from typing import Any

import triton
import triton.language as tl

Tile = Any


@triton.jit
def larger(a: Tile, b: Tile) -> Tile:
    return tl.maximum(a, b, propagate_nan=tl.PropagateNan.ALL)


@triton.jit
def smaller(a: Tile, b: Tile) -> Tile:
    return tl.minimum(a, b, propagate_nan=tl.PropagateNan.ALL)


@triton.jit
def multiply(a: Tile, b: Tile) -> Tile:
    return a * b


@triton.jit
def first_larger(a: Tile, at: Tile, b: Tile, bt: Tile) -> tuple[Tile, Tile]:
    same = (a == b) | ((a != a) & (b != b))
    keep = (a > b) | ((a != a) & (b == b)) | (same & (at < bt))
    return tl.where(keep, a, b), tl.where(keep, at, bt)


@triton.jit
def last_larger(a: Tile, at: Tile, b: Tile, bt: Tile) -> tuple[Tile, Tile]:
    same = (a == b) | ((a != a) & (b != b))
    keep = (a > b) | ((a != a) & (b == b)) | (same & (at > bt))
    return tl.where(keep, a, b), tl.where(keep, at, bt)


@triton.jit
def first_smaller(a: Tile, at: Tile, b: Tile, bt: Tile) -> tuple[Tile, Tile]:
    same = (a == b) | ((a != a) & (b != b))
    keep = (a < b) | ((a != a) & (b == b)) | (same & (at < bt))
    return tl.where(keep, a, b), tl.where(keep, at, bt)


@triton.jit
def last_smaller(a: Tile, at: Tile, b: Tile, bt: Tile) -> tuple[Tile, Tile]:
    same = (a == b) | ((a != a) & (b != b))
    keep = (a < b) | ((a != a) & (b == b)) | (same & (at > bt))
    return tl.where(keep, a, b), tl.where(keep, at, bt)
