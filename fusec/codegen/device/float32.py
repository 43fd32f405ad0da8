"""float32 functions without a ``tl`` form, to about 1e-6 relative.

Polynomials of asin, atan, tanh: S. Moshier, Cephes (single precision). erf: minimax after N. Juffa.
"""

from __future__ import annotations

from typing import Any

import triton
import triton.language as tl

from fusec.codegen.device.float64 import pow_f64

Tile = Any


@triton.jit
def with_sign_f32(magnitude: Tile, sign: Tile) -> Tile:
    bits = magnitude.to(tl.int32, bitcast=True) & 0x7FFFFFFF
    negative = sign.to(tl.int32, bitcast=True) < 0
    return tl.where(negative, bits ^ -0x80000000, bits).to(tl.float32, bitcast=True)


@triton.jit
def round_f32(x: Tile) -> Tile:
    # Adding 2**23 leaves no bits for a fraction: the sum is rounded half to even.
    a = tl.abs(x)
    whole = (a + 8388608.0) - 8388608.0
    return tl.where(a < 8388608.0, with_sign_f32(whole, x), x)


@triton.jit
def sigmoid_f32(x: Tile) -> Tile:
    e = tl.exp(-tl.abs(x))
    return tl.div_rn(tl.where(x >= 0, 1.0, e), 1.0 + e)


@triton.jit
def tanh_f32(x: Tile) -> Tile:
    a = tl.abs(x)
    z = x * x
    p = -5.70498872745e-3 * z + 2.06390887954e-2
    p = p * z - 5.37397155531e-2
    p = p * z + 1.33314422036e-1
    p = p * z - 3.33332819422e-1
    near = x * (p * z + 1.0)
    far = 1.0 - tl.div_rn(2.0, tl.exp(2.0 * a) + 1.0)
    return tl.where(a < 0.625, near, with_sign_f32(far, x))


@triton.jit
def expm1_f32(x: Tile) -> Tile:
    # Taylor to x**9 / 9!, below 1e-8 of the result for |x| < 0.5.
    p = x * 2.7557319e-6 + 2.4801587e-5
    p = p * x + 1.9841270e-4
    p = p * x + 1.3888889e-3
    p = p * x + 8.3333333e-3
    p = p * x + 4.1666667e-2
    p = p * x + 1.6666667e-1
    p = p * x + 0.5
    near = x * (p * x + 1.0)
    return tl.where(tl.abs(x) < 0.5, near, tl.exp(x) - 1.0)


@triton.jit
def log1p_f32(x: Tile) -> Tile:
    # Kahan: the rounding error of 1 + x cancels in log(u) / (u - 1).
    u = 1.0 + x
    exact = (u == 1.0) | (u == float("inf"))
    corrected = tl.log(u) * tl.div_rn(x, tl.where(exact, 1.0, u - 1.0))
    return tl.where(u == 1.0, x, tl.where(exact, x, corrected))


@triton.jit
def sinh_f32(x: Tile) -> Tile:
    a = tl.abs(x)
    e = expm1_f32(a)
    near = 0.5 * (e + tl.div_rn(e, e + 1.0))
    half = tl.exp(0.5 * a)
    return with_sign_f32(tl.where(a < 80.0, near, 0.5 * half * half), x)


@triton.jit
def cosh_f32(x: Tile) -> Tile:
    a = tl.abs(x)
    e = tl.exp(a)
    half = tl.exp(0.5 * a)
    return tl.where(a < 80.0, 0.5 * (e + tl.div_rn(1.0, e)), 0.5 * half * half)


@triton.jit
def asinh_f32(x: Tile) -> Tile:
    a = tl.abs(x)
    s = a * a
    near = log1p_f32(a + tl.div_rn(s, 1.0 + tl.sqrt_rn(s + 1.0)))
    far = tl.log(a) + 0.6931471805599453
    return with_sign_f32(tl.where(a < 1e18, near, far), x)


@triton.jit
def acosh_f32(x: Tile) -> Tile:
    t = x - 1.0
    near = log1p_f32(t + tl.sqrt_rn(t * (t + 2.0)))
    far = tl.log(x) + 0.6931471805599453
    return tl.where(x < 1.0, float("nan"), tl.where(x < 1e18, near, far))


@triton.jit
def atanh_f32(x: Tile) -> Tile:
    a = tl.abs(x)
    return with_sign_f32(0.5 * log1p_f32(tl.div_rn(2.0 * a, 1.0 - a)), x)


@triton.jit
def asin_core_f32(s: Tile, z: Tile) -> Tile:
    p = 4.2163199048e-2 * z + 2.4181311049e-2
    p = p * z + 4.5470025998e-2
    p = p * z + 7.4953002686e-2
    p = p * z + 1.6666752422e-1
    return p * z * s + s


@triton.jit
def asin_f32(x: Tile) -> Tile:
    a = tl.abs(x)
    z = tl.where(a > 0.5, 0.5 * (1.0 - a), a * a)
    y = asin_core_f32(tl.where(a > 0.5, tl.sqrt_rn(z), a), z)
    return with_sign_f32(tl.where(a > 0.5, 1.5707963267948966 - 2.0 * y, y), x)


@triton.jit
def acos_f32(x: Tile) -> Tile:
    a = tl.abs(x)
    z = tl.where(a > 0.5, 0.5 * (1.0 - a), a * a)
    y = asin_core_f32(tl.where(a > 0.5, tl.sqrt_rn(z), x), z)
    far = tl.where(x < 0, 3.141592653589793 - 2.0 * y, 2.0 * y)
    return tl.where(a > 0.5, far, 1.5707963267948966 - y)


@triton.jit
def atan_f32(x: Tile) -> Tile:
    a = tl.abs(x)
    far = a > 2.414213562373095
    mid = (a > 0.4142135623730950) & (a <= 2.414213562373095)
    r = tl.div_rn(
        tl.where(far, -1.0, tl.where(mid, a - 1.0, a)),
        tl.where(far, a, tl.where(mid, a + 1.0, 1.0)),
    )
    z = r * r
    p = 8.05374449538e-2 * z - 1.38776856032e-1
    p = p * z + 1.99777106478e-1
    p = p * z - 3.33329491539e-1
    start = tl.where(far, 1.5707963267948966, tl.where(mid, 0.7853981633974483, 0.0))
    return with_sign_f32(start + (p * z * r + r), x)


@triton.jit
def atan2_f32(y: Tile, x: Tile) -> Tile:
    a, b = tl.abs(y), tl.abs(x)
    small = tl.minimum(a, b, propagate_nan=tl.PropagateNan.ALL)
    large = tl.maximum(a, b, propagate_nan=tl.PropagateNan.ALL)
    same = (a == b) & ((a == 0) | (a == float("inf")))
    ratio = tl.div_rn(small, tl.where(large == 0, 1.0, large))
    # 0/0 counts as 0 and inf/inf as 1, as in C.
    ratio = tl.where(same, tl.where(a == 0, 0.0, 1.0), ratio)
    angle = atan_f32(ratio)
    angle = tl.where(a > b, 1.5707963267948966 - angle, angle)
    angle = tl.where(x.to(tl.int32, bitcast=True) < 0, 3.141592653589793 - angle, angle)
    return tl.where((x != x) | (y != y), x + y, with_sign_f32(angle, y))


@triton.jit
def erf_f32(x: Tile) -> Tile:
    a = tl.abs(x)
    s = x * x
    r = -1.72853470e-5 * a + 3.83197126e-4
    u = -3.88396438e-3 * a + 2.42546219e-2
    r = r * s + u
    r = r * a - 1.06777877e-1
    r = r * a - 6.34846687e-1
    r = r * a - 1.28717512e-1
    far = 1.0 - tl.exp(r * a - a)
    q = -5.96761703e-4 * s + 4.99119423e-3
    q = q * s - 2.67681349e-2
    q = q * s + 1.12819925e-1
    q = q * s - 3.76125336e-1
    q = q * s + 1.28379166e-1
    near = q * x + x
    # Beyond 4, erf is 1 in float32; the polynomial would overflow.
    far = tl.where(a > 4.0, 1.0, far)
    return tl.where(a > 0.927734375, with_sign_f32(far, x), near)


@triton.jit
def tan_f32(x: Tile) -> Tile:
    return tl.div_rn(tl.sin(x), tl.cos(x))


@triton.jit
def pow_f32(x: Tile, y: Tile) -> Tile:
    # In float64: y * log2(x) would lose up to 7 bits of the result in float32.
    return pow_f64(x.to(tl.float64), y.to(tl.float64)).to(tl.float32)


@triton.jit
def fmod_f32(x: Tile, y: Tile) -> Tile:
    # Long division, 28 bits of the quotient a step; exponents differ by 277 at most. In float64
    # each product of 28 and 24 bits is exact, and no power of two under- or overflows.
    a, b = tl.abs(x), tl.abs(y)
    r, d = a.to(tl.float64), b.to(tl.float64)
    for step in tl.static_range(9, -1, -1):
        shifted = d * (2.0 ** (28 * step))
        r = r - tl.floor(r / shifted) * shifted
        r = tl.where(r < 0, r + shifted, r)
        r = tl.where(r >= shifted, r - shifted, r)
    result = with_sign_f32(r.to(tl.float32), x)
    bad = (a == float("inf")) | (b == 0) | (x != x) | (y != y)
    return tl.where(bad, float("nan"), tl.where(b == float("inf"), x, result))


@triton.jit
def floor_mod_f32(x: Tile, y: Tile) -> Tile:
    r = fmod_f32(x, y)
    return tl.where((r != 0) & ((r < 0) != (y < 0)), r + y, r)
