"""Pointwise ops whose operands or result differ in dtype: pow, select, cast, bitcast."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fusec.ir import infer as t
from fusec.ir.declare import declare, one_per_result
from fusec.ir.lazy import torch
from fusec.ir.op import Attribute, Attrs, Family, Kind
from fusec.ir.reference import back, computable, movable, torch_dtype
from fusec.ir.types import BOOL, COMPLEX, DType, Tensor, bool_

# -- pow -----------------------------------------------------------------------------------------


def _pow_rule(types: Sequence[Tensor], attrs: Attrs) -> Tensor:  # noqa: ARG001
    base, exponent = types
    t.check_kind(base.dtype, t.NUMBERS, "base")
    t.check_kind(exponent.dtype, t.NUMBERS, "exponent")
    return Tensor(base.dtype, t.broadcast_shapes([base.shape, exponent.shape]))


def _pow(operands: Sequence[Any], attrs: Attrs) -> Any:  # noqa: ARG001
    base, exponent = map(computable, operands)
    return back(_power(base, exponent), operands[0].dtype)


def _power(base: Any, exponent: Any) -> Any:
    if base.is_floating_point() or base.is_complex():
        return torch.pow(base, exponent if exponent.is_complex() else exponent.to(base.dtype))
    base = base.to(torch.int64)
    if exponent.is_floating_point():
        return torch.pow(base.to(torch.float64), exponent)
    return _integer_power(base, exponent.to(torch.int64))


def _integer_power(base: Any, exponent: Any) -> Any:
    """Wraps; a negative exponent gives the truncated quotient: 0 but for bases 1 and -1."""
    power = torch.pow(base, exponent.clamp(min=0))
    inverse = torch.where(base.abs() == 1, torch.where(exponent % 2 == 0, 1, base), 0)
    return torch.where(exponent < 0, inverse, power)


declare(
    "pow",
    Family.POINTWISE,
    ("base", "exponent"),
    (),
    _pow_rule,
    _pow,
    one_per_result,
    is_transcendental=True,
    doc="the exponent may have another dtype; the result has the base's",
)

# -- select --------------------------------------------------------------------------------------


def _select_rule(types: Sequence[Tensor], attrs: Attrs) -> Tensor:  # noqa: ARG001
    condition, a, b = types
    t.check_dtype(condition, bool_, "condition")
    dtype = t.check_same_dtype((a, b))
    return Tensor(dtype, t.broadcast_shapes([condition.shape, a.shape, b.shape]))


def _select(operands: Sequence[Any], attrs: Attrs) -> Any:  # noqa: ARG001
    condition, a, b = operands
    return torch.where(condition, movable(a), movable(b)).view(a.dtype)


declare(
    "select",
    Family.POINTWISE,
    ("condition", "a", "b"),
    (),
    _select_rule,
    _select,
    one_per_result,
    doc="a where the condition holds, else b",
)

# -- cast ----------------------------------------------------------------------------------------


def _cast_rule(types: Sequence[Tensor], attrs: Attrs) -> Tensor:
    return types[0].with_dtype(attrs["dtype"])


def _cast(operands: Sequence[Any], attrs: Attrs) -> Any:
    (x,) = operands
    dtype: DType = attrs["dtype"]
    target = torch_dtype(dtype)
    if x.dtype is target and dtype.bits >= 8:
        return x
    if dtype.kind == BOOL:
        return computable(x) != 0
    if x.is_complex() and dtype.kind != COMPLEX:
        x = torch.real(x)
    if attrs["saturate"]:
        x = _saturate(x, dtype)
    if x.dtype is torch.uint64:  # its bits as int64 would not do
        return x if target is torch.uint64 else back(x.to(_wide(dtype)), target)
    return back(computable(x), target)


def _wide(dtype: DType) -> Any:
    return torch.float64 if dtype.is_float else torch_dtype(dtype)


def limits(dtype: DType) -> tuple[Any, Any]:
    """The lowest and highest finite value."""
    if dtype.is_float:
        import ml_dtypes

        info = ml_dtypes.finfo(dtype.numpy)
        return float(info.min), float(info.max)
    low = -(1 << (dtype.bits - 1)) if dtype.kind == "int" else 0
    return low, low + (1 << dtype.bits) - 1


def _saturate(x: Any, dtype: DType) -> Any:
    """Values outside the range of ``dtype`` to its limits; NaN to 0 in integers."""
    if dtype.kind == COMPLEX or (dtype.is_float and dtype.bits > 8):
        return x  # infinity is a value of these
    low, high = limits(dtype)
    if dtype.is_float:
        return (x.to(torch.float64) if x.dtype is torch.uint64 else computable(x)).clamp(low, high)
    if x.is_floating_point():
        return _float_to_integer(x.to(torch.float64), dtype, low, high)
    if x.dtype is torch.uint64:
        return torch.from_numpy(np.minimum(x.numpy(), np.uint64(high)))
    return x.to(torch.int64).clamp(max(low, -(1 << 63)), min(high, (1 << 63) - 1))


def _float_to_integer(x: Any, dtype: DType, low: int, high: int) -> Any:
    """In numpy, which has uint64; 2.0**63 and 2.0**64 are floats but no 64-bit integers."""
    array = np.nan_to_num(x.numpy(), nan=0.0, posinf=np.inf, neginf=-np.inf)
    inside = np.where((array > low) & (array < float(high)), array, 0.0).astype(dtype.numpy)
    result = np.where(array >= float(high), dtype.numpy.type(high), inside)
    result = np.where(array <= low, dtype.numpy.type(low), result)
    return torch.from_numpy(np.asarray(result.astype(np.int8) if dtype.bits < 8 else result))


declare(
    "cast",
    Family.POINTWISE,
    ("x",),
    (Attribute("dtype", Kind.DTYPE), Attribute("saturate", Kind.BOOL, False)),
    _cast_rule,
    _cast,
    one_per_result,
    preserves_zero=True,
    doc="floats to integers truncate; saturate: values outside go to the nearest limit",
)

# -- bitcast -------------------------------------------------------------------------------------


def _bitcast_rule(types: Sequence[Tensor], attrs: Attrs) -> Tensor:
    source, target = types[0].dtype, attrs["dtype"]
    if source.bits != target.bits or source.bits < 8 or BOOL in (source.kind, target.kind):
        raise ValueError(f"the bits of {source} are not those of one {target}")
    return types[0].with_dtype(target)


def _bitcast(operands: Sequence[Any], attrs: Attrs) -> Any:
    return operands[0].view(torch_dtype(attrs["dtype"]))


declare(
    "bitcast",
    Family.POINTWISE,
    ("x",),
    (Attribute("dtype", Kind.DTYPE),),
    _bitcast_rule,
    _bitcast,
    one_per_result,
    preserves_zero=True,
    doc="the same bits read as another dtype of the same width",
)
