"""Symbolic integers for tensor dims and kernel index arithmetic.

A `Dim` is an int or an `Expr`; an operation whose result is constant returns an int.  Equal
expressions in canonical form are the same object.  Simplification relies on the declared ranges
of the symbols, follows Python's floor semantics, and is exact wherever no divisor is zero.

>>> m = symbol("m", hi=3135)
>>> str((m // 56) * 56 + m % 56)
'm'
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from fusec.ir.sym_bounds import bounds, divisor_of, is_divisible, prove_divisible
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
    of_monomial,
    symbol,
)
from fusec.ir.sym_prove import prove_eq, prove_ge, prove_le, prove_lt, prove_nonneg
from fusec.ir.sym_rules import floordiv, mod, smax, smin
from fusec.ir.sym_text import parse, to_python

__all__ = [
    "Atom",
    "Dim",
    "Expr",
    "FloorDiv",
    "Max",
    "Min",
    "Mod",
    "Symbol",
    "bounds",
    "ceildiv",
    "coefficient",
    "contiguous_strides",
    "delinearize",
    "divisor_of",
    "evaluate",
    "floordiv",
    "free_symbols",
    "is_divisible",
    "linearize",
    "mod",
    "parse",
    "product",
    "prove_divisible",
    "prove_eq",
    "prove_ge",
    "prove_le",
    "prove_lt",
    "prove_nonneg",
    "smax",
    "smin",
    "subs",
    "symbol",
    "to_python",
]


def ceildiv(a: Dim, b: Dim) -> Dim:
    """Return `a / b` rounded up; raises ZeroDivisionError when `b` is the constant 0."""
    low = bounds(b)[0]
    if low is None or low < 0:
        return -floordiv(-a, b)
    return floordiv(a + b - 1, b)


def product(dims: Iterable[Dim]) -> Dim:
    """Return the product; 1 for nothing."""
    result: Dim = 1
    for dim in dims:
        result = result * dim
    return result


@lru_cache(maxsize=CACHE)
def free_symbols(x: Dim) -> tuple[Symbol, ...]:
    """Return the symbols written in `x`, ordered by name; limits of symbols do not count."""
    found: dict[Symbol, None] = {}
    for mono, _ in x.terms if isinstance(x, Expr) else ():
        for atom in mono:
            found.update(dict.fromkeys(_atom_symbols(atom)))
    return tuple(sorted(found, key=lambda s: s.key))


def _atom_symbols(atom: Atom) -> Iterable[Symbol]:
    if isinstance(atom, Symbol):
        return (atom,)
    assert isinstance(atom, Operation)
    return (s for arg in atom.args for s in free_symbols(arg))


def subs(x: Dim, values: Mapping[Symbol | str, Dim]) -> Dim:
    """Replace symbols, given as such or by name, all at once.

    Values have to be in the range of their symbol.  The limits of other symbols stay as they are.
    """
    if isinstance(x, int):
        return x
    table: dict[Atom, Dim] = {}
    for s in free_symbols(x):
        value = values.get(s, values.get(s.name))
        if value is not None:
            table[s] = value
    return _subs(x, table) if table else x


def _subs(x: Dim, table: dict[Atom, Dim]) -> Dim:
    if isinstance(x, int):
        return x
    result: Dim = x.const
    for mono, c in x.terms:
        term: Dim = c
        for atom in mono:
            if atom not in table:
                table[atom] = _subs_atom(atom, table)
            term = term * table[atom]
        result = result + term
    return result


def _subs_atom(atom: Atom, table: dict[Atom, Dim]) -> Dim:
    if not isinstance(atom, Operation):
        return atom.expr
    args = [_subs(arg, table) for arg in atom.args]
    if isinstance(atom, FloorDiv):
        return floordiv(args[0], args[1])
    if isinstance(atom, Mod):
        return mod(args[0], args[1])
    return smin(*args) if isinstance(atom, Min) else smax(*args)


def evaluate(x: Dim, values: Mapping[str, int]) -> int:
    """Return the number for symbol values by name; raises LookupError for a missing one."""
    if isinstance(x, int):
        return x
    result = x.const
    for mono, c in x.terms:
        for atom in mono:
            c *= _evaluate_atom(atom, values)
        result += c
    return result


def _evaluate_atom(atom: Atom, values: Mapping[str, int]) -> int:
    if isinstance(atom, Symbol):
        try:
            return values[atom.name]
        except KeyError:
            raise LookupError(f"no value for symbol {atom.name!r}") from None
    assert isinstance(atom, Operation)
    args = [evaluate(arg, values) for arg in atom.args]
    if isinstance(atom, FloorDiv):
        return args[0] // args[1]
    if isinstance(atom, Mod):
        return args[0] % args[1]
    return min(args) if isinstance(atom, Min) else max(args)


def coefficient(x: Dim, s: Symbol) -> Dim | None:
    """Return `c` of `x == c*s + rest`; 0 if `s` does not occur, None if `x` is not affine in it."""
    result: Dim = 0
    for mono, c in x.terms if isinstance(x, Expr) else ():
        rest: Monomial = tuple([atom for atom in mono if atom is not s])
        if len(rest) + 1 < len(mono) or any(s in _atom_symbols(atom) for atom in rest):
            return None
        if len(rest) < len(mono):
            result = result + of_monomial(rest, c)
    return result


def contiguous_strides(shape: Sequence[Dim]) -> tuple[Dim, ...]:
    """Return the row-major strides, in elements."""
    strides: list[Dim] = []
    step: Dim = 1
    for dim in reversed(shape):
        strides.append(step)
        step = step * dim
    return tuple(reversed(strides))


def linearize(index: Sequence[Dim], shape: Sequence[Dim]) -> Dim:
    """Return the row-major position of `index`; raises ValueError when the ranks differ."""
    if len(index) != len(shape):
        raise ValueError(f"index of rank {len(index)} in a shape of rank {len(shape)}")
    result: Dim = 0
    for position, dim in zip(index, shape, strict=True):
        result = result * dim + position
    return result


def delinearize(linear: Dim, shape: Sequence[Dim]) -> tuple[Dim, ...]:
    """Return the row-major index at position `linear`; the inverse of `linearize`.

    Raises ZeroDivisionError when a dim is 0.
    """
    strides = contiguous_strides(shape)
    return tuple(
        [mod(floordiv(linear, stride), dim) for dim, stride in zip(shape, strides, strict=True)]
    )
