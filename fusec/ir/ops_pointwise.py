"""Pointwise ops: one result element from one element of each operand, broadcast as numpy does.

Operands share one dtype but for the exponent of ``pow`` and the condition of ``select``. Floats
below 32 bits compute as float32 and round once. Integer overflow wraps; division by an integer
zero gives 0 and never traps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fusec.ir import infer as t
from fusec.ir.declare import Compute, Rule, declare, one_per_result
from fusec.ir.lazy import torch
from fusec.ir.op import Attribute, Attrs, Family, Kind
from fusec.ir.reference import back, computable
from fusec.ir.types import Tensor, bool_

Function = Callable[..., Any]


def _rule(accepted: frozenset[str], to_bool: bool) -> Rule:
    def rule(types: Sequence[Tensor], attrs: Attrs) -> Tensor:  # noqa: ARG001
        first = types[0]
        shape = first.shape
        for other in types:
            if other.dtype is not first.dtype:
                t.check_same_dtype(types)
            if other.shape != shape:
                shape = t.broadcast_shapes([x.shape for x in types])
        if first.dtype.kind not in accepted:
            t.check_kind(first.dtype, accepted)
        if to_bool:
            return Tensor(bool_, shape)
        return first if shape is first.shape else Tensor(first.dtype, shape)

    return rule


def _compute(function: Function, unsigned: Function | None) -> Compute:
    """``unsigned``: the numpy function for uint64 where int64 of the same bits will not do."""

    def compute(operands: Sequence[Any], attrs: Attrs) -> Any:
        dtype = operands[0].dtype
        if dtype is torch.uint64 and unsigned is not None:
            result = torch.from_numpy(np.asarray(unsigned(*[x.numpy() for x in operands])))
        else:
            result = function(*map(computable, operands), **attrs)
        return result if result.dtype is torch.bool else back(result, dtype)

    return compute


def _declare(
    name: str,
    operands: tuple[str, ...],
    accepted: frozenset[str],
    function: Function,
    *,
    unsigned: Function | None = None,
    attributes: tuple[Attribute, ...] = (),
    to_bool: bool = False,
    doc: str = "",
    **traits: bool,
) -> None:
    rule, compute = _rule(accepted, to_bool), _compute(function, unsigned)
    pointwise = Family.POINTWISE
    declare(name, pointwise, operands, attributes, rule, compute, one_per_result, doc=doc, **traits)


def _unary(name: str, accepted: frozenset[str], function: Function, **more: Any) -> None:
    _declare(name, ("x",), accepted, function, **more)


def _binary(name: str, accepted: frozenset[str], function: Function, **more: Any) -> None:
    _declare(name, ("a", "b"), accepted, function, **more)


def _is_inf(x: Any, positive: bool, negative: bool) -> Any:
    if positive and negative:
        return torch.isinf(x)
    return (
        torch.isposinf(x)
        if positive
        else torch.isneginf(x)
        if negative
        else torch.zeros_like(x) > 0
    )


def _exactly(x: Any) -> bool:
    return not (x.is_floating_point() or x.is_complex())


def _safe_divisor(b: Any) -> Any:
    """Without 0 and -1: both may trap (the smallest integer has no negative)."""
    return torch.where((b == 0) | (b == -1) if b.dtype.is_signed else b == 0, torch.ones_like(b), b)


def _div(a: Any, b: Any) -> Any:
    if not _exactly(a):
        return torch.div(a, b)
    quotient = torch.div(a, _safe_divisor(b), rounding_mode="trunc")
    if b.dtype.is_signed:
        quotient = torch.where(b == -1, torch.neg(a), quotient)
    return torch.where(b == 0, torch.zeros_like(quotient), quotient)


def _remainder_by(function: Function) -> Function:
    def remainder(a: Any, b: Any) -> Any:
        if not _exactly(a):
            return function(a, b)
        return function(a, _safe_divisor(b))  # by 1, as by 0 and by -1: nothing is left

    return remainder


def _numpy_divide(ufunc: Function) -> Function:
    def divide(a: Any, b: Any) -> Any:
        result = ufunc(a, np.where(b == 0, np.ones_like(b), b))
        return np.where(b == 0, np.zeros_like(result), result)

    return divide


def _bool_safe(function: Function) -> Function:
    """Order of bools: False before True."""

    def ordered(a: Any, b: Any) -> Any:
        return (
            function(a.to(torch.uint8), b.to(torch.uint8))
            if a.dtype is torch.bool
            else function(a, b)
        )

    return ordered


_unary("neg", t.NUMBERS, lambda x: torch.neg(x))
_unary(
    "abs",
    t.REALS,
    lambda x: torch.abs(x),
    unsigned=lambda x: x,
    is_idempotent=True,
    preserves_zero=True,
)
_unary(
    "sign",
    t.REALS,
    lambda x: torch.sign(x),
    unsigned=np.sign,
    is_idempotent=True,
    preserves_zero=True,
)
for _name in ("floor", "ceil", "round"):
    _unary(
        _name,
        t.FLOATS,
        lambda x, _name=_name: getattr(torch, _name)(x),
        is_idempotent=True,
        preserves_zero=True,
        doc="half to even" if _name == "round" else "",
    )
_unary("sqrt", t.FIELDS, lambda x: torch.sqrt(x), preserves_zero=True)
_unary("rsqrt", t.FIELDS, lambda x: torch.rsqrt(x))
_unary("reciprocal", t.FIELDS, lambda x: torch.reciprocal(x))
for _name in (
    "expm1",
    "log1p",
    "erf",
    "sin",
    "tan",
    "asin",
    "atan",
    "sinh",
    "tanh",
    "asinh",
    "atanh",
):
    _accepted = t.FLOATS if _name in ("expm1", "log1p", "erf") else t.FIELDS
    _unary(
        _name,
        _accepted,
        lambda x, _name=_name: getattr(torch, _name)(x),
        preserves_zero=True,
        is_transcendental=True,
    )
for _name in ("exp", "exp2", "log", "log2", "cos", "acos", "cosh", "acosh", "sigmoid"):
    _accepted = t.FLOATS if _name in ("exp2", "log2") else t.FIELDS
    _unary(
        _name,
        _accepted,
        lambda x, _name=_name: getattr(torch, _name)(x),
        is_transcendental=True,
    )
_unary("is_nan", t.FLOATS, lambda x: torch.isnan(x), to_bool=True, preserves_zero=True)
_unary(
    "is_inf",
    t.FLOATS,
    _is_inf,
    to_bool=True,
    preserves_zero=True,
    attributes=(Attribute("positive", Kind.BOOL, True), Attribute("negative", Kind.BOOL, True)),
)
_unary("not", t.BITS, lambda x: torch.bitwise_not(x), doc="logical for bool, bitwise for integers")

_AC = {"is_commutative": True, "is_associative": True}
_binary("add", t.NUMBERS, lambda a, b: torch.add(a, b), preserves_zero=True, **_AC)
_binary("sub", t.NUMBERS, lambda a, b: torch.sub(a, b), preserves_zero=True)
_binary("mul", t.NUMBERS, lambda a, b: torch.mul(a, b), preserves_zero=True, **_AC)
_binary(
    "div",
    t.NUMBERS,
    _div,
    unsigned=_numpy_divide(np.floor_divide),
    doc="integers truncate toward zero",
)
_binary(
    "mod",
    t.REALS,
    _remainder_by(lambda a, b: torch.remainder(a, b)),
    unsigned=_numpy_divide(np.remainder),
    doc="remainder of floor division: sign of the divisor",
)
_binary(
    "rem",
    t.REALS,
    _remainder_by(lambda a, b: torch.fmod(a, b)),
    unsigned=_numpy_divide(np.remainder),
    doc="remainder of truncated division, C's fmod: sign of the dividend",
)
_EXTREMUM = {"preserves_zero": True, "doc": "NaN if an operand is NaN", **_AC}
_binary("maximum", t.REALS, lambda a, b: torch.maximum(a, b), unsigned=np.maximum, **_EXTREMUM)
_binary("minimum", t.REALS, lambda a, b: torch.minimum(a, b), unsigned=np.minimum, **_EXTREMUM)
_binary(
    "atan2", t.FLOATS, lambda a, b: torch.atan2(a, b), preserves_zero=True, is_transcendental=True
)
for _name in ("and", "or", "xor"):
    _binary(
        _name,
        t.BITS,
        lambda a, b, _name=_name: getattr(torch, f"bitwise_{_name}")(a, b),
        preserves_zero=True,
        doc="logical for bool, bitwise for integers",
        **_AC,
    )
_SHIFT = {"preserves_zero": True, "doc": "by the width or more: as if shifted one by one"}
_binary("shift_left", t.INTEGERS, lambda a, b: torch.bitwise_left_shift(a, b), **_SHIFT)
_binary(
    "shift_right",
    t.INTEGERS,
    lambda a, b: torch.bitwise_right_shift(a, b),
    unsigned=np.right_shift,
    **_SHIFT,
)
for _name in ("eq", "ne"):
    _binary(
        _name,
        t.ANY,
        lambda a, b, _name=_name: getattr(torch, _name)(a, b),
        to_bool=True,
        is_commutative=True,
        preserves_zero=_name == "ne",
    )
for _name, _ufunc in (
    ("lt", np.less),
    ("le", np.less_equal),
    ("gt", np.greater),
    ("ge", np.greater_equal),
):
    _binary(
        _name,
        t.ORDERED,
        _bool_safe(lambda a, b, _name=_name: getattr(torch, _name)(a, b)),
        unsigned=_ufunc,
        to_bool=True,
        preserves_zero=_name in ("lt", "gt"),
    )
