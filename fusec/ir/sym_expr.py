"""Interned integer polynomials over atoms: the data behind `fusec.ir.sym`.

An `Expr` is `sum(coefficient * monomial) + const`; a monomial is a sorted tuple of atoms; an atom
is a `Symbol` or an operation that is not polynomial (`FloorDiv`, `Mod`, `Min`, `Max`).  Every
object exists once, so equality is identity and hashing is free; order comes from names and
structure only.  An integer is never wrapped: operations return `int` when the result is constant.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import ClassVar, TypeAlias

CACHE = 1 << 17
RESERVED = frozenset({"min", "max"})


class Atom:
    """A factor that polynomial arithmetic does not look into."""

    __slots__ = ("expr", "key")
    key: str
    expr: Dim


class Symbol(Atom):
    """A named integer with `lo <= x <= hi`, `x % divisor == 0` and `x < below`.

    `hi` and `below` may be None; an integer `below` becomes `hi`.  The bounds are tightened to
    multiples of `divisor`.  Raises ValueError when no value is left or the name is no identifier.
    """

    __slots__ = ("below", "divisor", "hi", "lo", "name")
    name: str
    lo: int
    hi: int | None
    divisor: int
    below: Expr | None

    def __new__(
        cls,
        name: str,
        lo: int = 0,
        hi: int | None = None,
        divisor: int = 1,
        below: Dim | None = None,
    ) -> Symbol:
        if not name.isidentifier() or name in RESERVED:
            raise ValueError(f"symbol name {name!r} is not an identifier")
        if divisor < 1:
            raise ValueError(f"symbol {name}: divisor {divisor} is not positive")
        limit = None if below is None else sym_bounds.bounds(below)[1]
        if limit is not None:
            hi = limit - 1 if hi is None else min(hi, limit - 1)
        lo = -(-lo // divisor) * divisor
        hi = None if hi is None else hi // divisor * divisor
        if hi is not None and hi < lo:
            raise ValueError(f"symbol {name}: no value between {lo} and {hi}")
        return cls._interned(name, lo, hi, divisor, below if isinstance(below, Expr) else None)

    @classmethod
    def _interned(
        cls, name: str, lo: int, hi: int | None, divisor: int, below: Expr | None
    ) -> Symbol:
        key = f"0{name}\0{lo},{hi},{divisor},{'' if below is None else key_of(below)}"
        known = _SYMBOLS.get(key)
        if known is not None:
            return known
        self = object.__new__(cls)
        self.name, self.lo, self.hi, self.divisor, self.below = name, lo, hi, divisor, below
        self.key = key
        self.expr = lo if lo == hi else Expr((((self,), 1),), 0)
        return _SYMBOLS.setdefault(key, self)

    def __reduce__(self) -> tuple[object, ...]:
        return Symbol, (self.name, self.lo, self.hi, self.divisor, self.below)

    def __repr__(self) -> str:
        return f"Symbol({self.name!r})"


class Operation(Atom):
    """An atom with operands; build one with `operation`, which does not simplify."""

    __slots__ = ("args",)
    rank: ClassVar[int]
    args: tuple[Dim, ...]

    def __reduce__(self) -> tuple[object, ...]:
        return _operation_atom, (type(self), self.args)


class FloorDiv(Operation):
    """`args[0] // args[1]`, rounded down."""

    __slots__ = ()
    rank = 1


class Mod(Operation):
    """`args[0] % args[1]`, with the sign of the divisor."""

    __slots__ = ()
    rank = 2


class Min(Operation):
    """The smallest of `args`."""

    __slots__ = ()
    rank = 3


class Max(Operation):
    """The largest of `args`."""

    __slots__ = ()
    rank = 4


Monomial: TypeAlias = tuple[Atom, ...]
Term: TypeAlias = tuple[Monomial, int]


class Expr:
    """A non-constant integer polynomial; terms are sorted, coefficients are not zero."""

    __slots__ = ("_bounds", "const", "terms")
    terms: tuple[Term, ...]
    const: int
    _bounds: tuple[int | None, int | None] | None

    def __init__(self, terms: tuple[Term, ...], const: int) -> None:
        self.terms = terms
        self.const = const
        self._bounds = None

    def __add__(self, other: Dim) -> Dim:
        return add(self, other) if type(other) in _DIM_TYPES else NotImplemented

    __radd__ = __add__

    def __mul__(self, other: Dim) -> Dim:
        return multiply(self, other) if type(other) in _DIM_TYPES else NotImplemented

    __rmul__ = __mul__

    def __neg__(self) -> Dim:
        return multiply(self, -1)

    def __sub__(self, other: Dim) -> Dim:
        return add(self, -other) if type(other) in _DIM_TYPES else NotImplemented

    def __rsub__(self, other: Dim) -> Dim:
        return multiply(self, -1) + other if type(other) in _DIM_TYPES else NotImplemented

    def __floordiv__(self, other: Dim) -> Dim:
        return sym_rules.floordiv(self, other) if type(other) in _DIM_TYPES else NotImplemented

    def __rfloordiv__(self, other: Dim) -> Dim:
        return sym_rules.floordiv(other, self) if type(other) in _DIM_TYPES else NotImplemented

    def __mod__(self, other: Dim) -> Dim:
        return sym_rules.mod(self, other) if type(other) in _DIM_TYPES else NotImplemented

    def __rmod__(self, other: Dim) -> Dim:
        return sym_rules.mod(other, self) if type(other) in _DIM_TYPES else NotImplemented

    def __reduce__(self) -> tuple[object, ...]:
        return intern_terms, (self.terms, self.const)

    def __str__(self) -> str:
        return sym_text.to_python(self)

    def __repr__(self) -> str:
        return f"Expr({self})"


Dim: TypeAlias = int | Expr

_DIM_TYPES = (int, Expr)
_SYMBOLS: dict[str, Symbol] = {}
_OPERATIONS: dict[tuple[type[Operation], tuple[Dim, ...]], Operation] = {}
_SUMS: dict[tuple[tuple[Term, ...], int], Dim] = {}


def symbol(
    name: str, lo: int = 0, hi: int | None = None, divisor: int = 1, below: Dim | None = None
) -> Dim:
    """Return the expression of a `Symbol`; an int when only one value is possible."""
    return Symbol(name, lo, hi, divisor, below).expr


def operation(kind: type[Operation], args: tuple[Dim, ...]) -> Expr:
    """Return the expression of the atom `kind(*args)`, as it stands."""
    expr = _operation_atom(kind, args).expr
    assert isinstance(expr, Expr)
    return expr


def _operation_atom(kind: type[Operation], args: tuple[Dim, ...]) -> Operation:
    known = _OPERATIONS.get((kind, args))
    if known is not None:
        return known
    self = object.__new__(kind)
    self.args = args
    self.key = f"{kind.rank}({','.join(map(key_of, args))})"
    self.expr = Expr((((self,), 1),), 0)
    return _OPERATIONS.setdefault((kind, args), self)


@lru_cache(maxsize=CACHE)
def key_of(x: Dim) -> str:
    """Return a text that is equal for equal dims only; the sort key of operands."""
    if isinstance(x, int):
        return f"9{x}"
    terms = ["*".join([atom.key for atom in mono] + [str(c)]) for mono, c in x.terms]
    return "+".join([*terms, str(x.const)])


@lru_cache(maxsize=CACHE)
def _mono_order(mono: Monomial) -> tuple[int, tuple[str, ...]]:
    return -len(mono), tuple([atom.key for atom in mono])


def _term_order(term: Term) -> tuple[int, tuple[str, ...]]:
    """Graded lexicographic: a monomial order, so polynomial division terminates."""
    return _mono_order(term[0])


def _atom_key(atom: Atom) -> str:
    return atom.key


def build(terms: Iterable[Term], const: int) -> Dim:
    """Return the sum of distinct monomials with their coefficients; zeros are dropped."""
    kept = [term for term in terms if term[1]]
    if not kept:
        return const
    if len(kept) > 1:
        kept.sort(key=_term_order)
    return intern_terms(tuple(kept), const)


def intern_terms(terms: tuple[Term, ...], const: int) -> Dim:
    """Return the sum of sorted terms; `x//k` and `x%k` that belong together are joined, once."""
    if len(terms) == 1 and not const and terms[0][1] == 1 and len(terms[0][0]) == 1:
        return terms[0][0][0].expr
    known = _SUMS.get((terms, const))
    if known is None:
        joined = sym_join.recombine(terms, const)
        known = _SUMS.setdefault((terms, const), Expr(terms, const) if joined is None else joined)
    return known


@lru_cache(maxsize=CACHE)
def add(a: Expr, b: Dim) -> Dim:
    """Return `a + b`."""
    if isinstance(b, int):
        return intern_terms(a.terms, a.const + b) if b else a
    terms = dict(a.terms)
    for mono, c in b.terms:
        terms[mono] = terms.get(mono, 0) + c
    return build(terms.items(), a.const + b.const)


@lru_cache(maxsize=CACHE)
def multiply(a: Expr, b: Dim) -> Dim:
    """Return `a * b`, expanded."""
    if isinstance(b, int):
        if b in (0, 1):
            return a if b else 0
        return intern_terms(tuple([(mono, c * b) for mono, c in a.terms]), a.const * b)
    terms: dict[Monomial, int] = {}
    for mono_a, c_a in (*a.terms, ((), a.const)):
        for mono_b, c_b in (*b.terms, ((), b.const)):
            mono = tuple(sorted(mono_a + mono_b, key=_atom_key))
            terms[mono] = terms.get(mono, 0) + c_a * c_b
    const = terms.pop((), 0)
    return build(terms.items(), const)


def of_monomial(mono: Monomial, c: int) -> Dim:
    """Return `c * mono`."""
    return build(((mono, c),), 0) if mono else c


# The rules are built on the classes above and the operators call the rules.
from fusec.ir import sym_bounds, sym_join, sym_rules, sym_text  # noqa: E402
