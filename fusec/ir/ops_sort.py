"""Sorting and top-k: two results, values and their i64 positions along the axis.

NaN is above every number. Equal elements keep their order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fusec.ir import infer as t
from fusec.ir.lazy import torch
from fusec.ir.op import Attribute, Attrs, Bodies, Family, Kind, Op, register
from fusec.ir.reference import ordered, unordered
from fusec.ir.sym import Dim, prove_le
from fusec.ir.types import Tensor, i64

if TYPE_CHECKING:
    from fusec.ir.graph import Graph


def _infer_sort(
    types: Sequence[Tensor],
    attrs: Attrs,
    graphs: Sequence[Graph],  # noqa: ARG001
) -> tuple[Tensor, ...]:
    (x,) = types
    t.check_kind(x.dtype, t.ORDERED)
    t.check_axis(attrs["axis"], x.rank)
    return x, x.with_dtype(i64)


def _sorted(x: Any, axis: int, descending: bool) -> tuple[Any, Any]:
    values, positions = torch.sort(ordered(x), dim=axis, descending=descending, stable=True)
    return unordered(values, x.dtype), positions


def _evaluate_sort(operands: Sequence[Any], attrs: Attrs, graphs: Bodies) -> tuple[Any, ...]:  # noqa: ARG001
    return _sorted(operands[0], attrs["axis"], attrs["descending"])


def _infer_top_k(
    types: Sequence[Tensor],
    attrs: Attrs,
    graphs: Sequence[Graph],  # noqa: ARG001
) -> tuple[Tensor, ...]:
    (x,) = types
    t.check_kind(x.dtype, t.ORDERED)
    axis, k = t.check_axis(attrs["axis"], x.rank), attrs["k"]
    t.check_natural([k], "k")
    if not prove_le(k, x.shape[axis]):
        raise ValueError(f"k {k} may be larger than dim {x.shape[axis]}")
    result = x.with_shape((*x.shape[:axis], k, *x.shape[axis + 1 :]))
    return result, result.with_dtype(i64)


def _evaluate_top_k(operands: Sequence[Any], attrs: Attrs, graphs: Bodies) -> tuple[Any, ...]:  # noqa: ARG001
    values, positions = _sorted(operands[0], attrs["axis"], attrs["largest"])
    axis, k = attrs["axis"], attrs["k"]
    return values.narrow(axis, 0, k), positions.narrow(axis, 0, k)


def _sort_flops(types: Sequence[Tensor], results: Sequence[Tensor], attrs: Attrs) -> Dim:  # noqa: ARG001
    """Comparisons of a merge sort: n log2 n for each row."""
    extent = types[0].shape[attrs["axis"]]
    return types[0].numel * (max(extent, 2).bit_length() - 1 if isinstance(extent, int) else 16)


register(
    Op(
        "sort",
        Family.SORT,
        ("x",),
        (
            Attribute("axis", Kind.INT),
            Attribute("descending", Kind.BOOL, False),
            Attribute("stable", Kind.BOOL, True),
        ),
        _infer_sort,
        _evaluate_sort,
        _sort_flops,
        doc="values in order and where they stood; without stable, equal ones in any order",
    )
)
register(
    Op(
        "top_k",
        Family.SORT,
        ("x",),
        (
            Attribute("k", Kind.DIM),
            Attribute("axis", Kind.INT),
            Attribute("largest", Kind.BOOL, True),
            Attribute("sorted", Kind.BOOL, True),
        ),
        _infer_top_k,
        _evaluate_top_k,
        _sort_flops,
        doc="the k largest or smallest; of equal ones the first; without sorted, in any order",
    )
)
