"""float8 in bits of a byte: targets and the interpreter differ in what they convert themselves.

Decoding shifts exponent and mantissa into place and multiplies by the difference of the biases,
which makes subnormals right; encoding rounds to nearest even, subnormals by adding a power of two.
"""

from __future__ import annotations

from typing import Any

import triton
import triton.language as tl

Tile = Any


@triton.jit
def decode_bits(x: Tile, shift: tl.constexpr, scale: tl.constexpr) -> Tile:
    bits = x.to(tl.int32)
    magnitude = ((bits & 0x7F) << shift).to(tl.float32, bitcast=True) * scale
    return tl.where(bits >= 128, magnitude * -1.0, magnitude)


@triton.jit
def encode_bits(x: Tile, mantissa: tl.constexpr, bias: tl.constexpr) -> Tile:
    # Exponent and mantissa of |x|, too large where it overflows; NaN and infinity overflow.
    a = tl.abs(x)
    bits = a.to(tl.int32, bitcast=True)
    shift: tl.constexpr = 23 - mantissa
    even = (bits >> shift) & 1
    normal = ((bits + (1 << (shift - 1)) - 1 + even) >> shift) - ((127 - bias) << mantissa)
    magic: tl.constexpr = 2.0 ** (24 - bias - mantissa)
    start: tl.constexpr = (127 + 24 - bias - mantissa) << 23
    small = (a + magic).to(tl.int32, bitcast=True) - start
    return tl.where(a < 2.0 ** (1 - bias), small, normal)


@triton.jit
def with_sign_f8(code: Tile, x: Tile) -> Tile:
    negative = x.to(tl.int32, bitcast=True) < 0
    return tl.where(negative, code | 128, code).to(tl.uint8)


@triton.jit
def from_e4m3fn(x: Tile) -> Tile:
    return tl.where((x & 127) == 127, float("nan"), decode_bits(x, 20, 2.0**120))


@triton.jit
def to_e4m3fn(x: Tile) -> Tile:
    code = encode_bits(x, 3, 7)
    return with_sign_f8(tl.where((code > 0x7E) | (x != x), 0x7F, code), x)


@triton.jit
def from_e5m2(x: Tile) -> Tile:
    return (x.to(tl.int16) << 8).to(tl.float16, bitcast=True).to(tl.float32)


@triton.jit
def to_e5m2(x: Tile) -> Tile:
    code = encode_bits(x, 2, 15)
    code = tl.where(x != x, 0x7F, tl.where(code > 0x7B, 0x7C, code))
    return with_sign_f8(code, x)


@triton.jit
def from_e4m3fnuz(x: Tile) -> Tile:
    return tl.where(x == 128, float("nan"), decode_bits(x, 20, 2.0**119))


@triton.jit
def to_e4m3fnuz(x: Tile) -> Tile:
    code = encode_bits(x, 3, 8)
    bad = (code > 0x7F) | (x != x)
    return tl.where(bad, 128, tl.where(code == 0, 0, with_sign_f8(code, x))).to(tl.uint8)


@triton.jit
def from_e5m2fnuz(x: Tile) -> Tile:
    return tl.where(x == 128, float("nan"), decode_bits(x, 21, 2.0**111))


@triton.jit
def to_e5m2fnuz(x: Tile) -> Tile:
    code = encode_bits(x, 2, 16)
    bad = (code > 0x7F) | (x != x)
    return tl.where(bad, 128, tl.where(code == 0, 0, with_sign_f8(code, x))).to(tl.uint8)
