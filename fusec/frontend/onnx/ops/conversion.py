"""Element type conversions."""

from __future__ import annotations

from fusec.frontend.onnx.call import Call
from fusec.frontend.onnx.registry import lowers
from fusec.ir import Value
from fusec.ir.types import DType, bool_, f32, i32, u8


@lowers("Cast")
def cast(c: Call) -> Value:
    """To the type of attribute ``to``."""
    return converted(c, c.dtype_of(c.integer("to")))


@lowers("CastLike")
def cast_like(c: Call) -> Value:
    """To the type of the second input."""
    return converted(c, c.dtype(1))


def converted(c: Call, dtype: DType) -> Value:
    """Input 0 in another type; conversions to 8-bit floats saturate unless told otherwise."""
    x = c.value(0)
    if x.type.dtype == dtype or dtype == bool_:
        return c.cast(x, dtype)
    if dtype.name == "float8_e8m0fnu":
        return _powers_of_two(c, x, dtype)
    saturate = dtype.is_float and dtype.bits <= 8 and c.flag("saturate", True)
    return c.op("cast", x, dtype=dtype, saturate=saturate)


# What is added to the bits of a float32 so that dropping its 23 fraction bits rounds as asked.
_ROUNDING = {"up": (1 << 23) - 1, "nearest": 1 << 22, "down": 0}


def _powers_of_two(c: Call, x: Value, dtype: DType) -> Value:
    """To the exponent-only type: the biased exponent of a float32, rounded by ``round_mode``."""
    mode = c.text("round_mode", "up")
    if mode not in _ROUNDING:
        c.invalid(f"round_mode is {mode!r}")
    bits = c.op("bitcast", c.op("abs", c.cast(x, f32)), dtype=i32)
    exponent = c.op("shift_right", c.op("add", bits, _ROUNDING[mode]), 23)
    if c.flag("saturate", True):
        infinite = c.op("eq", bits, 0xFF << 23)
        exponent = c.op("select", infinite, 0xFE, c.op("minimum", exponent, 0xFE))
    exponent = c.op("select", c.op("gt", bits, 0xFF << 23), 0xFF, exponent)
    return c.op("bitcast", c.cast(exponent, u8), dtype=dtype)


@lowers("BitCast")
def bit_cast(c: Call) -> Value:
    """The same bits as another type; a bool has those of 0 or 1."""
    dtype, x = c.dtype_of(c.integer("to")), c.value(0)
    if bool_ in (dtype, x.type.dtype) and dtype.bits == x.type.dtype.bits:
        x = x if x.type.dtype != bool_ else c.cast(x, u8)
        return c.cast(x, dtype) if dtype == bool_ else c.op("bitcast", x, dtype=dtype)
    return x if dtype == x.type.dtype else c.op("bitcast", x, dtype=dtype)
