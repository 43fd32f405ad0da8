"""Element type conversions."""

from __future__ import annotations

from fusec.frontend.onnx.call import Call
from fusec.frontend.onnx.registry import lowers
from fusec.ir import Value
from fusec.ir.types import DType, bool_


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
    if x.type.dtype == dtype:
        return x
    if dtype == bool_:
        return c.cast(x, bool_)
    saturate = dtype.is_float and dtype.bits <= 8 and c.flag("saturate", True)
    return c.op("cast", x, dtype=dtype, saturate=saturate)


@lowers("BitCast")
def bit_cast(c: Call) -> Value:
    """The same bits as another type."""
    dtype = c.dtype_of(c.integer("to"))
    return c.value(0) if dtype == c.dtype(0) else c.op("bitcast", c.value(0), dtype=dtype)
