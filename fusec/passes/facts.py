"""What is known about values, for rules to ask: signs, losslessness of casts, exact constants."""

from __future__ import annotations

from typing import Any

import numpy as np

from fusec.ir.constant import Constant
from fusec.ir.graph import Node, Value
from fusec.ir.types import BOOL, FLOAT, INT, UINT, DType
from fusec.passes.pattern import scalar_of

_DEPTH = 8  # operations that a proof may look through
_SMALL = 4096  # elements of a constant that a rule computes with on its own

_NON_NEGATIVE = frozenset({"abs", "exp", "exp2", "sigmoid"})
_KEEPS_SIGN = frozenset(
    {"reshape", "transpose", "broadcast", "slice", "reverse", "gather", "gather_elements"}
    | {"sqrt", "floor", "ceil", "round", "reduce_sum", "reduce_prod", "reduce_min", "sum_pool"}
    | {"add", "mul", "div", "minimum", "concat"}
)


def is_non_negative(value: Value, depth: int = _DEPTH) -> bool:
    """Whether a float value is known to hold no negative number; it may hold NaN and -0."""
    known = scalar_of(value)
    if known is not None:
        return not isinstance(known, complex) and known >= 0
    node = value.node
    if node is None or depth == 0:
        return False
    if node.is_constant:
        return _all_non_negative(node.attrs["data"])
    if node.op.name in _NON_NEGATIVE or _is_square(node):
        return True
    if node.op.name == "maximum":
        return any(is_non_negative(v, depth - 1) for v in node.operands)
    if node.op.name == "cast":
        return value.type.dtype.is_float and is_non_negative(node.operands[0], depth - 1)
    if node.op.name not in _KEEPS_SIGN:
        return False
    reals = [v for v in node.operands if v.type.dtype.is_float]
    return all(is_non_negative(v, depth - 1) for v in reals)


def _is_square(node: Node) -> bool:
    if node.op.name == "mul":
        return node.operands[0] is node.operands[1]
    return node.op.name == "pow" and scalar_of(node.operands[1]) in (2, 4)


def _all_non_negative(data: Constant) -> bool:
    small = data.array.size <= _SMALL
    return small and data.type.dtype.is_float and not bool(np.any(data.array < 0))


def is_small(data: Constant) -> bool:
    """Whether a rule may compute with it on its own; larger ones are left to fold-constants."""
    return data.array.size <= _SMALL


# Significant bits of the float formats.
_PRECISION = {"f16": 11, "bf16": 8, "f32": 24, "f64": 53}


def holds_all(target: DType, source: DType) -> bool:
    """Whether every value of ``source`` is a value of ``target``."""
    if target == source or source.kind == BOOL:
        return True
    if source.kind == FLOAT and target.kind == FLOAT:
        return _float_holds(target, source)
    if source.is_integer and target.kind == FLOAT:
        bits = source.bits - (source.kind == INT)
        return bits <= _PRECISION.get(target.short, 0)
    if source.is_integer and target.is_integer:
        if source.kind == target.kind:
            return target.bits >= source.bits
        return source.kind == UINT and target.bits > source.bits
    return False


def _float_holds(target: DType, source: DType) -> bool:
    if source.bits <= 8:
        return target.short in ("f32", "f64")
    return target.bits > source.bits and target.bits >= 32


def reciprocal_if_exact(data: Constant) -> np.ndarray[Any, Any] | None:
    """1 / x for each element when each is a power of two whose reciprocal is a normal number."""
    array = data.array
    if not data.type.dtype.is_float or data.type.dtype.bits < 16 or not is_small(data):
        return None
    wide = array.astype(np.float64)
    if not np.all(np.isfinite(wide)) or not np.all(np.abs(np.frexp(wide)[0]) == 0.5):
        return None
    inverse = 1.0 / wide
    limits = np.finfo(np.float32) if data.type.dtype.short == "bf16" else np.finfo(array.dtype)
    if np.any(np.abs(inverse) < float(limits.tiny)) or np.any(np.abs(inverse) > float(limits.max)):
        return None
    return np.asarray(inverse.astype(array.dtype))
