"""Simplification of `//`, `%`, `min` and `max`; every rule is exact wherever its input is defined.

Division writes `a = k*q + r` term by term and simplifies what is left of `r`:

    (k*q + r) // k            => q + r//k          (k*q + r) % k        => r % k
    (g*a + r) // (g*k)        => a // k            (g*a + r) % (g*k)    => g*(a % k) + r
    (x//a + c) // k           => (x + a*c) // (a*k)
    (x % (a*k)) // k          => (x//k) % a        (x % (a*k)) % k      => x % k

In the second line `0 <= r < g`; divisors are positive from there on.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from math import gcd
from typing import NamedTuple

from fusec.ir import sym_bounds, sym_prove
from fusec.ir.sym_expr import (
    CACHE,
    Dim,
    Expr,
    FloorDiv,
    Max,
    Min,
    Mod,
    Monomial,
    Operation,
    Term,
    build,
    key_of,
    of_monomial,
    operation,
)


def _divisor_is_trivial(a: Dim, b: Dim) -> bool:
    if b == 0:
        raise ZeroDivisionError(f"division of {a} by zero")
    return isinstance(b, int) and (isinstance(a, int) or b == 1)


def _is_negative(x: Dim) -> bool:
    high = sym_bounds.bounds(x)[1]
    return high is not None and high < 0


@lru_cache(maxsize=CACHE)
def floordiv(a: Dim, b: Dim) -> Dim:
    """Return `a // b`, rounded down; raises ZeroDivisionError when `b` is the constant 0."""
    if _divisor_is_trivial(a, b):
        return a if b == 1 else int(a) // int(b)  # type: ignore[arg-type]
    if _is_negative(b):
        return floordiv(-a, -b)
    quotient, rest = _divide(a, b)
    if rest == 0:
        return quotient
    return quotient + _floordiv_rest(rest, b)


def _floordiv_rest(r: Dim, k: Dim) -> Dim:
    number = _constant_quotient(r, k)
    if number is not None:
        return number
    parts = next(_common_factors(r, k), None)
    if parts is not None:
        return floordiv(parts.whole, parts.divisor)
    nested = _nested_floordiv(r, k)
    return operation(FloorDiv, (r, k)) if nested is None else nested


@lru_cache(maxsize=CACHE)
def mod(a: Dim, b: Dim) -> Dim:
    """Return `a % b`, with the sign of `b`; raises ZeroDivisionError for the constant 0."""
    if _divisor_is_trivial(a, b):
        return 0 if b == 1 else int(a) % int(b)  # type: ignore[arg-type]
    if _is_negative(b):
        return -mod(-a, -b)
    rest = _divide(a, b)[1]
    return _mod_rest(rest, b) if rest != 0 else 0


def _mod_rest(rest: Dim, b: Dim) -> Dim:
    number = _constant_quotient(rest, b)
    if number is not None:
        return rest - b * number
    plain = _without_mods(rest, b)
    if plain != rest:
        return mod(plain, b)
    parts = next(_common_factors(rest, b), None)
    if parts is not None:
        return parts.factor * mod(parts.whole, parts.divisor) + parts.rest
    return operation(Mod, (rest, b))


# --- division with rest


def _divide(a: Dim, b: Dim) -> tuple[Dim, Dim]:
    """Return (q, r) with `a == b*q + r`, where `r` is simpler than `a` or `q` is 0."""
    if isinstance(b, int):
        return _divide_by_number(a, b)
    quotient: Dim = 0
    rest = a
    lead, c_lead = b.terms[0]
    for _ in range(len(a.terms) if isinstance(a, Expr) else 0):
        part = _first_multiple(rest, lead, c_lead)
        if part == 0:
            break
        quotient, rest = quotient + part, rest - part * b
    return (quotient, rest) if _size(rest) < _size(a) else (0, a)


def _size(x: Dim) -> int:
    return len(x.terms) + (x.const != 0) if isinstance(x, Expr) else x != 0


def _first_multiple(x: Dim, lead: Monomial, c_lead: int) -> Dim:
    """Return the quotient of the first term of `x` that `c_lead*lead` divides, or 0."""
    for mono, c in x.terms if isinstance(x, Expr) else ():
        if abs(c) >= abs(c_lead):
            rest = _without(mono, lead)
            if rest is not None:
                return of_monomial(rest, _truncated(c, c_lead))
    return 0


def _truncated(c: int, k: int) -> int:
    return abs(c) // abs(k) * (1 if (c < 0) == (k < 0) else -1)


def _without(mono: Monomial, factors: Monomial) -> Monomial | None:
    """Return `mono / factors`, or None."""
    rest = list(mono)
    for atom in factors:
        if atom not in rest:
            return None
        rest.remove(atom)
    return tuple(rest)


def _divide_by_number(a: Dim, k: int) -> tuple[Dim, Dim]:
    """Divide by `k > 0`: coefficients toward zero, the constant downward."""
    if isinstance(a, int):
        return divmod(a, k)
    number, const = divmod(a.const, k)
    known: Dim = 0
    quotients = []
    rests = []
    for mono, c in a.terms:
        part = c // k if c >= 0 else -(-c // k)
        left = c - part * k
        if left and left * sym_bounds.mono_divisor(mono) % k == 0:
            known = known + _known_quotient(mono, c, k)
            continue
        quotients.append((mono, part))
        rests.append((mono, left))
    if len(rests) == len(a.terms) and not any(part for _, part in quotients):
        return number, a - number * k
    return build(quotients, number) + known, build(rests, const)


def _known_quotient(mono: Monomial, c: int, k: int) -> Dim:
    """Return `c*mono / k` where the divisors of the atoms make it exact."""
    shared = gcd(c, k)
    result: Dim = c // shared
    k //= shared
    for atom in mono:
        shared = gcd(sym_bounds.atom_divisor(atom), k)
        k //= shared
        result = result * (_exact_atom_quotient(atom.expr, shared) if shared > 1 else atom.expr)
    return result


def _exact_atom_quotient(x: Dim, k: int) -> Dim:
    nested = _nested_floordiv(x, k)
    return operation(FloorDiv, (x, k)) if nested is None else nested


def exact_quotient(a: Dim, b: Dim) -> Dim | None:
    """Return `a / b` where `b` is known to divide `a`, or None."""
    quotient, rest = _divide(a, b)
    return quotient if rest == 0 else None


def _constant_quotient(r: Dim, k: Dim) -> int | None:
    """Return `r // k` when the range of `r` leaves one value."""
    if isinstance(k, int):
        low, high = sym_bounds.bounds(r)
        if low is not None and high is not None and low // k == high // k:
            return low // k
    if sym_prove.prove_nonneg(r):
        return 0 if sym_prove.prove_nonneg(k - 1 - r) else None
    return -1 if sym_prove.prove_nonneg(-1 - r) and sym_prove.prove_nonneg(r + k) else None


# --- common factors of dividend and divisor


class _Parts(NamedTuple):
    """`r == factor*whole + rest` with `0 <= rest < factor`, and `k == factor*divisor`."""

    factor: Dim
    whole: Dim
    rest: Dim
    divisor: Dim


def _common_factors(r: Dim, k: Dim) -> Iterator[_Parts]:
    """Yield the splits of `r // k` by a factor that `k` shares with some terms of `r`."""
    if isinstance(r, int):
        return
    c_k, mono_k = _content(k)
    tried = set()
    for mono, c in r.terms:
        factor = (_shared(mono, mono_k), gcd(c, c_k))
        if factor in tried or factor == ((), 1):
            continue
        tried.add(factor)
        parts = _split(r, k, of_monomial(*factor), *factor)
        if parts is not None:
            yield parts


def _split(r: Expr, k: Dim, factor: Dim, mono: Monomial, c: int) -> _Parts | None:
    whole: list[Term] = []
    rest: list[Term] = []
    const = 0
    for term in r.terms:
        left = None if term[1] % c else _without(term[0], mono)
        if left is None:
            rest.append(term)
        elif left:
            whole.append((left, term[1] // c))
        else:
            const += term[1] // c
    remainder = build(rest, r.const)
    carry = floordiv(remainder, factor)
    divisor = exact_quotient(k, factor)
    if not isinstance(carry, int) or divisor is None or not sym_bounds.is_natural(divisor):
        return None
    return _Parts(factor, build(whole, const + carry), remainder - factor * carry, divisor)


def _content(k: Dim) -> tuple[int, Monomial]:
    """Return the greatest common coefficient and monomial of the terms of `k`."""
    if isinstance(k, int):
        return k, ()
    c = k.const
    mono = () if k.const else k.terms[0][0]
    for other, c_other in k.terms:
        c, mono = gcd(c, c_other), _shared(mono, other)
    return c, mono


def _shared(a: Monomial, b: Monomial) -> Monomial:
    left = list(b)
    shared = []
    for atom in a:
        if atom in left:
            left.remove(atom)
            shared.append(atom)
    return tuple(shared)


# --- nested operations


def _nested_floordiv(r: Dim, k: Dim) -> Dim | None:
    if isinstance(r, int) or len(r.terms) != 1 or r.terms[0][1] != 1 or len(r.terms[0][0]) != 1:
        return None
    atom = r.terms[0][0][0]
    if isinstance(atom, FloorDiv) and sym_bounds.is_natural(k):
        num, den = atom.args
        return floordiv(num + den * r.const, den * k)
    if isinstance(atom, Mod) and not r.const:
        num, den = atom.args
        factor = exact_quotient(den, k)
        if factor is not None and sym_bounds.is_natural(factor):
            return mod(floordiv(num, k), factor)
    return None


def _without_mods(r: Dim, k: Dim) -> Dim:
    """Replace `c*(x % m)` by `c*x` where `k` divides `c*m`; equal modulo `k`."""
    result = r
    for mono, c in r.terms if isinstance(r, Expr) else ():
        for at, atom in enumerate(mono):
            if isinstance(atom, Mod):
                scale = of_monomial(mono[:at] + mono[at + 1 :], c)
                if exact_quotient(scale * atom.args[1], k) is not None:
                    result = result + scale * (atom.args[0] - atom.expr)
                    break
    return result


# --- minimum and maximum


def smin(*args: Dim) -> Dim:
    """Return the smallest of one or more dims."""
    return _extremum(Min, args)


def smax(*args: Dim) -> Dim:
    """Return the largest of one or more dims."""
    return _extremum(Max, args)


@lru_cache(maxsize=CACHE)
def _extremum(kind: type[Operation], args: tuple[Dim, ...]) -> Dim:
    if not args:
        raise ValueError(f"{kind.__name__.lower()} of nothing")
    sign = 1 if kind is Min else -1
    kept: list[Dim] = []
    for arg in sorted(_flat(kind, args), key=key_of):
        if not any(sym_prove.prove_nonneg((arg - other) * sign) for other in kept):
            kept = [other for other in kept if not sym_prove.prove_nonneg((other - arg) * sign)]
            kept.append(arg)
    return kept[0] if len(kept) == 1 else operation(kind, tuple(kept))


def _flat(kind: type[Operation], args: tuple[Dim, ...]) -> Iterator[Dim]:
    for arg in args:
        atom = None if isinstance(arg, int) or arg.const else arg.terms[0][0][0]
        if isinstance(atom, kind) and atom.expr == arg:
            yield from atom.args
        else:
            yield arg
