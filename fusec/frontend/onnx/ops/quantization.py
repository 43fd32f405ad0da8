"""Quantisation: linear mappings, and integer contractions with exact 32-bit sums.

``real = (quantised - zero point) * scale``. Rounding is half to even, results saturate.
"""

from __future__ import annotations

from fusec.frontend.onnx.call import Call
from fusec.frontend.onnx.ops.contraction import kernel_of, product_of
from fusec.frontend.onnx.ops.windows import window_of
from fusec.frontend.onnx.registry import lowers
from fusec.ir import Value
from fusec.ir.types import DType, f32, i32, u8


def spread(c: Call, parameter: Value, index: int = 0) -> Value:
    """A scale or zero point in a shape that broadcasts over input ``index``.

    One number, one for each place along ``axis``, or one for each block of places.
    """
    shape, rank = c.shape(index), c.rank(index)
    if parameter.type.numel == 1 and not c.integer("block_size", 0):
        return c.reshape(parameter, ())
    axis = c.axis(c.integer("axis", 1), rank)
    if parameter.type.rank == 1 and not c.integer("block_size", 0):
        return c.reshape(parameter, [d if i == axis else 1 for i, d in enumerate(shape)])
    return _blocks(c, parameter, axis, index)


def _blocks(c: Call, parameter: Value, axis: int, index: int) -> Value:
    block, shape = c.integer("block_size"), c.shape(index)
    if parameter.type.rank != len(shape) or block < 1:
        c.invalid(f"scales of {parameter.type} do not fit {c.type(index)} in blocks of {block}")
    own = parameter.type.shape
    wide = c.reshape(parameter, (*own[: axis + 1], 1, *own[axis + 1 :]))
    wide = c.broadcast(wide, (*own[: axis + 1], block, *own[axis + 1 :]))
    flat = c.reshape(wide, (*own[:axis], own[axis] * block, *own[axis + 1 :]))
    return c.slice(flat, axis, 0, shape[axis])  # the last block may be partial


def quantized(c: Call, x: Value, zero: Value | None, dtype: DType, saturate: bool = True) -> Value:
    """Round ``x``, already in units of the scale, shift it and saturate."""
    if dtype.is_float:
        return c.op("cast", x, dtype=dtype, saturate=saturate)
    x = c.op("round", x)
    if zero is not None:
        x = c.op("add", x, c.cast(zero, x.type.dtype))
    return c.op("cast", x, dtype=dtype, saturate=True)


@lowers("QuantizeLinear", rich=True)
def quantize_linear(c: Call) -> Value:
    """``saturate(round(x / scale) + zero point)``."""
    zero = c.optional(2)
    code = c.integer("output_dtype", 0)
    dtype = zero.type.dtype if zero is not None else c.dtype_of(code) if code else u8
    precision = c.integer("precision", 0)
    compute = c.dtype_of(precision) if precision else f32
    scale = spread(c, c.cast(c.value(1), compute))
    x = c.op("div", c.cast(c.value(0), compute), scale)
    shifted = spread(c, zero) if zero is not None and not dtype.is_float else None
    return quantized(c, c.cast(x, f32), shifted, dtype, c.flag("saturate", True))


@lowers("DequantizeLinear", rich=True)
def dequantize_linear(c: Call) -> Value:
    """``(x - zero point) * scale``."""
    code = c.integer("output_dtype", 0)
    dtype = c.dtype_of(code) if code else c.dtype(1)
    x = c.cast(c.value(0), f32)
    if c.has(2) and not c.dtype(2).is_float:
        x = c.op("sub", x, spread(c, c.cast(c.value(2), f32)))
    return c.cast(c.op("mul", x, spread(c, c.cast(c.value(1), f32))), dtype)


def _centred(c: Call, index: int, zero: Value | None) -> Value:
    """An integer input as int32, minus its zero point."""
    x = c.cast(c.value(index), i32)
    return x if zero is None else c.op("sub", x, c.cast(zero, i32))


def _by_row(c: Call, index: int) -> Value | None:
    """A parameter of the left matrix: one number, or one a row."""
    if not c.has(index):
        return None
    parameter = c.value(index)
    if parameter.type.numel == 1:
        return c.reshape(parameter, ())
    if parameter.type.rank == 1:
        return c.reshape(parameter, (*parameter.type.shape, 1))
    return parameter


def _by_column(c: Call, index: int) -> Value | None:
    """A parameter of the right matrix or the result: one number, or one a column."""
    if not c.has(index):
        return None
    parameter = c.value(index)
    return c.reshape(parameter, ()) if parameter.type.numel == 1 else parameter


@lowers("MatMulInteger", rich=True)
def matmul_integer(c: Call) -> Value:
    """The product of shifted integers, in int32."""
    return product_of(c, _centred(c, 0, _by_row(c, 2)), _centred(c, 1, _by_column(c, 3)))


@lowers("QLinearMatMul", rich=True)
def qlinear_matmul(c: Call) -> Value:
    """``a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero``."""
    total = product_of(c, _centred(c, 0, _by_row(c, 2)), _centred(c, 3, _by_column(c, 5)))
    scales = (_by_row(c, 1), _by_column(c, 4), _by_column(c, 6))
    return _rescaled(c, total, scales, _by_column(c, 7))


def _rescaled(c: Call, total: Value, scales: tuple[Value | None, ...], zero: Value | None) -> Value:
    left, right, result = (c.cast(s, f32) for s in scales if s is not None)
    factor = c.op("div", c.op("mul", left, right), result)
    assert zero is not None
    return quantized(c, c.op("mul", c.cast(total, f32), factor), zero, zero.type.dtype)


def _by_channel(c: Call, index: int, rank: int) -> Value:
    """A parameter of the weights: one number, or one an output channel, ahead of ``rank`` axes."""
    parameter = c.value(index)
    if parameter.type.numel == 1:
        return c.reshape(parameter, ())
    return c.reshape(parameter, (*parameter.type.shape, *(1,) * rank))


def _convolved(c: Call, data: Value, weights: Value) -> Value:
    spatial = data.type.shape[2:]
    window = window_of(c, kernel_of(c, weights.type.shape[2:]), spatial)
    return c.op("conv", data, weights, groups=c.integer("group", 1), **window.attributes)


@lowers("ConvInteger", rich=True)
def conv_integer(c: Call) -> Value:
    """The convolution of shifted integers, in int32; padding stands for the zero point."""
    zero = c.reshape(c.value(2), ()) if c.has(2) else None
    shift = _by_channel(c, 3, c.rank(1) - 1) if c.has(3) else None
    return _convolved(c, _centred(c, 0, zero), _centred(c, 1, shift))


@lowers("QLinearConv", rich=True)
def qlinear_conv(c: Call) -> Value:
    """``x, x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero, bias``; bias in int32."""
    zero = c.reshape(c.value(2), ())
    total = _convolved(c, _centred(c, 0, zero), _centred(c, 3, _by_channel(c, 5, c.rank(3) - 1)))
    rank = total.type.rank
    if c.has(8):
        total = c.op("add", total, c.channels(c.value(8), rank))
    scales = (c.reshape(c.value(1), ()), _by_channel(c, 4, rank - 2), c.reshape(c.value(6), ()))
    return _rescaled(c, total, scales, c.reshape(c.value(7), ()))
