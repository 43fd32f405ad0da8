"""Reductions over axes (which are dropped), and scans along one axis.

Sums and products accumulate in ``acc`` (`default_accumulator` when None) and convert to the
operand's dtype at the end. max and min propagate NaN; of bools they are any and all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fusec.ir import infer as t
from fusec.ir.declare import Compute, Rule, declare, one_per_operand
from fusec.ir.lazy import torch
from fusec.ir.op import Attribute, Attrs, Family, Kind
from fusec.ir.reference import back, highest, lowest, ordered, torch_dtype, unordered
from fusec.ir.types import COMPLEX, FLOAT, INT, DType, Tensor, dtype, f32, f64, i32, i64


def default_accumulator(operand: DType) -> DType:
    """i64 for 64-bit integers, else i32 for integers; f64 for f64, c128 for complex, else f32."""
    if operand.kind == FLOAT:
        return f64 if operand.bits == 64 else f32
    if operand.kind == COMPLEX:
        return dtype("complex128") if operand.bits == 128 else operand
    return i64 if operand.bits == 64 else i32


def accumulator(operand: DType, attrs: Mapping[str, Any]) -> DType:
    """The dtype that a contraction or reduction accumulates in."""
    acc: DType | None = attrs["acc"]
    return default_accumulator(operand) if acc is None else acc


def _sort(dtype: DType) -> str:
    return INT if dtype.is_integer else dtype.kind


def check_accumulator(operand: DType, attrs: Mapping[str, Any]) -> None:
    """``acc`` must be of the operand's sort: a float for floats, an integer for integers."""
    acc: DType | None = attrs["acc"]
    if acc is not None and _sort(acc) != _sort(operand):
        raise ValueError(f"{operand} does not accumulate in {acc}")


def _reduce_rule(accepted: frozenset[str]) -> Rule:
    def rule(types: Sequence[Tensor], attrs: Attrs) -> Tensor:
        (x,) = types
        t.check_kind(x.dtype, accepted)
        t.check_bytes(x.dtype)
        check_accumulator(x.dtype, attrs)
        axes = t.check_axes(attrs["axes"], x.rank)
        return x.with_shape(d for i, d in enumerate(x.shape) if i not in axes)

    return rule


def wrapped(x: Any, acc: DType) -> Any:
    """The operand in the accumulator's dtype; uint64 and unsigned accumulators as int64."""
    if x.dtype is torch.uint64:
        x = x.view(torch.int64)
    target = torch_dtype(acc)
    return x.to(torch.int64 if acc.kind == "uint" else target)


def _evaluate_sum(operands: Sequence[Any], attrs: Attrs) -> Any:
    (x,) = operands
    if not attrs["axes"]:
        return x
    wide = wrapped(x, _accumulator_of(x, attrs))
    return back(wide.sum(attrs["axes"], dtype=wide.dtype), x.dtype)


def _evaluate_prod(operands: Sequence[Any], attrs: Attrs) -> Any:
    (x,) = operands
    if not attrs["axes"]:
        return x
    wide = wrapped(x, _accumulator_of(x, attrs))
    for axis in reversed(attrs["axes"]):
        wide = wide.prod(axis, dtype=wide.dtype)
    return back(wide, x.dtype)


def _accumulator_of(x: Any, attrs: Attrs) -> DType:
    return accumulator(dtype(str(x.dtype).removeprefix("torch.")), attrs)


def _evaluate_extremum(name: str) -> Compute:
    identity = lowest if name == "amax" else highest

    def evaluate(operands: Sequence[Any], attrs: Attrs) -> Any:
        (x,) = operands
        axes = attrs["axes"]
        if not axes:
            return x
        wide = ordered(x)
        if any(x.shape[a] == 0 for a in axes):
            shape = [d for i, d in enumerate(x.shape) if i not in axes]
            empty = torch.full(shape, identity(wide.dtype), dtype=wide.dtype)
            return unordered(empty, x.dtype)
        return unordered(getattr(torch, name)(wide, axes), x.dtype)

    return evaluate


def _declare_reduce(name: str, accepted: frozenset[str], compute: Compute, doc: str) -> None:
    attributes = (Attribute("axes", Kind.INTS), Attribute("acc", Kind.DTYPE, None))
    rule = _reduce_rule(accepted)
    declare(name, Family.REDUCE, ("x",), attributes, rule, compute, one_per_operand, doc=doc)


_declare_reduce("reduce_sum", t.NUMBERS, _evaluate_sum, "")
_declare_reduce("reduce_prod", t.NUMBERS, _evaluate_prod, "")
_declare_reduce("reduce_max", t.ORDERED, _evaluate_extremum("amax"), "of nothing: the lowest value")
_declare_reduce(
    "reduce_min", t.ORDERED, _evaluate_extremum("amin"), "of nothing: the highest value"
)


def _arg_rule(types: Sequence[Tensor], attrs: Attrs) -> Tensor:
    (x,) = types
    t.check_kind(x.dtype, t.ORDERED)
    t.check_bytes(x.dtype)
    axis = t.check_axis(attrs["axis"], x.rank)
    if x.shape[axis] == 0:
        raise ValueError(f"axis {axis} is empty: it has no extremum")
    return Tensor(i64, x.shape[:axis] + x.shape[axis + 1 :])


def _evaluate_arg(name: str) -> Compute:
    def evaluate(operands: Sequence[Any], attrs: Attrs) -> Any:
        x, axis = ordered(operands[0]), attrs["axis"]
        if not attrs["select_last"]:
            return getattr(torch, name)(x, axis)
        return x.shape[axis] - 1 - getattr(torch, name)(x.flip(axis), axis)

    return evaluate


for _name in ("argmax", "argmin"):
    declare(
        _name,
        Family.REDUCE,
        ("x",),
        (Attribute("axis", Kind.INT), Attribute("select_last", Kind.BOOL, False)),
        _arg_rule,
        _evaluate_arg(_name),
        one_per_operand,
        doc="position along the axis of the first (or last) extremum; NaN is one",
    )


def _scan_rule(accepted: frozenset[str]) -> Rule:
    def rule(types: Sequence[Tensor], attrs: Attrs) -> Tensor:
        t.check_kind(types[0].dtype, accepted)
        t.check_bytes(types[0].dtype)
        t.check_axis(attrs["axis"], types[0].rank)
        return types[0]

    return rule


def _evaluate_scan(name: str) -> Compute:
    run: Callable[[Any, int], Any] = {
        "cumsum": lambda x, axis: torch.cumsum(x, axis, dtype=x.dtype),
        "cumprod": lambda x, axis: torch.cumprod(x, axis, dtype=x.dtype),
        "cummax": lambda x, axis: torch.cummax(x, axis).values,
        "cummin": lambda x, axis: torch.cummin(x, axis).values,
    }[name]
    identity: Callable[[Any], Any] = {
        "cumsum": lambda _: 0,
        "cumprod": lambda _: 1,
        "cummax": lowest,
        "cummin": highest,
    }[name]
    is_order = identity in (lowest, highest)

    def evaluate(operands: Sequence[Any], attrs: Attrs) -> Any:
        (x,), axis = operands, attrs["axis"]
        wide = ordered(x) if is_order else wrapped(x, _accumulator_of(x, {"acc": None}))
        if x.shape[axis] == 0:
            return x
        wide = wide.flip(axis) if attrs["reverse"] else wide
        if attrs["exclusive"]:
            first = torch.full_like(wide.narrow(axis, 0, 1), identity(wide.dtype))
            wide = torch.cat([first, wide.narrow(axis, 0, x.shape[axis] - 1)], axis)
        wide = run(wide, axis)
        wide = wide.flip(axis) if attrs["reverse"] else wide
        return unordered(wide, x.dtype) if is_order else back(wide, x.dtype)

    return evaluate


for _name in ("cumsum", "cumprod", "cummax", "cummin"):
    declare(
        _name,
        Family.SCAN,
        ("x",),
        (
            Attribute("axis", Kind.INT),
            Attribute("exclusive", Kind.BOOL, False),
            Attribute("reverse", Kind.BOOL, False),
        ),
        _scan_rule(t.NUMBERS if _name in ("cumsum", "cumprod") else t.REALS),
        _evaluate_scan(_name),
        one_per_operand,
    )
