"""Pooling."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fusec.frontend.onnx.call import Call
from fusec.frontend.onnx.ops.reduction import mean, reduced, wide
from fusec.frontend.onnx.ops.windows import Window, window_of, with_ceil
from fusec.frontend.onnx.registry import lowers
from fusec.ir import Value
from fusec.ir.sym import Dim, product
from fusec.ir.types import i64

TABLE = 1 << 20  # places of the windows along an axis; counts of more are computed, not stored


def _window(c: Call) -> Window:
    spatial = c.shape()[2:]
    kernel = c.integers("kernel_shape")
    if c.rank() < 3 or len(kernel) != len(spatial):
        c.invalid(f"kernel_shape {list(kernel)} does not fit {c.type(0)}")
    window = window_of(c, kernel, spatial)
    is_explicit = c.text("auto_pad", "NOTSET") == "NOTSET"
    return with_ceil(window, spatial) if c.flag("ceil_mode") and is_explicit else window


def _pool(c: Call, core: str, x: Value, window: Window) -> Value:
    return c.op(core, x, kernel=window.kernel, **window.attributes)


# -- maximum -------------------------------------------------------------------------------------


@lowers("MaxPool")
def max_pool(c: Call) -> tuple[Value | None, ...]:
    """Values, and on request the flat positions of the maxima in the whole input."""
    x, window = c.value(0), _window(c)
    indices = _indices(c, x, window) if c.wants(1) else None
    return _pool(c, "max_pool", x, window), indices


def _indices(c: Call, x: Value, window: Window) -> Value:
    spatial = x.type.shape[2:]
    position = _pool(c, "argmax_pool", x, window)
    if c.flag("storage_order"):
        position = _column_major(c, position, spatial)
    # Each sample and channel is a block of the flat input.
    batch, channels = x.type.shape[:2]
    block = c.op("iota", shape=(batch * channels,), axis=0, dtype=i64)
    block = c.reshape(block, (batch, channels, *(1,) * len(spatial)))
    return c.op("add", position, c.op("mul", block, c.dim(product(spatial))))


def _column_major(c: Call, position: Value, spatial: Sequence[Dim]) -> Value:
    """Row-major positions as column-major ones."""
    total: Value | None = None
    for axis, size in enumerate(spatial):
        below = product(spatial[axis + 1 :])
        index = position if below == 1 else c.op("div", position, c.dim(below))
        if axis:
            index = c.op("rem", index, c.dim(size))
        step = product(spatial[:axis])
        term = index if step == 1 else c.op("mul", index, c.dim(step))
        total = term if total is None else c.op("add", total, term)
    assert total is not None
    return total


# -- average -------------------------------------------------------------------------------------


@lowers("AveragePool", rich=True)
def average_pool(c: Call) -> Value:
    """Sums divided by the number of elements: with padding or without (``count_include_pad``)."""
    x, window = c.value(0), _window(c)
    dtype = x.type.dtype
    total = _pool(c, "sum_pool", c.cast(x, wide(dtype)), window)
    return c.cast(_averaged(c, total, x.type.shape[2:], window), dtype)


def _averaged(c: Call, total: Value, spatial: Sequence[Dim], window: Window) -> Value:
    rank = len(spatial)
    # What a window reaches beyond the explicit padding (ceil mode) never counts.
    given = c.integers("pads", (0,) * (2 * rank)) or (0,) * (2 * rank)
    counts_padding = c.flag("count_include_pad")
    whole, partial = 1, None
    for axis, size in enumerate(spatial):
        before, after = window.padding[axis]
        low, high = (before, after) if counts_padding else (0, 0)
        if counts_padding and c.text("auto_pad", "NOTSET") == "NOTSET":
            high = given[rank + axis]
        if (before, after) == (low, high):
            whole *= window.kernel[axis]
            continue
        count = _count(c, total, axis, size, window, low, high)
        partial = count if partial is None else c.op("mul", partial, count)
    if partial is None:
        return c.op("mul", total, 1 / whole)
    return c.op("div", total, partial if whole == 1 else c.op("mul", partial, whole))


def _count(
    c: Call, total: Value, axis: int, size: Dim, window: Window, low: Dim, high: Dim
) -> Value:
    """Elements of each window along an axis that lie in ``[-low, size + high)``."""
    out = total.type.shape[2 + axis]
    kernel, stride, dilation = window.kernel[axis], window.strides[axis], window.dilations[axis]
    shape = (-1, *(1,) * (len(window.kernel) - axis - 1))
    before = window.padding[axis][0]
    fixed = [d for d in (out, size, before, low, high) if isinstance(d, int)]
    if len(fixed) == 5 and fixed[0] * kernel <= TABLE:
        windows, extent, shift, first, last = fixed
        place = np.arange(windows)[:, None] * stride - shift + np.arange(kernel) * dilation
        inside = (place >= -first) & (place < extent + last)
        count = np.maximum(inside.sum(axis=1), 1).reshape(shape)
        return c.const(count.astype(total.type.dtype.numpy), f"count{axis}")
    return c.cast(_open_count(c, axis, out, size, window, low, high), total.type.dtype)


def _open_count(
    c: Call, axis: int, out: Dim, size: Dim, window: Window, low: Dim, high: Dim
) -> Value:
    """`_count` as index arithmetic: first and last element of the window that are inside."""
    kernel, stride, dilation = window.kernel[axis], window.strides[axis], window.dilations[axis]
    trailing = len(window.kernel) - axis - 1
    index = c.op("iota", shape=(out, *(1,) * trailing), axis=0, dtype=i64)
    start = c.op("sub", c.op("mul", index, stride), c.dim(window.padding[axis][0]))
    # ceil((size + high - start) / dilation) elements before the end, at most the kernel.
    room = c.op("sub", c.dim(size + high + dilation - 1), start)
    end = c.op("minimum", c.op("div", room, dilation), kernel)
    skip = c.op("sub", c.dim(-low + dilation - 1), start)
    first = c.op("maximum", c.op("div", skip, dilation), 0)
    return c.op("maximum", c.op("sub", end, first), 1)


# -- norms and global forms ----------------------------------------------------------------------


@lowers("LpPool", rich=True)
def lp_pool(c: Call) -> Value:
    """``sum(|x|^p) ^ (1 / p)`` of each window."""
    x, p = c.value(0), _exponent(c)
    total = _pool(c, "sum_pool", _power(c, x, p), _window(c))
    return _root(c, total, p)


def _exponent(c: Call) -> int:
    p = c.integer("p", 2)
    return p if p >= 1 else c.invalid(f"p is {p}, not 1 or more")


def _power(c: Call, x: Value, p: int) -> Value:
    if p == 2:
        return c.op("mul", x, x)
    size = c.op("abs", x)
    return size if p == 1 else c.op("pow", size, c.literal(p, x.type.dtype))


def _root(c: Call, x: Value, p: int) -> Value:
    if p == 2:
        return c.op("sqrt", x)
    return x if p == 1 else c.op("pow", x, c.literal(1 / p, x.type.dtype))


def _spatial(c: Call, x: Value) -> range:
    if x.type.rank < 3:
        c.invalid(f"input 0 must have rank 3 or more, not {x.type.rank}")
    return range(2, x.type.rank)


@lowers("GlobalAveragePool", rich=True)
def global_average_pool(c: Call) -> Value:
    """The mean over the spatial axes, kept as size 1."""
    x = c.value(0)
    data = c.cast(x, wide(x.type.dtype))
    return c.cast(mean(c, data, _spatial(c, x), keep=True), x.type.dtype)


@lowers("GlobalMaxPool")
def global_max_pool(c: Call) -> Value:
    """The maximum over the spatial axes, kept as size 1."""
    x = c.value(0)
    return reduced(c, "reduce_max", x, _spatial(c, x), keep=True)


@lowers("GlobalLpPool", rich=True)
def global_lp_pool(c: Call) -> Value:
    """The norm over the spatial axes, kept as size 1."""
    x, p = c.value(0), _exponent(c)
    return _root(c, reduced(c, "reduce_sum", _power(c, x, p), _spatial(c, x), keep=True), p)
