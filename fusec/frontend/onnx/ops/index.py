"""Gathering and scattering. Core indices are never negative, so negative ones are wrapped here."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fusec.frontend.onnx.call import Call
from fusec.frontend.onnx.contents import Array, is_static
from fusec.frontend.onnx.registry import lowers
from fusec.ir import Value
from fusec.ir.sym import Dim
from fusec.ir.types import bool_, i64


def wrapped(c: Call, index: int, extent: Dim) -> Value:
    """An index input with ``extent`` added to negative elements."""
    contents = c.known(index)
    if contents is not None and is_static(contents):
        if contents.size and isinstance(extent, int):
            _check_range(c, contents, extent)
        if not (contents < 0).any():
            return c.value(index)
        if isinstance(extent, int):
            positive = np.where(contents < 0, contents + extent, contents).astype(contents.dtype)
            return c.const(positive, "indices")
    return wrap(c, c.value(index), c.dim(extent, c.dtype(index)))


def wrap(c: Call, indices: Value, extent: Value) -> Value:
    """Add ``extent`` to negative elements."""
    return c.op("select", c.op("lt", indices, 0), c.op("add", indices, extent), indices)


def _check_range(c: Call, contents: Array, extent: int) -> None:
    low, high = int(contents.min()), int(contents.max())
    if low < -extent or high >= extent:
        c.invalid(f"index {low if low < -extent else high} does not fit size {extent}")


@lowers("Gather")
def gather(c: Call) -> Value:
    """numpy's ``take``; constant consecutive indices become a slice."""
    axis = c.axis(c.integer("axis", 0), c.rank())
    extent = c.shape()[axis]
    contents = c.known(1)
    if contents is not None and is_static(contents) and contents.size and contents.ndim <= 1:
        window = _window(c, contents.reshape(-1), extent)
        if window is not None:
            return _sliced(c, axis, window, contents.size, keep=contents.ndim == 1)
    return c.op("gather", c.value(0), wrapped(c, 1, extent), axis=axis)


def _window(c: Call, indices: Array, extent: Dim) -> Dim | None:
    """The first of consecutive indices; None for others."""
    first = int(indices[0])
    if not (np.diff(indices) == 1).all() or (first < 0 <= int(indices[-1])):
        return None
    if isinstance(extent, int):
        _check_range(c, indices, extent)
    return first + extent if first < 0 else first


def _sliced(c: Call, axis: int, start: Dim, size: int, *, keep: bool) -> Value:
    part = c.slice(c.value(0), axis, start, size)
    shape = part.type.shape
    return part if keep else c.reshape(part, shape[:axis] + shape[axis + 1 :])


@lowers("GatherElements")
def gather_elements(c: Call) -> Value:
    """One element for each index, from the same place on the other axes."""
    axis = c.axis(c.integer("axis", 0), c.rank())
    return c.op("gather_elements", c.value(0), wrapped(c, 1, c.shape()[axis]), axis=axis)


@lowers("Scatter", "ScatterElements")
def scatter_elements(c: Call) -> Value:
    """Updates written, or combined by ``reduction``, at each index."""
    axis = c.axis(c.integer("axis", 0), c.rank())
    indices = wrapped(c, 1, c.shape()[axis])
    return c.op(
        "scatter_elements", c.value(0), indices, c.value(2), axis=axis, reduction=_reduction(c)
    )


def _reduction(c: Call) -> str:
    found = c.text("reduction", "none")
    if found not in ("none", "add", "mul", "max", "min"):
        c.invalid(f"reduction is {found!r}")
    return found


def _wrapped_tuples(c: Call, index: int, extents: Sequence[Dim]) -> Value:
    """Index tuples along the last axis, each element wrapped by its own extent."""
    contents = c.known(index)
    if contents is not None and is_static(contents) and not (contents < 0).any():
        return c.value(index)
    if all(isinstance(e, int) for e in extents):
        limits = c.const(np.array(extents, np.int64), "extents")
    else:
        limits = c.op("concat", *(c.reshape(c.dim(e), (1,)) for e in extents), axis=0)
    return wrap(c, c.value(index), limits)


def _tuple_length(c: Call) -> int:
    last = c.shape(1)[-1] if c.rank(1) else c.invalid("indices have rank 0")
    return last if isinstance(last, int) else c.refuse("the length of index tuples is open")


@lowers("GatherND")
def gather_nd(c: Call) -> Value:
    """Slices picked by index tuples, after ``batch_dims`` common axes."""
    batch = c.integer("batch_dims", 0)
    extents = c.shape()[batch : batch + _tuple_length(c)]
    return c.op("gather_nd", c.value(0), _wrapped_tuples(c, 1, extents), batch_dims=batch)


@lowers("ScatterND")
def scatter_nd(c: Call) -> Value:
    """Slices written, or combined by ``reduction``, at index tuples."""
    indices = _wrapped_tuples(c, 1, c.shape()[: _tuple_length(c)])
    return c.op("scatter_nd", c.value(0), indices, c.value(2), reduction=_reduction(c))


@lowers("OneHot", rich=True)
def one_hot(c: Call) -> Value:
    """``values[1]`` at the index, ``values[0]`` elsewhere; out of range is nowhere."""
    depths = c.dims(1, "depth")
    if len(depths) != 1:
        c.invalid("depth must have one element")
    axis = c.axis(c.integer("axis", -1), c.rank() + 1)
    indices = c.value(0)
    if not indices.type.dtype.is_integer:
        indices = c.cast(indices, i64)
    indices = wrap(c, indices, c.dim(depths[0], indices.type.dtype))
    hot = c.op("one_hot", indices, depth=depths[0], axis=axis, dtype=bool_)
    off, on = (c.reshape(c.slice(c.value(2), 0, i, 1), ()) for i in range(2))
    return c.op("select", hot, on, off)


@lowers("Trilu", rich=True)
def trilu(c: Call) -> Value:
    """The upper or lower triangle from diagonal ``k``; 0 elsewhere."""
    x = c.value(0)
    if x.type.rank < 2:
        c.invalid(f"input 0 must have rank 2 or more, not {x.type.rank}")
    rows, columns = x.type.shape[-2:]
    row = c.op("iota", shape=(rows, 1), axis=0, dtype=i64)
    column = c.op("iota", shape=(1, columns), axis=1, dtype=i64)
    if c.has(1):
        row = c.op("add", row, c.reshape(c.value(1), ()))
    keep = c.op("ge" if c.flag("upper", True) else "le", column, row)
    return c.op("select", keep, x, 0)


@lowers("ReverseSequence", rich=True)
def reverse_sequence(c: Call) -> Value:
    """The first ``sequence_lens[b]`` steps of each batch item backwards, the rest as they are."""
    x = c.value(0)
    batch, time = c.integer("batch_axis", 1), c.integer("time_axis", 0)
    if {batch, time} != {0, 1}:
        c.invalid("batch_axis and time_axis must be 0 and 1")
    sizes = x.type.shape
    if len(sizes) < 2 or c.rank(1) != 1:
        c.invalid(f"cannot reverse {x.type} by {c.type(1)}")
    lengths = c.cast(c.value(1), i64)
    lengths = c.reshape(lengths, (sizes[batch], 1) if batch == 0 else (1, sizes[batch]))
    step = c.op("iota", shape=sizes[:2], axis=time, dtype=i64)
    mirrored = c.op("sub", c.op("sub", lengths, 1), step)
    source = c.op("select", c.op("lt", step, lengths), mirrored, step)
    source = c.reshape(source, (*sizes[:2], *(1,) * (len(sizes) - 2)))
    return c.op("gather_elements", x, c.broadcast(source, sizes), axis=time)
