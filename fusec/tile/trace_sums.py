"""Tracing reductions, contractions and windows onto the kernel's inner axis.

matmul           sum_k a[.., m, k] * b[.., k, n]
conv             sum_(c, t) x[i, g*C/G + c, o*stride - pad + t*dilation] * w[co, c, t], zero outside
conv_transpose   the same at (o + pad - t*dilation) / stride, where stride divides it
max_pool         max_t x[.., o*stride - pad + t*dilation], never outside
sum_pool         sum_t of the same, zero outside
"""

from __future__ import annotations

from typing import Any

from fusec.ir.graph import Node, Value
from fusec.ir.sym import Dim, delinearize, linearize, smax
from fusec.ir.types import DType, bool_, i32, i64
from fusec.tile.online import in_one_pass
from fusec.tile.program import Dot, Index, Reduce, Role
from fusec.tile.space import Position, Refused, tap_shape
from fusec.tile.trace import (
    HANDLERS,
    Bounds,
    Term,
    Tracer,
    compute_dtype,
    make_bound,
)


def lowest(declared: DType) -> Any:
    """The neutral element of max."""
    if declared.is_float:
        return float("-inf")
    if declared.kind == "bool":
        return False
    return -(1 << (declared.bits - 1)) if declared.kind == "int" else 0


def reduce_term(
    tracer: Tracer, node: Node, kind: str, arg: Term, acc: DType, declared: DType, **more: Any
) -> Term:
    """``kind`` of ``arg`` over the inner axis; the argument itself when that axis has one
    element."""
    inner = tracer.space.inner
    if inner is None:
        return arg if kind not in ("argmax", "argmin") else tracer.literal(0, declared)
    axes = tuple(name for name in tracer.axes_of(terms=(arg,)) if name != inner.name)
    note = repr(node)
    return tracer.add(
        ("reduce", kind, arg.name, acc, tuple(more.items())),
        lambda name: Reduce(
            name,
            acc,
            axes,
            kind=kind,
            arg=arg.name,
            axis=inner.name,
            origins=node.origins,
            note=note,
            **more,
        ),
        f"row_{kind}" if tracer.space.kind == "reduction" else kind,
        (arg,),
        declared,
        loop=None if inner.role is Role.FULL else inner.name,
    )


def accumulator(node: Node) -> DType:
    """The dtype a contraction, window or reduction accumulates in."""
    from fusec.ir.ops_reduce import default_accumulator

    chosen = node.attrs.get("acc")
    return chosen if chosen is not None else default_accumulator(node.operands[0].type.dtype)


def _reduce(tracer: Tracer, node: Node, result: int, index: Position, bounds: Bounds) -> Term:
    space, source = tracer.space, node.operands[0]
    shape = source.type.shape
    axes = tuple(node.attrs["axes"]) if "axes" in node.attrs else (node.attrs["axis"],)
    value = node.results[result]
    _check_extent(tracer, value, [shape[a] for a in axes])
    inner = iter(space.inner_index([shape[a] for a in axes]))
    outer = iter(index)
    position = tuple([next(inner) if d in axes else next(outer) for d in range(len(shape))])
    if _moves_along_rows(tracer, index):
        raise Refused(
            "reduction-order", f"{node.op.name} is needed at every element of a row", value
        )
    arg = tracer.at(source, position, _row_bounds(tracer, value, bounds))
    kind = node.op.name.removeprefix("reduce_")
    declared = value.type.dtype
    if kind in ("argmax", "argmin"):
        arg = tracer.computed(arg)
        return reduce_term(tracer, node, kind, arg, i64, declared, last=node.attrs["select_last"])
    acc = declared if declared.kind == "bool" else accumulator(node)
    return _as_declared(
        tracer, reduce_term(tracer, node, kind, tracer.cast(arg, acc, declared), acc, declared)
    )


def _as_declared(tracer: Tracer, term: Term) -> Term:
    """Bring an accumulator to the tile dtype of the value."""
    return tracer.cast(term, compute_dtype(term.declared), term.declared)


def _moves_along_rows(tracer: Tracer, index: Position) -> bool:
    """Whether a reduced value is wanted at an index that changes along what it was reduced over.

    In a contraction the statistics of a row belong to the rows: not to columns, nor to depth. An
    index may change through a loaded index, too.
    """
    space = tracer.space
    inner = {space.inner.name} if space.inner is not None else set()
    inner |= {space.names("n"), space.names("e")} if space.is_dot else set()
    return bool(inner & set(tracer.axes_of(*index)))


def _row_bounds(tracer: Tracer, value: Value, bounds: Bounds) -> Bounds:
    """The bounds that hold for whole rows: only they say anything of a row's sum.

    A bound on the element that wants the sum is none on the elements that are summed, though both
    are counted by the same axis.
    """
    rows: Bounds = ()
    for bound in bounds:
        if not _moves_along_rows(tracer, (bound.index,)):
            rows += (bound,)
        elif len(tracer.axes_of(bound.index)) > 1:
            raise Refused(
                "reduction-order", f"%{value.name} is needed for a part of each row only", value
            )
    return rows


def _check_extent(tracer: Tracer, value: Value, dims: list[Dim]) -> None:
    total: Dim = 1
    for dim in dims:
        total = total * dim
    if total != tracer.space.inner_extent:
        raise Refused(
            "different-reduction-extents",
            f"%{value.name} reduces {total} elements, rows have {tracer.space.inner_extent}",
            value,
        )


def _contraction(tracer: Tracer, node: Node, result: int, index: Position, bounds: Bounds) -> Term:
    space, value = tracer.space, node.results[result]
    if node is space.nested:
        return _scores(tracer, node, index, bounds)
    if node is not space.anchor:
        raise Refused(
            "two-contractions",
            f"{node.op.name} stands beside another contraction or reduction",
            value,
        )
    if index != space.anchor_index or bounds:
        raise Refused(
            "anchor-moved", f"{node.op.name} is needed in another order than it is computed", value
        )
    left, right, inside = OPERANDS[node.op.name](tracer, node, index)
    a = _operand(tracer, node.operands[0], left, inside)
    b = _operand(tracer, node.operands[1], right, ())
    acc, declared = accumulator(node), value.type.dtype
    if space.is_dot:
        assert space.inner is not None
        term = in_one_pass(tracer, dot_term(tracer, node, a, b, acc, space.inner.name))
        return _as_declared(tracer, term)
    factors = (tracer.cast(a, acc, a.declared), tracer.cast(b, acc, b.declared))
    term = tracer.apply(node, "mul", factors, acc)
    return _as_declared(tracer, reduce_term(tracer, node, "sum", term, acc, declared))


def _scores(tracer: Tracer, node: Node, index: Position, bounds: Bounds) -> Term:
    """The contraction inside attention: queries by keys, over a head that is one whole tile."""
    x, y = node.operands
    *batch, i, j = index
    h = tracer.space.nested_symbol
    left = tracer.at(x, (*broadcast_batch(x, batch), 0 if x.type.shape[-2] == 1 else i, h), bounds)
    right = tracer.at(y, (*broadcast_batch(y, batch), h, 0 if y.type.shape[-1] == 1 else j), bounds)
    b, m, e, k = (tracer.space.names(letter) for letter in "bmek")
    sides = [set(t.axes) - {b, e} for t in (left, right)]
    if not (sides[0] <= {m} and sides[1] == {k}) and not (sides[0] == {k} and sides[1] <= {m}):
        raise Refused(
            "attention-order", f"%{node.result.name} is not queries by keys", node.results[0]
        )
    return _as_declared(tracer, dot_term(tracer, node, left, right, accumulator(node), e))


def _operand(tracer: Tracer, value: Value, index: Position, inside: Bounds) -> Term:
    return tracer.guarded(tracer.at(value, index, inside), inside, _zero(value.type.dtype))


def _zero(declared: DType) -> Any:
    return 0.0 if declared.is_float else False if declared.kind == "bool" else 0


def dot_term(tracer: Tracer, node: Node, a: Term, b: Term, acc: DType, axis: str) -> Term:
    """``sum over axis of a * b``; elements past the end of the axis count as zero."""
    a, b = (tracer.cast(t, t.declared, t.declared) for t in (a, b))
    axes = tuple(x for x in tracer.axes_of(terms=(a, b)) if x != axis)
    note = repr(node)
    serial = tracer.space.inner is not None and tracer.space.inner.name == axis
    return tracer.add(
        ("dot", a.name, b.name),
        lambda name: Dot(
            name, acc, axes, a=a.name, b=b.name, axis=axis, origins=node.origins, note=note
        ),
        node.op.name,
        (a, b),
        node.results[0].type.dtype,
        loop=axis if serial else None,
    )


def _matmul_operands(
    tracer: Tracer, node: Node, index: Position
) -> tuple[Position, Position, Bounds]:
    a, b = node.operands
    *batch, m, n = index
    (k,) = tracer.space.inner_index(tap_shape(node))
    left = (*broadcast_batch(a, batch), 0 if a.type.shape[-2] == 1 else m, k)
    right = (*broadcast_batch(b, batch), k, 0 if b.type.shape[-1] == 1 else n)
    return left, right, ()


def broadcast_batch(value: Value, batch: list[Dim]) -> Position:
    """Batch index of one matmul operand."""
    dims = value.type.shape[:-2]
    tail = batch[len(batch) - len(dims) :]
    return tuple(0 if dim == 1 else i for dim, i in zip(dims, tail, strict=True))


def _conv_operands(
    tracer: Tracer, node: Node, index: Position
) -> tuple[Position, Position, Bounds]:
    x, w = node.operands
    image, channel, *spatial = index
    c, *taps = tracer.space.inner_index(tap_shape(node))
    group = channel // (w.type.shape[0] // node.attrs["groups"])
    positions = window_positions(node, spatial, taps)
    source = group * w.type.shape[1] + c
    left = (image, source, *positions)
    return left, (channel, c, *taps), _inside(positions, x.type.shape[2:])


def _conv_transpose_operands(
    tracer: Tracer, node: Node, index: Position
) -> tuple[Position, Position, Bounds]:
    x, w = node.operands
    image, channel, *spatial = index
    c, *taps = tracer.space.inner_index(tap_shape(node))
    columns = w.type.shape[1]
    inside: Bounds = ()
    positions: list[Dim] = []
    rows = zip(spatial, taps, _geometry(node), x.type.shape[2:], w.type.shape[2:], strict=True)
    for o, t, (stride, dilation, (before, _)), extent, taps_extent in rows:
        shift = smax(0, (taps_extent - 1) * dilation - before)
        lead = -(-shift // stride)  # whole strides, so that // and % see no negative number
        raised = o + before - t * dilation + lead * stride
        inside += make_bound(raised % stride, 1)
        position = raised // stride - lead
        inside += make_bound(position, extent)
        positions.append(position)
    source = (channel // columns) * tap_shape(node)[0] + c
    return (image, source, *positions), (source, channel % columns, *taps), inside


def _geometry(node: Node) -> list[tuple[int, int, tuple[Dim, Dim]]]:
    attrs = node.attrs
    return list(zip(attrs["strides"], attrs["dilations"], attrs["padding"], strict=True))


def window_positions(node: Node, spatial: list[Dim], taps: list[Dim]) -> list[Dim]:
    """Where tap ``t`` of output ``o`` reads: o * stride - pad + t * dilation."""
    rows = zip(spatial, taps, _geometry(node), strict=True)
    return [o * stride + t * dilation - before for o, t, (stride, dilation, (before, _)) in rows]


def _inside(positions: list[Dim], extents: tuple[Dim, ...]) -> Bounds:
    inside: Bounds = ()
    for position, extent in zip(positions, extents, strict=True):
        inside += make_bound(position, extent)
    return inside


OPERANDS = {
    "matmul": _matmul_operands,
    "conv": _conv_operands,
    "conv_transpose": _conv_transpose_operands,
}


def _pool(tracer: Tracer, node: Node, result: int, index: Position, bounds: Bounds) -> Term:
    space, value = tracer.space, node.results[result]
    if node is not space.anchor:
        raise Refused("two-windows", f"{node.op.name} stands beside another window", value)
    if index != space.anchor_index or bounds:
        raise Refused(
            "anchor-moved", f"{node.op.name} is needed in another order than it is computed", value
        )
    (source,) = node.operands
    taps = list(space.inner_index(tap_shape(node)))
    positions = window_positions(node, list(index[2:]), taps)
    inside = _inside(positions, source.type.shape[2:])
    declared = source.type.dtype
    fill = _zero(declared) if node.op.name == "sum_pool" else lowest(declared)
    arg = tracer.guarded(tracer.at(source, (*index[:2], *positions), inside), inside, fill)
    if node.op.name == "argmax_pool":
        return _argmax_pool(tracer, node, tracer.computed(arg), index, inside)
    acc = accumulator(node) if node.op.name == "sum_pool" else compute_dtype(declared)
    kind = "sum" if node.op.name == "sum_pool" else "max"
    return _as_declared(
        tracer, reduce_term(tracer, node, kind, tracer.cast(arg, acc, declared), acc, declared)
    )


def _argmax_pool(tracer: Tracer, node: Node, arg: Term, index: Position, inside: Bounds) -> Term:
    """The position of the first largest element; padding never wins, not even a tie."""
    if not inside:
        best = reduce_term(tracer, node, "argmax", arg, i64, i64)
        return _flat_position(tracer, node, best, index)[0]
    dtype = arg.statement.dtype
    top = reduce_term(tracer, node, "max", arg, dtype, dtype)
    wins = tracer.apply(None, "eq", (arg, top), bool_)
    if dtype.is_float:
        wins = tracer.apply(None, "or", (wins, tracer.apply(None, "ne", (arg, arg), bool_)), bool_)
    wins = tracer.apply(None, "and", (wins, tracer.in_bounds(inside)), bool_)
    best = reduce_term(tracer, node, "argmax", tracer.cast(wins, i32, i32), i64, i64)
    flat, positions = _flat_position(tracer, node, best, index)
    found = _inside(positions, node.operands[0].type.shape[2:])
    return tracer.guarded(flat, found, 0)  # a window of padding only: 0


def _flat_position(
    tracer: Tracer, node: Node, best: Term, index: Position
) -> tuple[Term, list[Dim]]:
    """The row-major position among the spatial dims from the winning tap, and that dim by dim."""
    tap = tracer.point_at(best, tracer.space.inner_extent) if tracer.space.inner is not None else 0
    taps = list(delinearize(tap, tap_shape(node)))
    positions = window_positions(node, list(index[2:]), taps)
    flat = linearize(positions, node.operands[0].type.shape[2:])
    terms = tracer.indirect_terms(flat)
    axes = tracer.axes_of(flat)
    made = tracer.add(
        ("index", flat),
        lambda name: Index(name, i64, axes, value=flat, origins=node.origins),
        "position",
        terms,
        i64,
    )
    return made, positions


HANDLERS |= dict.fromkeys(OPERANDS, _contraction)
HANDLERS |= dict.fromkeys(("max_pool", "sum_pool", "argmax_pool"), _pool)
HANDLERS |= {f"reduce_{kind}": _reduce for kind in ("sum", "prod", "max", "min")}
HANDLERS |= {"argmax": _reduce, "argmin": _reduce}
