"""Integer functions without a ``tl`` form. Tiles keep their integer type."""

from __future__ import annotations

from typing import Any

import triton
import triton.language as tl

Tile = Any


@triton.jit
def floor_mod(a: Tile, b: Tile) -> Tile:
    r = a % b
    return tl.where((r != 0) & ((r < 0) != (b < 0)), r + b, r)


@triton.jit
def power_signed(base: Tile, exponent: Tile) -> Tile:
    # Negative exponents: the integer part of the fraction, so only 1 and -1 are not 0.
    n = tl.where(exponent < 0, exponent & 1, exponent)
    result = (base & 0) + 1
    power = base
    for _ in tl.static_range(63):
        result = tl.where((n & 1) != 0, result * power, result)
        power = power * power
        n = n >> 1
    return tl.where((exponent < 0) & (base != 1) & (base != -1), base & 0, result)


@triton.jit
def power_unsigned(base: Tile, exponent: Tile) -> Tile:
    n = exponent
    result = (base & 0) + 1
    power = base
    for _ in tl.static_range(64):
        result = tl.where((n & 1) != 0, result * power, result)
        power = power * power
        n = n >> 1
    return result
