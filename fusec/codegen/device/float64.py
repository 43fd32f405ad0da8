"""float64 functions without a ``tl`` form, to about 1e-15 relative (pow: 1e-13).

Rational function of atan: S. Moshier, Cephes (double precision).
"""

from __future__ import annotations

from typing import Any

import triton
import triton.language as tl

Tile = Any


@triton.jit
def with_sign_f64(magnitude: Tile, sign: Tile) -> Tile:
    # Not -a: Triton subtracts from 0, and 0 - 0 is not -0.
    a = tl.abs(magnitude)
    return tl.where(sign.to(tl.int64, bitcast=True) < 0, a * -1.0, a)


@triton.jit
def round_f64(x: Tile) -> Tile:
    # Adding 2**52 leaves no bits for a fraction: the sum is rounded half to even.
    a = tl.abs(x)
    whole = (a + 4503599627370496.0) - 4503599627370496.0
    return tl.where(a < 4503599627370496.0, with_sign_f64(whole, x), x)


@triton.jit
def sigmoid_f64(x: Tile) -> Tile:
    e = tl.exp(-tl.abs(x))
    return tl.where(x >= 0, tl.full((), 1.0, tl.float64), e) / (1.0 + e)


@triton.jit
def expm1_f64(x: Tile) -> Tile:
    # Taylor: for |x| < 0.35 the first term left out is below 1e-17 of the result.
    p = x * 0.0 + 7.647163731819816e-13
    p = p * x + 1.1470745597729725e-11
    p = p * x + 1.6059043836821613e-10
    p = p * x + 2.08767569878681e-9
    p = p * x + 2.505210838544172e-8
    p = p * x + 2.755731922398589e-7
    p = p * x + 2.7557319223985893e-6
    p = p * x + 2.48015873015873e-5
    p = p * x + 1.984126984126984e-4
    p = p * x + 1.388888888888889e-3
    p = p * x + 8.333333333333333e-3
    p = p * x + 4.1666666666666664e-2
    p = p * x + 1.6666666666666666e-1
    p = p * x + 0.5
    near = x * (p * x + 1.0)
    return tl.where(tl.abs(x) < 0.35, near, tl.exp(x) - 1.0)


@triton.jit
def tanh_f64(x: Tile) -> Tile:
    a = tl.abs(x)
    e = expm1_f64(2.0 * a)
    near = e / (e + 2.0)
    far = 1.0 - 2.0 / (e + 2.0)
    return with_sign_f64(tl.where(a < 0.5, near, far), x)


@triton.jit
def log1p_f64(x: Tile) -> Tile:
    # Kahan: the rounding error of 1 + x cancels in log(u) / (u - 1).
    u = 1.0 + x
    exact = (u == 1.0) | (u == float("inf"))
    corrected = tl.log(u) * (x / tl.where(exact, u * 0.0 + 1.0, u - 1.0))
    return tl.where(exact, x, corrected)


@triton.jit
def sinh_f64(x: Tile) -> Tile:
    a = tl.abs(x)
    e = expm1_f64(a)
    near = 0.5 * (e + e / (e + 1.0))
    half = tl.exp(0.5 * a)
    return with_sign_f64(tl.where(a < 700.0, near, 0.5 * half * half), x)


@triton.jit
def cosh_f64(x: Tile) -> Tile:
    a = tl.abs(x)
    e = tl.exp(a)
    half = tl.exp(0.5 * a)
    return tl.where(a < 700.0, 0.5 * (e + 1.0 / e), 0.5 * half * half)


@triton.jit
def asinh_f64(x: Tile) -> Tile:
    a = tl.abs(x)
    s = a * a
    near = log1p_f64(a + s / (1.0 + tl.sqrt(s + 1.0)))
    far = tl.log(a) + 0.6931471805599453
    return with_sign_f64(tl.where(a < 1e150, near, far), x)


@triton.jit
def acosh_f64(x: Tile) -> Tile:
    t = x - 1.0
    near = log1p_f64(t + tl.sqrt(t * (t + 2.0)))
    far = tl.log(x) + 0.6931471805599453
    # Below 1 the square root or the logarithm is NaN; the product says so for every x.
    return tl.where(x < 1.0, float("nan"), tl.where(x < 1e150, near, far))


@triton.jit
def atanh_f64(x: Tile) -> Tile:
    a = tl.abs(x)
    return with_sign_f64(0.5 * log1p_f64(2.0 * a / (1.0 - a)), x)


@triton.jit
def atan_f64(x: Tile) -> Tile:
    a = tl.abs(x)
    far = a > 2.414213562373095
    mid = (a > 0.66) & (a <= 2.414213562373095)
    one = tl.full((), 1.0, tl.float64)
    top = tl.where(far, -one, tl.where(mid, a - 1.0, a))
    r = top / tl.where(far, a, tl.where(mid, a + 1.0, one))
    z = r * r
    p = -8.750608600031904122785e-1 * z - 1.615753718733365076637e1
    p = p * z - 7.500855792314704667340e1
    p = p * z - 1.228866684490136173410e2
    p = p * z - 6.485021904942025371773e1
    q = z + 2.485846490142306297962e1
    q = q * z + 1.650270098316988542046e2
    q = q * z + 4.328810604912902668951e2
    q = q * z + 4.853903996359136964868e2
    q = q * z + 1.945506571482613964425e2
    # The low bits of pi/2 and pi/4 are added apart.
    low = tl.where(far, 6.123233995736765886130e-17 * one, 3.061616997868382943065e-17 * one)
    start = tl.where(far, 1.5707963267948966 * one, 0.7853981633974483 * one)
    reduced = r * (z * p / q) + r
    return with_sign_f64(tl.where(far | mid, start + (reduced + low), reduced), x)


@triton.jit
def atan2_f64(y: Tile, x: Tile) -> Tile:
    a, b = tl.abs(y), tl.abs(x)
    small = tl.minimum(a, b, propagate_nan=tl.PropagateNan.ALL)
    large = tl.maximum(a, b, propagate_nan=tl.PropagateNan.ALL)
    one = tl.full((), 1.0, tl.float64)
    # 0/0 counts as 0 and inf/inf as 1, as in C.
    ratio = small / tl.where(large == 0, one, large)
    ratio = tl.where((a == b) & (a == float("inf")), one, ratio)
    angle = atan_f64(ratio)
    angle = tl.where(a > b, 1.5707963267948966 - angle, angle)
    angle = tl.where(x.to(tl.int64, bitcast=True) < 0, 3.141592653589793 - angle, angle)
    return tl.where((x != x) | (y != y), x + y, with_sign_f64(angle, y))


@triton.jit
def asin_f64(x: Tile) -> Tile:
    return atan2_f64(x, tl.sqrt((1.0 - x) * (1.0 + x)))


@triton.jit
def acos_f64(x: Tile) -> Tile:
    return 2.0 * atan2_f64(tl.sqrt(1.0 - x), tl.sqrt(1.0 + x))


@triton.jit
def erf_f64(x: Tile) -> Tile:
    return tl.erf(x)


@triton.jit
def tan_f64(x: Tile) -> Tile:
    return tl.sin(x) / tl.cos(x)


@triton.jit
def small_power_f64(a: Tile, y: Tile) -> Tile:
    # Whole exponents below 64 by squaring: powers of small integers are exact.
    n = tl.abs(y).to(tl.int64)
    result = tl.where(a == a, tl.full((), 1.0, tl.float64), a)
    power = a
    for _ in tl.static_range(6):
        result = tl.where((n & 1) != 0, result * power, result)
        power = power * power
        n = n >> 1
    return tl.where(y < 0, 1.0 / result, result)


@triton.jit
def pow_f64(x: Tile, y: Tile) -> Tile:
    a = tl.abs(x)
    whole = tl.floor(y) == y
    half = y * 0.5
    odd = whole & (tl.floor(half) != half)
    size = tl.exp2(y * tl.log2(a))
    size = tl.where(whole & (tl.abs(y) < 64.0), small_power_f64(a, y), size)
    # NaN only where C's pow has it: pow(1, y) and pow(x, 0) are 1 even for NaN.
    one = tl.full((), 1.0, tl.float64)
    size = tl.where((x == 1.0) | (y == 0) | ((a == 1.0) & whole), one, size)
    size = tl.where((x < 0) & (x > float("-inf")) & (whole == 0), float("nan"), size)
    return tl.where(odd & (x.to(tl.int64, bitcast=True) < 0), size * -1.0, size)


@triton.jit
def fmod_f64(x: Tile, y: Tile) -> Tile:
    # Long division one bit a step: double the divisor up to x, then halve it again. All exact.
    a, b = tl.abs(x), tl.abs(y)
    r, shifted = a, b
    for _ in range(2098):
        shifted = tl.where(shifted <= 0.5 * a, shifted + shifted, shifted)
    for _ in range(2099):
        r = tl.where(r >= shifted, r - shifted, r)
        shifted = tl.where(shifted > b, 0.5 * shifted, shifted)
    bad = (a == float("inf")) | (b == 0) | (x != x) | (y != y)
    return tl.where(bad, float("nan"), tl.where(b == float("inf"), x, with_sign_f64(r, x)))


@triton.jit
def floor_mod_f64(x: Tile, y: Tile) -> Tile:
    r = fmod_f64(x, y)
    return tl.where((r != 0) & ((r < 0) != (y < 0)), r + y, r)
