"""Normalisations. Statistics of half-precision data are computed in float32."""

from __future__ import annotations

from collections.abc import Sequence

from fusec.frontend.onnx.call import Call
from fusec.frontend.onnx.ops.reduction import mean, reduced, wide
from fusec.frontend.onnx.registry import lowers
from fusec.frontend.onnx.tensors import DTYPES
from fusec.ir import Value
from fusec.ir.sym import Dim, product


@lowers("BatchNormalization", rich=True)
def batch_normalization(c: Call) -> Value:
    """``x * a + b`` with ``a = scale * rsqrt(var + eps)``, ``b = bias - mean * a`` per channel."""
    if c.flag("training_mode") or any(c.wants(i) for i in range(1, 5)):
        c.refuse("training mode updates statistics")
    if c.version < 9 and not c.flag("spatial", True):
        return _per_activation(c)
    x = c.value(0)
    rank = x.type.rank
    # Parameters may have another float type than the data: compute in the statistics' type.
    dtype = c.dtype(3)
    scale, bias = (c.cast(c.value(i), dtype) for i in (1, 2))
    center, variance = c.value(3), c.cast(c.value(4), dtype)
    factor = c.op("mul", scale, c.op("rsqrt", c.op("add", variance, c.real("epsilon", 1e-5))))
    shift = c.op("sub", bias, c.op("mul", center, factor))
    data = c.cast(x, dtype)
    factor, shift = c.channels(factor, rank), c.channels(shift, rank)
    return c.cast(c.op("add", c.op("mul", data, factor), shift), x.type.dtype)


def _per_activation(c: Call) -> Value:
    """``spatial = 0`` (versions 7 and 8): statistics for each element of ``[C, *S]``."""
    x, scale, bias, center, variance = (c.value(i) for i in range(5))
    factor = c.op("mul", scale, c.op("rsqrt", c.op("add", variance, c.real("epsilon", 1e-5))))
    return c.op("add", c.op("mul", c.op("sub", x, center), factor), bias)


def standardized(
    c: Call, x: Value, axes: Sequence[int], epsilon: float
) -> tuple[Value, Value, Value]:
    """``(x - mean) * rsqrt(var + eps)`` over axes, with the mean and the factor (kept axes)."""
    center = mean(c, x, axes, keep=True)
    deviation = c.op("sub", x, center)
    variance = mean(c, c.op("mul", deviation, deviation), axes, keep=True)
    factor = c.op("rsqrt", c.op("add", variance, epsilon))
    return c.op("mul", deviation, factor), center, factor


@lowers("InstanceNormalization", rich=True)
def instance_normalization(c: Call) -> Value:
    """Over the spatial axes of each sample and channel."""
    x, rank = c.value(0), c.rank()
    dtype = x.type.dtype
    unit, _, _ = standardized(c, c.cast(x, wide(dtype)), range(2, rank), c.real("epsilon", 1e-5))
    scale, bias = (c.cast(c.channels(c.value(i), rank), wide(dtype)) for i in (1, 2))
    return c.cast(c.op("add", c.op("mul", unit, scale), bias), dtype)


@lowers("LayerNormalization", rich=True)
def layer_normalization(c: Call) -> tuple[Value | None, ...]:
    """Over the axes from ``axis`` on; statistics in ``stash_type``."""
    x, rank = c.value(0), c.rank()
    axis = c.axis(c.integer("axis", -1), rank)
    stash = DTYPES[c.integer("stash_type", 1)]
    axes = range(axis, rank)
    unit, center, factor = standardized(c, c.cast(x, stash), axes, c.real("epsilon", 1e-5))
    result = c.op("mul", c.cast(unit, x.type.dtype), c.value(1))
    bias = c.optional(2)
    if bias is not None:
        result = c.op("add", result, bias)
    return result, center, factor


@lowers("RMSNormalization", rich=True)
def rms_normalization(c: Call) -> Value:
    """``x * rsqrt(mean(x^2) + eps) * scale`` over the axes from ``axis`` on."""
    x, rank = c.value(0), c.rank()
    axes = range(c.axis(c.integer("axis", -1), rank), rank)
    data = c.cast(x, DTYPES[c.integer("stash_type", 1)])
    square = mean(c, c.op("mul", data, data), axes, keep=True)
    factor = c.op("rsqrt", c.op("add", square, c.real("epsilon", 1e-5)))
    unit = c.cast(c.op("mul", data, factor), x.type.dtype)
    return c.op("mul", unit, c.cast(c.value(1), x.type.dtype))


def _grouped(c: Call, x: Value) -> tuple[Value, int]:
    groups = c.integer("num_groups")
    batch, channels, *spatial = x.type.shape
    if groups < 1 or (isinstance(channels, int) and channels % groups):
        c.invalid(f"{channels} channels do not split into {groups} groups")
    return c.reshape(x, (batch, groups, channels // groups, *spatial)), groups


def _group_unit(c: Call, x: Value) -> Value:
    grouped, _ = _grouped(c, x)
    axes = range(2, grouped.type.rank)
    unit, _, _ = standardized(c, grouped, axes, c.real("epsilon", 1e-5))
    return unit


@lowers("GroupNormalization", since=18, rich=True)
def group_normalization_18(c: Call) -> Value:
    """Scale and bias for each group."""
    x = c.value(0)
    unit = _group_unit(c, c.cast(x, wide(x.type.dtype)))
    rank = unit.type.rank
    scale, bias = (c.cast(c.channels(c.value(i), rank), unit.type.dtype) for i in (1, 2))
    result = c.op("add", c.op("mul", unit, scale), bias)
    return c.cast(c.reshape(result, x.type.shape), x.type.dtype)


@lowers("GroupNormalization", since=21, rich=True)
def group_normalization(c: Call) -> Value:
    """Scale and bias for each channel; statistics in ``stash_type``."""
    x, rank = c.value(0), c.rank()
    unit = _group_unit(c, c.cast(x, DTYPES[c.integer("stash_type", 1)]))
    unit = c.cast(c.reshape(unit, x.type.shape), x.type.dtype)
    scale, bias = (c.channels(c.value(i), rank) for i in (1, 2))
    return c.op("add", c.op("mul", unit, scale), bias)


@lowers("MeanVarianceNormalization", rich=True)
def mean_variance_normalization(c: Call) -> Value:
    """``(x - mean) / (std + 1e-9)``."""
    x = c.value(0)
    axes = c.axes(c.integers("axes", (0, 2, 3)), c.rank())
    data = c.cast(x, wide(x.type.dtype))
    deviation = c.op("sub", data, mean(c, data, axes, keep=True))
    spread = c.op("sqrt", mean(c, c.op("mul", deviation, deviation), axes, keep=True))
    return c.cast(c.op("div", deviation, c.op("add", spread, 1e-9)), x.type.dtype)


@lowers("LpNormalization", rich=True)
def lp_normalization(c: Call) -> Value:
    """``x`` divided by its norm along one axis; 0 where the norm is."""
    x, p = c.value(0), c.integer("p", 2)
    if p not in (1, 2):
        c.invalid(f"p is {p}, not 1 or 2")
    axis = c.axis(c.integer("axis", -1), c.rank())
    data = c.cast(x, wide(x.type.dtype))
    terms = c.op("mul", data, data) if p == 2 else c.op("abs", data)
    norm = reduced(c, "reduce_sum", terms, (axis,), keep=True)
    if p == 2:
        norm = c.op("sqrt", norm)
    ratio = c.op("select", c.op("eq", norm, 0), 0, c.op("div", data, norm))
    return c.cast(ratio, x.type.dtype)


@lowers("LRN", rich=True)
def local_response_normalization(c: Call) -> Value:
    """``x / (bias + alpha / size * sum(x^2 over nearby channels)) ^ beta``."""
    x, size = c.value(0), c.integer("size")
    if x.type.rank < 2:
        c.invalid(f"input 0 must have rank 2 or more, not {x.type.rank}")
    batch, channels, *spatial = x.type.shape
    inner = product(spatial)
    square = c.reshape(c.op("mul", x, x), (batch, 1, channels, inner))
    near = c.op(
        "sum_pool",
        square,
        kernel=(size, 1),
        strides=(1, 1),
        padding=(((size - 1) // 2, size // 2), (0, 0)),
        dilations=(1, 1),
    )
    near = c.op("mul", c.reshape(near, x.type.shape), c.real("alpha", 1e-4) / size)
    base = c.op("add", near, c.real("bias", 1.0))
    power = c.op("pow", base, c.literal(c.real("beta", 0.75), x.type.dtype))
    return c.op("div", x, power)


# -- softmax -------------------------------------------------------------------------------------


def softmax_over(c: Call, x: Value, axes: Sequence[int]) -> Value:
    """``exp(x - max) / sum(exp(x - max))`` over axes."""
    data = c.cast(x, wide(x.type.dtype))
    shifted = c.op("sub", data, reduced(c, "reduce_max", data, axes, keep=True))
    grown = c.op("exp", shifted)
    total = reduced(c, "reduce_sum", grown, axes, keep=True)
    return c.cast(c.op("div", grown, total), x.type.dtype)


def _log_softmax(c: Call, x: Value, axes: Sequence[int]) -> Value:
    data = c.cast(x, wide(x.type.dtype))
    shifted = c.op("sub", data, reduced(c, "reduce_max", data, axes, keep=True))
    total = reduced(c, "reduce_sum", c.op("exp", shifted), axes, keep=True)
    return c.cast(c.op("sub", shifted, c.op("log", total)), x.type.dtype)


def _hardmax(c: Call, x: Value, axes: Sequence[int]) -> Value:
    shape = x.type.shape
    first = axes[0]
    rows: tuple[Dim, ...] = (product(shape[:first]), product(shape[a] for a in axes))
    inner = product(shape[first + len(axes) :])
    flat = c.reshape(x, (*rows, inner))
    best = c.op("argmax", flat, axis=1)
    hot = c.op("one_hot", best, depth=rows[1], axis=1, dtype=x.type.dtype)
    return c.reshape(hot, shape)


def _trailing(c: Call) -> range:
    """Up to version 12 the input is flattened to two dims at ``axis``."""
    return range(c.axis(c.integer("axis", 1), c.rank()), c.rank())


def _one(c: Call) -> tuple[int, ...]:
    return (c.axis(c.integer("axis", -1), c.rank()),)


@lowers("Softmax", since=1, rich=True)
def softmax_flattened(c: Call) -> Value:
    """Over all axes from ``axis`` on."""
    return softmax_over(c, c.value(0), _trailing(c))


@lowers("Softmax", since=13, rich=True)
def softmax(c: Call) -> Value:
    """Over one axis."""
    return softmax_over(c, c.value(0), _one(c))


@lowers("LogSoftmax", since=1, rich=True)
def log_softmax_flattened(c: Call) -> Value:
    """Over all axes from ``axis`` on."""
    return _log_softmax(c, c.value(0), _trailing(c))


@lowers("LogSoftmax", since=13, rich=True)
def log_softmax(c: Call) -> Value:
    """Over one axis."""
    return _log_softmax(c, c.value(0), _one(c))


@lowers("Hardmax", since=1, rich=True)
def hardmax_flattened(c: Call) -> Value:
    """1 at the first maximum over all axes from ``axis`` on, else 0."""
    return _hardmax(c, c.value(0), _trailing(c))


@lowers("Hardmax", since=13, rich=True)
def hardmax(c: Call) -> Value:
    """1 at the first maximum along one axis, else 0."""
    return _hardmax(c, c.value(0), _one(c))
