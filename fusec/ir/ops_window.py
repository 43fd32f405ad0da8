"""Sliding windows over the spatial dims of x[N, C, *S].

Padding never wins a maximum and adds 0 to a sum; ceil mode is larger padding at the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fusec.ir import infer as t
from fusec.ir.declare import Compute, Rule, declare
from fusec.ir.lazy import torch
from fusec.ir.op import Attribute, Attrs, Family, Kind
from fusec.ir.ops_reduce import default_accumulator, wrapped
from fusec.ir.reference import back, flat_padding, lowest, ordered, unordered, windows
from fusec.ir.sym import Dim, product
from fusec.ir.types import DType, Tensor, dtype, i64


def _window_rule(accepted: frozenset[str], result: DType | None) -> Rule:
    def rule(types: Sequence[Tensor], attrs: Attrs) -> Tensor:
        (x,) = types
        t.check_kind(x.dtype, accepted)
        t.check_bytes(x.dtype)
        if x.rank < 3:
            raise ValueError(f"operand {x} must have rank 3 or more")
        rank = x.rank - 2
        for name in ("kernel", "strides", "dilations"):
            t.check_positive(t.check_length(attrs[name], rank, name), name)
        for pair in t.check_length(attrs["padding"], rank, "padding"):
            t.check_natural(t.check_length(pair, 2, "padding"), "padding")
        settings = zip(
            x.shape[2:],
            attrs["kernel"],
            attrs["strides"],
            attrs["padding"],
            attrs["dilations"],
            strict=True,
        )
        spatial = [t.window_extent(*setting) for setting in settings]
        return Tensor(result or x.dtype, (*x.shape[:2], *spatial))

    return rule


def _flops(types: Sequence[Tensor], results: Sequence[Tensor], attrs: Attrs) -> Dim:  # noqa: ARG001
    return results[0].numel * product(attrs["kernel"])


def _evaluate_max(operands: Sequence[Any], attrs: Attrs) -> Any:
    (x,) = operands
    wide = ordered(x)
    if x.ndim == 4 and wide.is_floating_point():
        padded = torch.nn.functional.pad(wide, flat_padding(attrs["padding"]), value=float("-inf"))
        pooled = torch.nn.functional.max_pool2d(
            padded, attrs["kernel"], attrs["strides"], 0, attrs["dilations"]
        )
        return unordered(pooled, x.dtype)
    cut = windows(wide, attrs["kernel"], attrs, lowest(wide.dtype))
    return unordered(cut.amax(tuple(range(x.ndim, cut.ndim))), x.dtype)


def _evaluate_sum(operands: Sequence[Any], attrs: Attrs) -> Any:
    (x,) = operands
    wide = wrapped(x, default_accumulator(dtype(str(x.dtype).removeprefix("torch."))))
    cut = windows(wide, attrs["kernel"], attrs, 0)
    return back(cut.sum(tuple(range(x.ndim, cut.ndim)), dtype=wide.dtype), x.dtype)


def _evaluate_argmax(operands: Sequence[Any], attrs: Attrs) -> Any:
    (x,) = operands
    wide = ordered(x)
    rank = x.ndim - 2
    cut = windows(wide, attrs["kernel"], attrs, lowest(wide.dtype)).flatten(-rank)
    inside = windows(torch.ones_like(wide, dtype=torch.uint8), attrs["kernel"], attrs, 0).flatten(
        -rank
    )
    largest = cut.amax(-1, keepdim=True)
    is_largest = (cut == largest) | (cut != cut)
    positions = torch.arange(x[0, 0].numel()).view(1, 1, *x.shape[2:])
    flat = windows(positions, attrs["kernel"], attrs, 0).flatten(-rank).expand(*cut.shape)
    first = (is_largest & (inside != 0)).to(torch.uint8).argmax(-1, keepdim=True)
    return flat.gather(-1, first).squeeze(-1)


def _declare(
    name: str, accepted: frozenset[str], result: DType | None, compute: Compute, doc: str
) -> None:
    attributes = (
        Attribute("kernel", Kind.INTS),
        Attribute("strides", Kind.INTS),
        Attribute("padding", Kind.PAIRS),
        Attribute("dilations", Kind.INTS),
    )
    rule = _window_rule(accepted, result)
    declare(name, Family.WINDOW, ("x",), attributes, rule, compute, _flops, doc=doc)


_declare("max_pool", t.REALS, None, _evaluate_max, "NaN if one is in the window")
_declare("sum_pool", t.REALS, None, _evaluate_sum, "accumulates as reduce_sum does")
_declare(
    "argmax_pool",
    t.REALS,
    i64,
    _evaluate_argmax,
    "flat index into the spatial dims of x of the first maximum",
)
