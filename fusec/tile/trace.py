"""Tracing: the value of a body at an index, as statements over tiles.

``Tracer.at(value, index, bounds)`` answers "what is ``value[index]``, needed only where ``bounds``
hold". Views become index arithmetic, pads and concats become predicates, pointwise ops become
statements, reductions and contractions refer to the kernel's inner axis. The answer is exact, so a
program built from it is right by construction; what cannot be answered is refused with a reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from fusec.ir.graph import Node, Value
from fusec.ir.sym import Dim, Expr, free_symbols, prove_lt, prove_nonneg, symbol
from fusec.ir.types import DType, bool_, f32, i64
from fusec.tile.program import (
    Apply,
    Bound,
    Buffer,
    InBounds,
    Index,
    Literal,
    Load,
    Statement,
)
from fusec.tile.space import Position, Refused, Space

Bounds = tuple[Bound, ...]
Handler = Callable[["Tracer", Node, int, Position, Bounds], "Term"]

HANDLERS: dict[str, Handler] = {}  # by op name; filled by the trace_* modules


@dataclass(frozen=True, eq=False)
class Term:
    """One statement with the terms it reads. ``declared``: the IR dtype of the value it stands for.

    ``loop``: name of the serial axis it accumulates over, if any.
    """

    statement: Statement
    args: tuple[Term, ...]
    declared: DType
    loop: str | None = None

    @property
    def name(self) -> str:
        return self.statement.name

    @property
    def axes(self) -> tuple[str, ...]:
        return self.statement.axes


def compute_dtype(declared: DType) -> DType:
    """The dtype a tile is computed in: floats below 32 bits are computed as float32."""
    return f32 if declared.is_float and declared.bits < 32 else declared


class Tracer:
    """Makes statements on demand; equal questions get the same term."""

    def __init__(self, space: Space, buffers: Mapping[Value, Buffer]) -> None:
        self.space = space
        self.buffers = buffers
        self.terms: list[Term] = []
        self._order = {axis.name: i for i, axis in enumerate(space.axes)}
        self._names: dict[str, int] = {}
        self._taken = {*_RESERVED, *self._order, *space.names.taken}
        self._memo: dict[tuple[Value, Position, Bounds], Term] = {}
        self._made: dict[Any, Term] = {}
        self._indirect: dict[str, Term] = {}

    def at(self, value: Value, index: Position, bounds: Bounds = ()) -> Term:
        """The term for ``value[index]``; Refused if there is none."""
        key = (value, index, bounds)
        term = self._memo.get(key)
        if term is None:
            term = self._trace(value, index, bounds)
            self._memo[key] = term
        return term

    def _trace(self, value: Value, index: Position, bounds: Bounds) -> Term:
        node = value.node
        if node is None or value in self.buffers:
            return self.load(value, index, bounds)
        handler = HANDLERS.get(node.op.name)
        if handler is None and node.op.is_pointwise:
            handler = _pointwise
        if handler is None:
            raise Refused(
                "no-tile-form", f"{node.op.name} has no tile form", value, op=node.op.name
            )
        return handler(self, node, value.index, index, bounds)

    # -- making terms ----------------------------------------------------------------------------

    def axes_of(self, *dims: Dim, terms: tuple[Term, ...] = ()) -> tuple[str, ...]:
        """The axes that index expressions and terms depend on, in program order."""
        names = {name for term in terms for name in term.axes}
        for dim in dims:
            if isinstance(dim, Expr):
                for found in free_symbols(dim):
                    if found.name in self._indirect:
                        names.update(self._indirect[found.name].axes)
                    elif found.name in self._order:
                        names.add(found.name)
        return tuple(sorted(names, key=self._order.__getitem__))

    def indirect_terms(self, *dims: Dim) -> tuple[Term, ...]:
        """The integer terms that index expressions refer to by name."""
        found = (
            self._indirect.get(s.name) for d in dims if isinstance(d, Expr) for s in free_symbols(d)
        )
        return tuple(dict.fromkeys(term for term in found if term is not None))

    def fresh(self, hint: str) -> str:
        """A statement name that neither another statement nor an axis has."""
        name, count = hint, self._names.get(hint, 0)
        while name in self._taken:
            count += 1
            name = f"{hint}_{count}"
        self._names[hint] = count
        self._taken.add(name)
        return name

    def add(
        self,
        key: Any,
        make: Callable[[str], Statement],
        hint: str,
        args: tuple[Term, ...],
        declared: DType,
        **more: Any,
    ) -> Term:
        """The term of ``make(name)``, made once a key."""
        term = self._made.get(key)
        if term is None:
            term = Term(make(self.fresh(hint)), args, declared, **more)
            self._made[key] = term
            self.terms.append(term)
        return term

    def load(self, value: Value, index: Position, bounds: Bounds) -> Term:
        """Read an operand of the kernel."""
        buffer = self.buffers[value]
        offset = buffer.offset
        for position, stride in zip(index, buffer.strides, strict=True):
            offset = offset + position * stride
        dims = (offset, *(b.index for b in bounds))
        terms = self.indirect_terms(*dims)
        axes = self.axes_of(*dims)
        return self.add(
            ("load", buffer.name, offset, bounds),
            lambda name: Load(
                name,
                value.type.dtype,
                axes,
                buffer=buffer.name,
                offset=offset,
                bounds=bounds,
                fill=None,
            ),
            f"{buffer.name}_tile",
            terms,
            value.type.dtype,
        )

    def literal(self, value: Any, declared: DType) -> Term:
        computed = compute_dtype(declared)
        return self.add(
            ("literal", repr(value), declared),
            lambda name: Literal(name, computed, (), value=value),
            "literal",
            (),
            declared,
        )

    def index_tile(self, value: Dim, declared: DType = i64) -> Term:
        """An index expression as an integer tile."""
        axes, terms = self.axes_of(value), self.indirect_terms(value)
        made = self.add(
            ("index", value),
            lambda name: Index(name, i64, axes, value=value),
            "position",
            terms,
            i64,
        )
        return made if declared == i64 else self.cast(made, declared, declared)

    def apply(
        self, node: Node | None, op: str, args: tuple[Term, ...], declared: DType, **attrs: Any
    ) -> Term:
        """A pointwise op on terms; operands are brought to their compute dtype first."""
        axes = self.axes_of(terms=args)
        names, extra = (
            tuple(a.name for a in args),
            tuple(sorted(attrs.items(), key=lambda kv: kv[0])),
        )
        origins = node.origins if node is not None else ()
        note = repr(node) if node is not None else ""
        computed = compute_dtype(declared)
        return self.add(
            ("apply", op, names, computed, tuple((k, repr(v)) for k, v in extra)),
            lambda name: Apply(
                name, computed, axes, op=op, args=names, attrs=extra, origins=origins, note=note
            ),
            op if op.isidentifier() and op not in _RESERVED else f"{op}_tile",
            args,
            declared,
        )

    def cast(self, term: Term, tile: DType, declared: DType) -> Term:
        """The term with its tile in dtype ``tile``."""
        if term.statement.dtype == tile:
            return term
        axes, name_ = term.axes, term.name
        return self.add(
            ("cast", name_, tile),
            lambda name: Apply(
                name,
                tile,
                axes,
                op="cast",
                args=(name_,),
                attrs=(("dtype", tile), ("saturate", False)),
            ),
            "cast",
            (term,),
            declared,
        )

    def computed(self, term: Term) -> Term:
        """The term in the dtype that arithmetic uses."""
        return self.cast(term, compute_dtype(term.declared), term.declared)

    def point_at(self, term: Term, extent: Dim) -> Dim:
        """An index expression that stands for an integer term with values in [0, extent)."""
        self._indirect[term.name] = term
        return symbol(term.name, below=extent)

    def guarded(self, inner: Term, bounds: Bounds, fill: Any) -> Term:
        """``inner`` where the bounds hold, ``fill`` elsewhere; a plain load takes the fill
        itself."""
        if not bounds:
            return inner
        statement = inner.statement
        if (
            isinstance(statement, Load)
            and statement.fill in (None, fill)
            and set(bounds) <= set(statement.bounds)
        ):
            return self.filled(inner, fill)
        value = self.computed(inner)
        return self.apply(
            None,
            "select",
            (self.in_bounds(bounds), value, self.literal(fill, inner.declared)),
            inner.declared,
        )

    def filled(self, term: Term, fill: Any) -> Term:
        """A load that gives ``fill`` wherever it reads nothing."""
        load = term.statement
        assert isinstance(load, Load)
        if load.fill == fill:
            return term
        return self.add(
            ("load", load.buffer, load.offset, load.bounds, repr(fill)),
            lambda name: replace(load, name=name, fill=fill),
            f"{load.buffer}_tile",
            term.args,
            term.declared,
        )

    def in_bounds(self, bounds: Bounds) -> Term:
        dims = tuple(b.index for b in bounds)
        axes, terms = self.axes_of(*dims), self.indirect_terms(*dims)
        return self.add(
            ("in_bounds", bounds),
            lambda name: InBounds(name, bool_, axes, bounds=bounds),
            "inside",
            terms,
            bool_,
        )


_RESERVED = frozenset(("and", "or", "not", "if", "in", "is", "pid", "tl", "triton", "acc"))


def make_bound(index: Dim, extent: Dim) -> Bounds:
    """The predicate ``0 <= index < extent`` without the sides that always hold; empty if both
    do."""
    low, high = not prove_nonneg(index), not prove_lt(index, extent)
    return (Bound(index, extent, low, high),) if low or high else ()


def broadcast_index(value: Value, index: Position) -> Position:
    """The index into an operand of a broadcasting op."""
    shape = value.type.shape
    tail = index[len(index) - len(shape) :]
    return tuple([0 if dim == 1 else position for dim, position in zip(shape, tail, strict=True)])


def _pointwise(tracer: Tracer, node: Node, result: int, index: Position, bounds: Bounds) -> Term:
    raw = tuple([tracer.at(v, broadcast_index(v, index), bounds) for v in node.operands])
    declared = node.results[result].type.dtype
    if node.op.name == "bitcast":
        args = tuple(tracer.cast(t, t.declared, t.declared) for t in raw)
    else:
        args = tuple(tracer.computed(t) for t in raw)
    return tracer.apply(node, node.op.name, args, declared, **node.attrs)


def _constant(tracer: Tracer, node: Node, result: int, index: Position, bounds: Bounds) -> Term:
    data = node.attrs["data"]
    if not data.is_literal:
        raise Refused(
            "constant-inside",
            "only scalar literals may stand in a fused body",
            node.results[result],
        )
    return tracer.literal(data.item(), data.type.dtype)


def _iota(tracer: Tracer, node: Node, result: int, index: Position, bounds: Bounds) -> Term:
    return tracer.index_tile(index[node.attrs["axis"]], node.attrs["dtype"])


def _dim(tracer: Tracer, node: Node, result: int, index: Position, bounds: Bounds) -> Term:
    return tracer.index_tile(node.attrs["value"])


def _one_hot(tracer: Tracer, node: Node, result: int, index: Position, bounds: Bounds) -> Term:
    axis = node.attrs["axis"]
    source = node.operands[0]
    ids = tracer.at(source, index[:axis] + index[axis + 1 :], bounds)
    # As int64: a depth may be more than the dtype of the indices holds.
    here = tracer.index_tile(index[axis])
    equal = tracer.apply(node, "eq", (tracer.cast(ids, i64, i64), here), bool_)
    return tracer.cast(equal, compute_dtype(node.attrs["dtype"]), node.attrs["dtype"])


HANDLERS |= {"constant": _constant, "iota": _iota, "dim": _dim, "one_hot": _one_hot}
