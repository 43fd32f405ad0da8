"""Scalars as Triton text.

A bare Python number takes the type of the tile beside an *operator* only; as the argument of a
function it would be a float32, int32 or int1.
"""

from __future__ import annotations

import math

import numpy as np

from fusec.codegen.names import tl
from fusec.ir.types import DType

Scalar = bool | int | float


def _number(value: float) -> str:
    if math.isnan(value):
        return 'float("nan")'
    if math.isinf(value):
        return f'float("{"-" if value < 0 else ""}inf")'
    return repr(value)


def literal_operand(value: Scalar, dtype: DType) -> str:
    """``value`` as an operand of an operator whose other operand is a tile of ``dtype``."""
    if _is_negative_zero(value, dtype):
        return typed_scalar(value, dtype)
    text = _bare(value, dtype)
    return f"({text})" if text.startswith("-") else text


def literal_value(value: Scalar, dtype: DType) -> str:
    """``value`` as a function's argument, where it has to have its type."""
    if _is_negative_zero(value, dtype):
        return typed_scalar(value, dtype)
    fits = dtype.name == "int32" and -(2**31) <= value < 2**31
    if fits or dtype.name in ("bool", "float32"):
        return _bare(value, dtype)
    return typed_scalar(value, dtype)


def typed_scalar(value: Scalar, dtype: DType) -> str:
    """``value`` as a scalar tensor."""
    if _is_negative_zero(value, dtype):
        return f"(tl.full((), 0.0, {tl(dtype)}) * -1.0)"
    return f"tl.full((), {_bare(value, dtype)}, {tl(dtype)})"


def _is_negative_zero(value: Scalar, dtype: DType) -> bool:
    """Triton turns the constant -0.0 into 0.0, so it has to be computed."""
    return dtype.is_float and dtype.bits > 8 and value == 0 and math.copysign(1.0, value) < 0


def rounded(value: Scalar, dtype: DType) -> float:
    """The float of ``dtype`` that is nearest to ``value``."""
    return float(np.asarray(value, np.float64).astype(dtype.numpy))


def _bare(value: Scalar, dtype: DType) -> str:
    if dtype.kind == "bool":
        return str(bool(value))
    if dtype.is_float and dtype.bits == 8:  # held as bits
        return str(int(np.asarray(value, dtype.numpy).view(np.uint8)))
    return _number(float(value)) if dtype.is_float else str(int(value))


def lowest(dtype: DType) -> Scalar:
    """The neutral element of max: minus infinity, or the smallest integer."""
    if dtype.kind == "bool":
        return False
    if dtype.is_float:
        return -math.inf
    return 0 if dtype.kind == "uint" else -(2 ** (dtype.bits - 1))


def highest(dtype: DType) -> Scalar:
    """The neutral element of min: infinity, or the largest integer."""
    if dtype.kind == "bool":
        return True
    if dtype.is_float:
        return math.inf
    limit: int = 2 ** (dtype.bits - (dtype.kind == "int"))
    return limit - 1
