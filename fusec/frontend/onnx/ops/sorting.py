"""Largest and smallest elements."""

from __future__ import annotations

from fusec.frontend.onnx.call import Call
from fusec.frontend.onnx.registry import lowers
from fusec.ir import Value


@lowers("TopK")
def top_k(c: Call) -> tuple[Value, ...]:
    """Values and positions; ``k`` as an attribute up to version 9, then as an input."""
    axis = c.axis(c.integer("axis", -1), c.rank())
    (k,) = c.dims(1, "k") if len(c) > 1 else (c.integer("k"),)
    extent = c.shape()[axis]
    if isinstance(k, int) and isinstance(extent, int) and not 0 <= k <= extent:
        c.invalid(f"k is {k} for an axis of size {extent}")
    return c.ops(
        "top_k",
        c.value(0),
        k=k,
        axis=axis,
        largest=c.flag("largest", True),
        sorted=c.flag("sorted", True),
    )
