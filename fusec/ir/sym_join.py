"""Joining quotients and remainders that belong together in a sum; exact wherever defined.

c*k*(x//k) + c*(x%k)  => c*x
a*((x//a)%b) + x%a    => x % (a*b)       b positive
c*k*(x//k)            => c*x - c*r       where x % k simplifies to r and the sum holds c*r
"""

from __future__ import annotations

from typing import NamedTuple

from fusec.ir import sym_bounds, sym_rules
from fusec.ir.sym_expr import (
    Dim,
    FloorDiv,
    Mod,
    Monomial,
    Operation,
    Term,
    build,
    of_monomial,
    operation,
)


def recombine(terms: tuple[Term, ...], const: int) -> Dim | None:
    """Join the first `//` or `%` of a sum with the rest of the sum; None when nothing fits."""
    for mono, c in terms:
        for at, atom in enumerate(mono):
            if isinstance(atom, Mod) and len(terms) > 1:
                joined = _join_mod(_Sum(terms, const, mono), atom, _scale(mono, at, c))
            elif isinstance(atom, FloorDiv):
                den = atom.args[1]
                if isinstance(den, int) and c % den:
                    continue
                joined = _join_floordiv(_Sum(terms, const, mono), atom, _scale(mono, at, c))
            else:
                continue
            if joined is not None:
                return joined
    return None


def _scale(mono: Monomial, at: int, c: int) -> Dim:
    return of_monomial(mono[:at] + mono[at + 1 :], c)


class _Sum(NamedTuple):
    """A sum of which the term of `own` is being replaced."""

    terms: tuple[Term, ...]
    const: int
    own: Monomial

    def replace(self, part: Dim, joined: Dim, factor: Dim) -> Dim | None:
        """Return the sum with own term and `part` replaced by `factor*joined`, or None."""
        if isinstance(part, int):
            if part:
                return None
            rest = [term for term in self.terms if term[0] is not self.own]
            return build(rest, self.const) + factor * joined
        terms = dict(self.terms)
        del terms[self.own]
        for mono, c in part.terms:
            present = terms.get(mono, 0)
            if abs(present) < abs(c) or (present < 0) != (c < 0):
                return None
            terms[mono] = present - c
        return build(terms.items(), self.const - part.const) + factor * joined


def _join_mod(whole: _Sum, atom: Operation, scale: Dim) -> Dim | None:
    num, den = atom.args
    quotient = sym_rules.floordiv(num, den)
    step = scale * den
    joined = whole.replace(step * quotient, num, scale)
    if joined is not None:
        return joined
    for other in [a for mono, _ in whole.terms for a in mono if isinstance(a, Mod)]:
        outer = other.args[1]
        if other is atom or not sym_bounds.is_natural(outer):
            continue
        if sym_rules.mod(quotient, outer) == other.expr:
            joined = whole.replace(step * other.expr, sym_rules.mod(num, den * outer), scale)
            if joined is not None:
                return joined
    return None


def _join_floordiv(whole: _Sum, atom: Operation, scale: Dim) -> Dim | None:
    num, den = atom.args
    factor = sym_rules.exact_quotient(scale, den)
    if factor is None:
        return None
    remainder = sym_rules.mod(num, den)
    if remainder != operation(Mod, (num, den)):
        joined = whole.replace(factor * remainder, num, factor)
        if joined is not None:
            return joined
    return whole.replace(-factor * num, remainder, -factor)
