"""Tracing views and gathers: where an element of the result comes from.

reshape       same row-major position
transpose     result dim d is operand dim perm[d]
slice         start + step * i;  reverse: extent - 1 - i;  broadcast: size-1 dims are read at 0
pad           the operand where the shifted index is inside, else the pad value
concat        the part whose range the index falls into
gather        the index is data: an integer tile that the operand's access map refers to
"""

from __future__ import annotations

from fusec.ir.graph import Node
from fusec.ir.sym import delinearize, linearize
from fusec.tile.space import Position, Refused
from fusec.tile.trace import HANDLERS, Bounds, Term, Tracer, broadcast_index, make_bound


def _reshape(tracer: Tracer, node: Node, result: int, index: Position, bounds: Bounds) -> Term:
    (source,) = node.operands
    linear = linearize(index, node.results[result].type.shape)
    return tracer.at(source, delinearize(linear, source.type.shape), bounds)


def _transpose(tracer: Tracer, node: Node, result: int, index: Position, bounds: Bounds) -> Term:
    perm = node.attrs["perm"]
    source = [index[perm.index(d)] for d in range(len(perm))]
    return tracer.at(node.operands[0], tuple(source), bounds)


def _broadcast(tracer: Tracer, node: Node, result: int, index: Position, bounds: Bounds) -> Term:
    return tracer.at(node.operands[0], broadcast_index(node.operands[0], index), bounds)


def _slice(tracer: Tracer, node: Node, result: int, index: Position, bounds: Bounds) -> Term:
    starts, steps = node.attrs["starts"], node.attrs["steps"]
    source = tuple([s + t * i for s, t, i in zip(starts, steps, index, strict=True)])
    return tracer.at(node.operands[0], source, bounds)


def _reverse(tracer: Tracer, node: Node, result: int, index: Position, bounds: Bounds) -> Term:
    shape, axes = node.operands[0].type.shape, node.attrs["axes"]
    source = tuple([shape[d] - 1 - i if d in axes else i for d, i in enumerate(index)])
    return tracer.at(node.operands[0], source, bounds)


def _pad(tracer: Tracer, node: Node, result: int, index: Position, bounds: Bounds) -> Term:
    (source,) = node.operands
    shifted = tuple(
        [i - before for i, (before, _) in zip(index, node.attrs["padding"], strict=True)]
    )
    inside: Bounds = ()
    for position, extent in zip(shifted, source.type.shape, strict=True):
        inside += make_bound(position, extent)
    inner = tracer.at(source, shifted, bounds + inside)
    return tracer.guarded(inner, inside, node.attrs["value"])


def _concat(tracer: Tracer, node: Node, result: int, index: Position, bounds: Bounds) -> Term:
    axis = node.attrs["axis"]
    start = node.results[result].type.shape[axis]
    chosen: Term | None = None
    for part in reversed(node.operands):
        start = start - part.type.shape[axis]
        position = index[axis] - start
        here = make_bound(position, part.type.shape[axis])
        inner = tracer.at(part, (*index[:axis], position, *index[axis + 1 :]), bounds + here)
        if chosen is None or not here:
            chosen = inner
            continue
        args = (tracer.in_bounds(here), tracer.computed(inner), tracer.computed(chosen))
        chosen = tracer.apply(node, "select", args, node.results[result].type.dtype)
    if chosen is None:
        raise Refused("no-tile-form", "concat of nothing", node.results[result])
    return chosen


def _gather(tracer: Tracer, node: Node, result: int, index: Position, bounds: Bounds) -> Term:
    source, indices = node.operands
    axis, rank = node.attrs["axis"], indices.type.rank
    ids = tracer.at(indices, index[axis : axis + rank], bounds)
    picked = tracer.point_at(ids, source.type.shape[axis])
    return tracer.at(source, (*index[:axis], picked, *index[axis + rank :]), bounds)


def _gather_elements(
    tracer: Tracer, node: Node, result: int, index: Position, bounds: Bounds
) -> Term:
    source, indices = node.operands
    axis = node.attrs["axis"]
    picked = tracer.point_at(tracer.at(indices, index, bounds), source.type.shape[axis])
    return tracer.at(source, (*index[:axis], picked, *index[axis + 1 :]), bounds)


def _gather_nd(tracer: Tracer, node: Node, result: int, index: Position, bounds: Bounds) -> Term:
    source, indices = node.operands
    batch = node.attrs["batch_dims"]
    depth = indices.type.shape[-1]
    if not isinstance(depth, int):
        raise Refused("no-tile-form", "gather_nd with an unknown index depth", node.results[result])
    outer = indices.type.rank - 1
    picked = [
        tracer.point_at(
            tracer.at(indices, (*index[:outer], d), bounds), source.type.shape[batch + d]
        )
        for d in range(depth)
    ]
    return tracer.at(source, (*index[:batch], *picked, *index[outer:]), bounds)


HANDLERS |= {
    "reshape": _reshape,
    "transpose": _transpose,
    "broadcast": _broadcast,
    "slice": _slice,
    "reverse": _reverse,
    "pad": _pad,
    "concat": _concat,
    "gather": _gather,
    "gather_elements": _gather_elements,
    "gather_nd": _gather_nd,
}
