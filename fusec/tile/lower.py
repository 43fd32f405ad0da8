"""``lower``: a fused body as one tile program, or the reason why it is not one kernel.

A fusion is legal exactly when `lower` returns a program. The steps: find the anchor (the
contraction
or window, else the reductions, else none), propose its iteration space, trace every result through
it, put the statements in order, and count bytes and operations.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fusec.ir.graph import Graph, Node, Value
from fusec.ir.storage import Storage
from fusec.ir.sym import (
    Dim,
    Expr,
    Symbol,
    bounds,
    contiguous_strides,
    delinearize,
    free_symbols,
    linearize,
)
from fusec.tile import trace_sums, trace_views  # noqa: F401  (they fill the table of handlers)
from fusec.tile.cost import count_cost
from fusec.tile.program import (
    Buffer,
    Dot,
    InBounds,
    Index,
    Load,
    Loop,
    Reduce,
    Refusal,
    Role,
    Statement,
    Store,
    TileProgram,
)
from fusec.tile.schedule import Write, live_terms, schedule
from fusec.tile.space import (
    AxisNames,
    Position,
    Refused,
    Space,
    find_anchors,
    pointwise_space,
    reduction_space,
    result_index,
    window_space,
)
from fusec.tile.space_dot import attention_space, contraction_space
from fusec.tile.trace import Term, Tracer

INT32_LIMIT = 2**31


@dataclass(frozen=True)
class Body:
    """The nodes of one kernel in order; literals need not be among them. What `lower` reads."""

    nodes: tuple[Node, ...]
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]


def lower(
    body: Graph,
    *,
    operands: Sequence[Storage] | None = None,
    results: Sequence[Storage] | None = None,
    precision: str = "ieee",
) -> TileProgram | Refusal:
    """Lower a fused body; storages are those of the fused node's operands and results (None:
    contiguous)."""
    return lower_nodes(
        Body(tuple(body.nodes), tuple(body.inputs), body.outputs), operands, results, precision
    )


def lower_nodes(
    body: Body,
    operands: Sequence[Storage] | None = None,
    results: Sequence[Storage] | None = None,
    precision: str = "ieee",
) -> TileProgram | Refusal:
    """`lower` for nodes that stand in a larger graph."""
    try:
        return _lower(body, operands, results, precision)
    except Refused as refused:
        return refused.refusal


def _lower(
    body: Body,
    operands: Sequence[Storage] | None,
    results: Sequence[Storage] | None,
    precision: str,
) -> TileProgram:
    space = choose_space(body)
    ins = [
        buffer_of(f"in{i}", v, operands[i] if operands else None) for i, v in enumerate(body.inputs)
    ]
    outs = [
        buffer_of(f"out{i}", v, results[i] if results else None) for i, v in enumerate(body.outputs)
    ]
    tracer = Tracer(space, dict(zip(body.inputs, ins, strict=True)))
    writes = [
        write_result(tracer, value, out) for value, out in zip(body.outputs, outs, strict=True)
    ]
    terms = live_terms(tracer.terms, writes)
    serial = (
        space.inner.name if space.inner is not None and space.inner.role is not Role.FULL else None
    )
    statements = schedule(terms, writes, serial)
    return TileProgram(
        kind=space.kind,
        axes=space.axes,
        grid=space.grid,
        parts=space.parts,
        operands=tuple(ins),
        results=tuple(outs),
        symbols=used_symbols(space, statements),
        body=statements,
        anchor=anchor_name(terms),
        cost=count_cost(space, terms, flat(statements), [w.store for w in writes], [*ins, *outs]),
        wide=any(is_wide(b) for b in [*ins, *outs]),
        precision=precision,
    )


def buffer_of(name: str, value: Value, storage: Storage | None) -> Buffer:
    """The kernel parameter for a value; contiguous unless its storage is given."""
    if storage is None:
        return Buffer(name, value.type, 0, contiguous_strides(value.type.shape))
    return Buffer(name, value.type, storage.offset, storage.strides)


def choose_space(body: Body) -> Space:
    """The iteration space of the body's anchor."""
    if not body.outputs:
        raise Refused("no-result", "nothing reads what it computes")
    for value in body.outputs:
        if value.type.numel == 0:
            raise Refused("empty-result", f"%{value.name} has no elements", value)
    names = AxisNames(graph_symbols(body))
    heavy, reductions = find_anchors(body.nodes)
    if len(heavy) > 1:
        return attention_space(*attention_pair(heavy), names)
    if heavy:
        return (
            contraction_space(heavy[0], names)
            if heavy[0].op.is_contraction
            else window_space(heavy[0], names)
        )
    if reductions:
        return reduction_space(reductions[0], names)
    kind = "move" if all(n.op.is_view or n.is_constant for n in body.nodes) else "pointwise"
    return pointwise_space(body.outputs[0].type.shape, kind, names)


def attention_pair(heavy: Sequence[Node]) -> tuple[Node, Node]:
    """Two matmuls that may be one attention: the second works on what the first computes."""
    if len(heavy) == 2 and all(n.op.name == "matmul" for n in heavy):
        return heavy[0], heavy[1]
    names = " and ".join(n.op.name for n in heavy[:2])
    raise Refused("two-contractions", f"{names} in one kernel", *(n.results[0] for n in heavy[:2]))


def graph_symbols(body: Body) -> frozenset[str]:
    """Names of the symbols in the shapes of a body: no axis or statement may have one of them."""
    values = [*body.inputs, *(r for n in body.nodes for r in n.results)]
    dims = [d for v in values for d in v.type.shape if isinstance(d, Expr)]
    return frozenset(s.name for d in dims for s in free_symbols(d))


# -- results ---------------------------------------------------------------------------------------


def write_result(tracer: Tracer, value: Value, buffer: Buffer) -> Write:
    """The store of one result: computed before its last invertible views, written through them."""
    first: Refused | None = None
    for source, views in sorted(view_chain(value), key=lambda pair: rank_of(tracer.space, pair[0])):
        index = result_index(tracer.space, source.type.shape)
        if index is None:
            continue
        try:
            term = tracer.at(source, index)
        except Refused as refused:
            first = first or refused
            continue
        return store_of(tracer, term, forward(index, views), value, buffer)
    if first is not None:
        raise first
    raise Refused(
        "different-iteration-spaces",
        f"%{value.name} does not lie on the kernel's iteration space",
        value,
    )


def rank_of(space: Space, source: Value) -> int:
    """Sources shaped exactly as the anchor's result (or the reduced tensor) come first."""
    exact = space.anchor.results[0].type.shape if space.anchor is not None else space.reduce_shape
    return 0 if source.type.shape == exact else 1


def view_chain(value: Value) -> Iterator[tuple[Value, list[Node]]]:
    """The value, then the sources of its trailing invertible views, each with the views to
    apply."""
    views: list[Node] = []
    yield value, []
    while value.node is not None and value.node.op.name in FORWARD:
        views = [value.node, *views]
        value = value.node.operands[0]
        yield value, views


def _forward_reshape(node: Node, index: Position) -> Position:
    return delinearize(linearize(index, node.operands[0].type.shape), node.results[0].type.shape)


def _forward_transpose(node: Node, index: Position) -> Position:
    return tuple(index[p] for p in node.attrs["perm"])


def _forward_reverse(node: Node, index: Position) -> Position:
    shape = node.operands[0].type.shape
    return tuple(shape[d] - 1 - i if d in node.attrs["axes"] else i for d, i in enumerate(index))


FORWARD = {
    "reshape": _forward_reshape,
    "transpose": _forward_transpose,
    "reverse": _forward_reverse,
}


def forward(index: Position, views: Sequence[Node]) -> Position:
    """Where an element ends up after views."""
    for node in views:
        index = FORWARD[node.op.name](node, index)
    return index


def store_of(tracer: Tracer, term: Term, index: Position, value: Value, buffer: Buffer) -> Write:
    """The store of a term as element ``index`` of a result."""
    offset = buffer.offset
    for position, stride in zip(index, buffer.strides, strict=True):
        offset = offset + position * stride
    axes = tracer.axes_of(offset, terms=(term,))
    store = Store(
        f"store_{buffer.name}",
        value.type.dtype,
        axes,
        buffer=buffer.name,
        arg=term.name,
        offset=offset,
        bounds=(),
    )
    return Write(store, (term,))


# -- facts about the whole -------------------------------------------------------------------------


def anchor_name(terms: Sequence[Term]) -> str | None:
    """The main `Dot`, else the first `Reduce`."""
    dots = [t.name for t in terms if isinstance(t.statement, Dot)]
    sums = [t.name for t in terms if isinstance(t.statement, Reduce)]
    return (dots + sums + [None])[0]


def is_wide(buffer: Buffer) -> bool:
    """Whether an element offset of the buffer may not fit in int32."""
    last: Dim = buffer.offset
    for dim, stride in zip(buffer.type.shape, buffer.strides, strict=True):
        last = last + (dim - 1) * stride
    high = bounds(last)[1]
    return high is None or high >= INT32_LIMIT


def dims_of(statement: Statement) -> tuple[Dim, ...]:
    """Every index expression of a statement."""
    if isinstance(statement, Load | Store):
        return (statement.offset, *(d for b in statement.bounds for d in (b.index, b.extent)))
    if isinstance(statement, InBounds):
        return tuple(d for b in statement.bounds for d in (b.index, b.extent))
    return (statement.value,) if isinstance(statement, Index) else ()


def flat(body: Sequence[Statement | Loop]) -> list[Statement]:
    """The statements in order, those in loops included."""
    return [s for item in body for s in (item.body if isinstance(item, Loop) else (item,))]


def used_symbols(space: Space, body: Sequence[Statement | Loop]) -> tuple[Symbol, ...]:
    """The graph symbols that extents and access maps mention, by name."""
    statements = flat(body)
    local = {a.name for a in space.axes} | {s.name for s in statements}
    dims = [a.extent for a in space.axes] + [d for s in statements for d in dims_of(s)]
    found = {
        s.name: s
        for d in dims
        if isinstance(d, Expr)
        for s in free_symbols(d)
        if s.name not in local
    }
    return tuple(found[name] for name in sorted(found))
