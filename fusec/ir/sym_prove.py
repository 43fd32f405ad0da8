"""Proofs of inequalities between dims.

`prove_*` return True only when proven, for every value of the symbols in their ranges that leaves
the dim defined; False means unknown.  A proof replaces atoms by their limits, one at a time, until
interval arithmetic is enough; what a few sample values refute is not tried.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TypeAlias
from zlib import crc32

from fusec.ir import sym_bounds
from fusec.ir.sym_expr import (
    CACHE,
    Atom,
    Dim,
    Expr,
    FloorDiv,
    Max,
    Min,
    Mod,
    Monomial,
    Operation,
    Symbol,
    build,
)

_STEPS = 8  # atoms replaced in one proof
_SIGN_STEPS = 2  # atoms replaced to find the sign of a coefficient
_SAMPLES = range(6)
_FAR = 1000  # steps of an unbounded symbol above its lowest value, in samples


def prove_nonneg(x: Dim) -> bool:
    """Prove `x >= 0`."""
    return _nonneg(x, _STEPS)


def prove_le(a: Dim, b: Dim) -> bool:
    """Prove `a <= b`."""
    return prove_nonneg(b - a)


def prove_lt(a: Dim, b: Dim) -> bool:
    """Prove `a < b`."""
    return prove_nonneg(b - a - 1)


def prove_ge(a: Dim, b: Dim) -> bool:
    """Prove `a >= b`."""
    return prove_nonneg(a - b)


def prove_eq(a: Dim, b: Dim) -> bool:
    """Prove `a == b`."""
    return a == b or (prove_le(a, b) and prove_le(b, a))


def _nonneg(x: Dim, steps: int) -> bool:
    if isinstance(x, int):
        return x >= 0
    lo, hi = sym_bounds.bounds(x)
    if lo is not None and lo >= 0:
        return True
    if steps <= 0 or (hi is not None and hi < 0) or _is_refuted(x):
        return False
    return _nonneg_without_an_atom(x, steps - 1)


@lru_cache(maxsize=CACHE)
def _nonneg_without_an_atom(x: Expr, steps: int) -> bool:
    """Replace one atom by a limit of it, symbolic rather than a number, and try again.

    `x = c*atom + rest` is monotone in `atom` where the sign of `c` is known, so a limit of the
    atom on the side that makes `x` smallest gives a lower bound of `x`.
    """
    signed = []
    for atom in dict.fromkeys(atom for mono, _ in x.terms for atom in mono):
        c, rest = _cofactor(x, atom)
        if _nonneg(c, min(steps, _SIGN_STEPS)):
            signed.append((atom, 1, c, rest))
        elif _nonneg(-c, min(steps, _SIGN_STEPS)):
            signed.append((atom, -1, c, rest))
    for smallest in (_smallest, _smallest_by_number):
        for step in signed:
            found = smallest(*step)
            if found is not None:
                need_all, candidates = found
                proofs = (_nonneg(candidate, steps) for candidate in candidates)
                return all(proofs) if need_all else any(proofs)
    return False


def _cofactor(x: Expr, atom: Atom) -> tuple[Dim, Dim]:
    """Split `x` into `c*atom + rest`, removing one factor where the atom is repeated."""
    inside: dict[Monomial, int] = {}
    outside = []
    const = 0
    for mono, c in x.terms:
        if atom not in mono:
            outside.append((mono, c))
        elif len(mono) == 1:
            const += c
        else:
            at = mono.index(atom)
            inside[mono[:at] + mono[at + 1 :]] = c
    return build(inside.items(), const), build(outside, x.const)


_Lower: TypeAlias = tuple[bool, list[Dim]] | None  # whether all are needed; lower bounds


def _smallest(atom: Atom, sign: int, c: Dim, rest: Dim) -> _Lower:
    """Return lower bounds of `c*atom + rest` from what is known of the atom in symbols."""
    if isinstance(atom, FloorDiv):
        found = _smallest_floordiv(atom, sign, c, rest)
        return None if found is None else (False, [found])
    if isinstance(atom, (Min, Max)):
        need_all = isinstance(atom, Max) == (sign < 0)
        return need_all, [c * arg + rest for arg in atom.args]
    limits = _upper_limits(atom) if sign < 0 else []
    return (False, [c * limit + rest for limit in limits]) if limits else None


def _smallest_by_number(atom: Atom, sign: int, c: Dim, rest: Dim) -> _Lower:
    """Return a lower bound of `c*atom + rest` where interval arithmetic misses it."""
    lo, hi = sym_bounds.atom_bounds(atom)
    number = lo if sign > 0 else hi
    return None if isinstance(c, int) or number is None else (False, [c * number + rest])


def _smallest_floordiv(atom: FloorDiv, sign: int, c: Dim, rest: Dim) -> Dim | None:
    """Return a dim with the sign of `c*(num//den) + rest`, from `den*(num//den) <= num`."""
    num, den = atom.args
    low = sym_bounds.bounds(den)[0]
    if low is None or low < 0:
        return None
    if sign < 0:
        return den * (rest + 1) - 1 - num if c == -1 else den * rest + c * num
    return num + den * rest if c == 1 else den * rest + c * (num - den + 1)


def _upper_limits(atom: Atom) -> list[Dim]:
    """Return symbolic dims that a symbol or a remainder does not exceed."""
    if isinstance(atom, Symbol):
        return [] if atom.below is None else [atom.below - 1]
    assert isinstance(atom, Mod)
    num, den = atom.args
    if isinstance(den, int) or not sym_bounds.is_natural(den):
        return []
    return [den - 1, num] if sym_bounds.is_natural(num) else [den - 1]


# --- sample values


@lru_cache(maxsize=CACHE)
def _is_refuted(x: Expr) -> bool:
    """Return whether `x` is negative for one of a few values of its symbols."""
    samples = (_sample(x, which) for which in _SAMPLES)
    return any(value is not None and value < 0 for value in samples)


def _sample(x: Dim, which: int) -> int | None:
    if isinstance(x, int):
        return x
    total = x.const
    for mono, c in x.terms:
        for atom in mono:
            value = _sample_atom(atom, which)
            if value is None:
                return None
            c *= value
        total += c
    return total


@lru_cache(maxsize=CACHE)
def _sample_atom(atom: Atom, which: int) -> int | None:
    if isinstance(atom, Symbol):
        return _sample_symbol(atom, which)
    assert isinstance(atom, Operation)
    args = [value for arg in atom.args if (value := _sample(arg, which)) is not None]
    if len(args) < len(atom.args):
        return None
    if isinstance(atom, (Min, Max)):
        return min(args) if isinstance(atom, Min) else max(args)
    if args[1] == 0:
        return None
    return args[0] // args[1] if isinstance(atom, FloorDiv) else args[0] % args[1]


def _sample_symbol(s: Symbol, which: int) -> int | None:
    """Return the lowest value, the highest, or one picked by the name; None if there is none."""
    high = s.lo + _FAR * s.divisor if s.hi is None else s.hi
    if s.below is not None:
        limit = _sample(s.below, which)
        if limit is None:
            return None
        high = min(high, limit - 1)
    count = (high - s.lo) // s.divisor
    if count < 0:
        return None
    if which == 1:
        part = 0 if s.below is not None else 4
    else:
        part = (0, 0, 4)[which] if which < 3 else crc32(f"{s.name}{which}".encode()) % 5
    return s.lo + count * part // 4 * s.divisor
