"""Integer functions without a ``tl`` form. Tiles keep their integer type."""

from __future__ import annotations

from typing import Any

import triton
import triton.language as tl

Tile = Any


@triton.jit
def divide_signed(a: Tile, b: Tile) -> Tile:
    # By zero: 0. By -1: the negative, which wraps; the division might trap.
    safe = tl.where((b == 0) | (b == -1), (b & 0) + 1, b)
    quotient = tl.where(b == -1, -a, a // safe)
    return tl.where(b == 0, a & 0, quotient)


@triton.jit
def divide_unsigned(a: Tile, b: Tile) -> Tile:
    return tl.where(b == 0, a & 0, a // tl.where(b == 0, (b & 0) + 1, b))


@triton.jit
def remainder_signed(a: Tile, b: Tile) -> Tile:
    safe = tl.where((b == 0) | (b == -1), (b & 0) + 1, b)
    return a % safe


@triton.jit
def remainder_unsigned(a: Tile, b: Tile) -> Tile:
    return a % tl.where(b == 0, (b & 0) + 1, b)


@triton.jit
def floor_mod_signed(a: Tile, b: Tile) -> Tile:
    r = remainder_signed(a, b)
    return tl.where((r != 0) & ((r < 0) != (b < 0)), r + b, r)


@triton.jit
def power_signed(base: Tile, exponent: Tile) -> Tile:
    # Negative exponents: the integer part of the fraction, so only 1 and -1 are not 0.
    n = tl.where(exponent < 0, exponent & 1, exponent)
    result = (base & 0) + 1
    power = base
    for _ in tl.static_range(64):
        result = tl.where((n & 1) != 0, result * power, result)
        power = power * power
        n = n >> 1
    return tl.where((exponent < 0) & (base != 1) & (base != -1), base & 0, result)


@triton.jit
def power_unsigned(base: Tile, exponent: Tile) -> Tile:
    n = tl.where(exponent < 0, exponent & 1, exponent)
    result = (base & 0) + 1
    power = base
    for _ in tl.static_range(64):
        result = tl.where((n & 1) != 0, result * power, result)
        power = power * power
        n = n >> 1
    return tl.where((exponent < 0) & (base != 1), base & 0, result)
