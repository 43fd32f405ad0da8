"""Reductions, arg-reductions and scans.

Half-precision sums that are not the result itself stay in float32: ``mean`` must not overflow.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fusec.frontend.onnx.call import Call
from fusec.frontend.onnx.registry import Lower, lowers
from fusec.ir import Value
from fusec.ir.sym import Dim, product
from fusec.ir.types import DType, f32

Reduce = Callable[[Call, Value, tuple[int, ...]], Value]


def wide(dtype: DType) -> DType:
    """float32 for shorter floats, else the dtype itself."""
    return f32 if dtype.is_float and dtype.bits < 32 else dtype


def reduced(c: Call, name: str, x: Value, axes: Sequence[int], *, keep: bool = False) -> Value:
    """A core reduction over any axes in any order; ``keep`` leaves them with size 1."""
    if not axes:
        return x
    result = c.op(name, x, axes=tuple(sorted(axes)))
    if not keep:
        return result
    return c.reshape(result, [1 if i in axes else d for i, d in enumerate(x.type.shape)])


def divided(c: Call, x: Value, count: Dim) -> Value:
    """``x / count``: times the reciprocal for a constant, exactly for integers."""
    if isinstance(count, int) and x.type.dtype.is_float:
        return c.op("mul", x, 1 / count if count else float("nan"))
    return c.op("div", x, c.dim(count, x.type.dtype))


def mean(c: Call, x: Value, axes: Sequence[int], *, keep: bool = False) -> Value:
    """The mean over axes."""
    count = product(x.type.shape[a] for a in axes)
    return divided(c, reduced(c, "reduce_sum", x, axes, keep=keep), count)


def _core(name: str) -> Reduce:
    return lambda c, x, axes: reduced(c, name, x, axes)


def _in_wide(inner: Reduce) -> Reduce:
    def reduce(c: Call, x: Value, axes: tuple[int, ...]) -> Value:
        dtype = x.type.dtype
        return c.cast(inner(c, c.cast(x, wide(dtype)), axes), dtype)

    return reduce


def _sum_of_squares(c: Call, x: Value, axes: tuple[int, ...]) -> Value:
    return reduced(c, "reduce_sum", c.op("mul", x, x), axes)


def _l1(c: Call, x: Value, axes: tuple[int, ...]) -> Value:
    return reduced(c, "reduce_sum", c.op("abs", x), axes)


def _l2(c: Call, x: Value, axes: tuple[int, ...]) -> Value:
    total = c.cast(_sum_of_squares(c, x, axes), f32 if not x.type.dtype.is_float else x.type.dtype)
    return c.cast(c.op("sqrt", total), x.type.dtype)


def _log_sum(c: Call, x: Value, axes: tuple[int, ...]) -> Value:
    total = reduced(c, "reduce_sum", x, axes)
    real = c.cast(total, f32 if not x.type.dtype.is_float else x.type.dtype)
    return c.cast(c.op("log", real), x.type.dtype)


def _log_sum_exp(c: Call, x: Value, axes: tuple[int, ...]) -> Value:
    dtype = x.type.dtype
    x = c.cast(x, dtype if dtype.is_float else f32)
    top = reduced(c, "reduce_max", x, axes, keep=True)
    # Infinite maxima: subtracting them would make NaN of exp(inf - inf).
    top = c.op("select", c.op("is_inf", top), 0, top)
    shape = [d for i, d in enumerate(x.type.shape) if i not in axes]
    total = reduced(c, "reduce_sum", c.op("exp", c.op("sub", x, top)), axes)
    return c.cast(c.op("add", c.op("log", total), c.reshape(top, shape)), dtype)


REDUCTIONS: dict[str, Reduce] = {
    "ReduceSum": _core("reduce_sum"),
    "ReduceProd": _core("reduce_prod"),
    "ReduceMax": _core("reduce_max"),
    "ReduceMin": _core("reduce_min"),
}
RICH_REDUCTIONS: dict[str, Reduce] = {
    "ReduceMean": _in_wide(mean),
    "ReduceSumSquare": _in_wide(_sum_of_squares),
    "ReduceL1": _in_wide(_l1),
    "ReduceL2": _in_wide(_l2),
    "ReduceLogSum": _in_wide(_log_sum),
    "ReduceLogSumExp": _in_wide(_log_sum_exp),
}


def axes_of(c: Call, index: int = 1) -> tuple[int, ...] | None:
    """Axes as an attribute or as an input, whichever the version has; None if not given."""
    if c.rank() == 0:
        return ()  # a scalar has nothing to reduce, whatever the axes say
    if c.has_attribute("axes"):
        return c.axes(c.integers("axes"), c.rank())
    if c.has(index):
        return c.axes(c.ints_of(index, "axes"), c.rank())
    return None


def _lowering(reduce: Reduce) -> Lower:
    def lower(c: Call) -> Value:
        axes = axes_of(c)
        if not axes and c.flag("noop_with_empty_axes"):
            # Nothing is reduced, but what is computed for each element still is.
            axes = ()
        elif not axes:
            axes = tuple(range(c.rank()))
        x = c.value(0)
        result = reduce(c, x, axes)
        if not c.flag("keepdims", True):
            return result
        return c.reshape(result, [1 if i in axes else d for i, d in enumerate(x.type.shape)])

    return lower


for _op, _reduce in REDUCTIONS.items():
    lowers(_op)(_lowering(_reduce))
for _op, _reduce in RICH_REDUCTIONS.items():
    lowers(_op, rich=True)(_lowering(_reduce))


def _arg_reduction(core: str) -> Lower:
    def lower(c: Call) -> Value:
        axis = c.axis(c.integer("axis", 0), c.rank())
        last = c.flag("select_last_index")
        result = c.op(core, c.value(0), axis=axis, select_last=last)
        if not c.flag("keepdims", True):
            return result
        return c.reshape(result, [1 if i == axis else d for i, d in enumerate(c.shape())])

    return lower


lowers("ArgMax")(_arg_reduction("argmax"))
lowers("ArgMin")(_arg_reduction("argmin"))


def _scan(core: str) -> Lower:
    def lower(c: Call) -> Value:
        (axis,) = c.ints_of(1, "axis")
        return c.op(
            core,
            c.value(0),
            axis=c.axis(axis, c.rank()),
            exclusive=c.flag("exclusive"),
            reverse=c.flag("reverse"),
        )

    return lower


lowers("CumSum")(_scan("cumsum"))
lowers("CumProd")(_scan("cumprod"))
