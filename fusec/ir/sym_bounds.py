"""What is known about a dim: its interval and its divisors.

Facts hold wherever the dim is defined (no divisor is zero) and the symbols keep their ranges.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from math import gcd, prod
from typing import TypeAlias

from fusec.ir.sym_expr import (
    CACHE,
    Atom,
    Dim,
    FloorDiv,
    Min,
    Mod,
    Operation,
    Symbol,
)

Interval: TypeAlias = tuple[int | None, int | None]


def bounds(x: Dim) -> Interval:
    """Return inclusive (lowest, highest) values by interval arithmetic; None is unbounded."""
    if isinstance(x, int):
        return x, x
    if x._bounds is None:
        lo: int | None = x.const
        hi: int | None = x.const
        for mono, c in x.terms:
            low, high = _scale(_mono_bounds(mono), c)
            lo = None if lo is None or low is None else lo + low
            hi = None if hi is None or high is None else hi + high
        x._bounds = (lo, hi)
    return x._bounds


def is_natural(x: Dim) -> bool:
    """Return whether interval arithmetic shows `x >= 0`."""
    low = bounds(x)[0]
    return low is not None and low >= 0


def _mono_bounds(mono: tuple[Atom, ...]) -> Interval:
    result = atom_bounds(mono[0])
    for atom in mono[1:]:
        result = _times(result, atom_bounds(atom))
    return result


def _scale(x: Interval, c: int) -> Interval:
    lo, hi = x if c > 0 else (x[1], x[0])
    return None if lo is None else lo * c, None if hi is None else hi * c


def _times(p: Interval, q: Interval) -> Interval:
    (a, b), (c, d) = p, q
    if a is not None and c is not None and a >= 0 and c >= 0:
        if b == 0 or d == 0:
            return 0, 0
        return a * c, None if b is None or d is None else b * d
    if b is not None and b <= 0:
        return _scale(_times(_scale(p, -1), q), -1)
    if d is not None and d <= 0:
        return _scale(_times(p, _scale(q, -1)), -1)
    if a is None or b is None or c is None or d is None:
        return None, None
    corners = (a * c, a * d, b * c, b * d)
    return min(corners), max(corners)


@lru_cache(maxsize=CACHE)
def atom_bounds(atom: Atom) -> Interval:
    """Return inclusive (lowest, highest) values of the atom; None is unbounded."""
    if isinstance(atom, Symbol):
        return atom.lo, atom.hi
    assert isinstance(atom, Operation)
    if isinstance(atom, FloorDiv):
        return _floordiv_bounds(bounds(atom.args[0]), bounds(atom.args[1]))
    if isinstance(atom, Mod):
        return _mod_bounds(atom.args[0], atom.args[1])
    lows, highs = zip(*map(bounds, atom.args), strict=True)
    if isinstance(atom, Min):
        return _all_known(lows, min), _some_known(highs, min)
    return _some_known(lows, max), _all_known(highs, max)


_Values: TypeAlias = tuple[int | None, ...]
_Choose: TypeAlias = Callable[[list[int]], int]


def _some_known(values: _Values, choose: _Choose) -> int | None:
    known = [value for value in values if value is not None]
    return choose(known) if known else None


def _all_known(values: _Values, choose: _Choose) -> int | None:
    return None if None in values else _some_known(values, choose)


def _floordiv_bounds(num: Interval, den: Interval) -> Interval:
    (lo, hi), (small, large) = num, den
    if small is None or small < 0:
        if lo is None or hi is None:
            return None, None
        size = max(abs(lo), abs(hi))
        return -size, size
    small = max(small, 1)
    return _quotient(lo, small, large), _quotient(hi, large, small)


def _quotient(value: int | None, if_negative: int | None, if_positive: int | None) -> int | None:
    """Divide by the divisor that is chosen by the sign; a divisor None is infinite."""
    if value is None:
        return None
    divisor = if_negative if value < 0 else if_positive
    if divisor is None:
        return -1 if value < 0 else 0
    return value // divisor


def _mod_bounds(num: Dim, den: Dim) -> Interval:
    small, large = bounds(den)
    if small is None or small < 0:
        return None if small is None else small + 1, None if large is None else max(large - 1, 0)
    if large is not None:
        large -= gcd(divisor_of(num), large) if isinstance(den, int) else 1
    lo, hi = bounds(num)
    if lo is None or lo < 0 or hi is None:
        return 0, large
    return 0, hi if large is None else min(hi, large)


@lru_cache(maxsize=CACHE)
def divisor_of(x: Dim) -> int:
    """Return the largest integer known to divide `x`; 0 for the constant 0, as `math.gcd`."""
    if isinstance(x, int):
        return abs(x)
    result = abs(x.const)
    for mono, c in x.terms:
        result = gcd(result, c * mono_divisor(mono))
    return result


def mono_divisor(mono: tuple[Atom, ...]) -> int:
    """Return the largest integer known to divide the product of atoms."""
    return prod(map(atom_divisor, mono))


@lru_cache(maxsize=CACHE)
def atom_divisor(atom: Atom) -> int:
    """Return the largest integer known to divide the atom."""
    if isinstance(atom, Symbol):
        return atom.divisor
    assert isinstance(atom, Operation)
    if isinstance(atom, FloorDiv):
        num, den = atom.args
        factor = divisor_of(num)
        exact = isinstance(den, int) and factor % den == 0
        return factor // den if exact and isinstance(den, int) else 1
    return gcd(*map(divisor_of, atom.args))


def is_divisible(x: Dim, k: int) -> bool:
    """Return whether `x % k == 0` is known."""
    return divisor_of(x) % k == 0


prove_divisible = is_divisible
