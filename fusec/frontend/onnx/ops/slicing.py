"""Windows of tensors: Slice, Split, and the arithmetic of open ranges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fusec.frontend.onnx.call import Call
from fusec.frontend.onnx.contents import Undecided, sign_of
from fusec.frontend.onnx.registry import lowers
from fusec.ir import Value
from fusec.ir.sym import Dim, ceildiv, prove_ge, prove_le, prove_lt, smax, smin


@dataclass(frozen=True)
class Cut:
    """``size`` elements ``start, start + step, ...`` of one axis; the step may be negative."""

    axis: int
    start: Dim
    size: Dim
    step: int


def cut(axis: int, extent: Dim, start: Dim, end: Dim, step: int) -> Cut:
    """numpy's ``[start:end:step]`` of an axis; raises `Undecided` when a sign is open."""
    if step > 0:
        first = _clamped(_from_end(start, extent), 0, extent)
        last = _clamped(_from_end(end, extent), 0, extent)
        return Cut(axis, first, smax(ceildiv(last - first, step), 0), step)
    first = _clamped(_from_end(start, extent), -1, extent - 1)
    last = _clamped(_from_end(end, extent), -1, extent - 1)
    return Cut(axis, first, smax(ceildiv(first - last, -step), 0), step)


def _from_end(index: Dim, extent: Dim) -> Dim:
    if isinstance(index, int):
        return index + extent if index < 0 else index
    if prove_ge(index, 0):
        return index
    if prove_lt(index, 0):
        return index + extent
    raise Undecided


def _clamped(index: Dim, low: Dim, high: Dim) -> Dim:
    if isinstance(index, int) and index >= 1 << 30:
        return high  # exporters' way of writing "to the end"
    if prove_ge(index, low) and prove_le(index, high):
        return index
    return smin(smax(index, low), high)


def applied(c: Call, x: Value, cuts: Sequence[Cut]) -> Value:
    """One slice, and one reversal where steps are negative."""
    shape = x.type.shape
    starts: list[Dim] = [0] * len(shape)
    sizes: list[Dim] = list(shape)
    steps = [1] * len(shape)
    backwards = []
    for one in cuts:
        start, step = one.start, one.step
        if step < 0:
            backwards.append(one.axis)
            start = start + (one.size - 1) * step if one.size != 0 else 0
        if one.size == 0:
            start = 0
        starts[one.axis], sizes[one.axis] = start, one.size
        steps[one.axis] = abs(step) if one.size != 1 else 1
    if any(s != 0 for s in starts) or tuple(sizes) != shape or any(s != 1 for s in steps):
        x = c.op("slice", x, starts=starts, sizes=sizes, steps=steps)
    return c.op("reverse", x, axes=tuple(sorted(backwards))) if backwards else x


def cuts_of(c: Call) -> list[Cut]:
    """What a Slice node cuts: attributes up to version 9, inputs from 10 on."""
    shape = c.shape()
    if c.has_attribute("starts"):
        starts: Sequence[Dim] = c.integers("starts")
        ends: Sequence[Dim] = c.integers("ends")
        axes = c.integers("axes", range(len(starts)))
        steps: Sequence[int] = (1,) * len(starts)
    else:
        starts, ends = c.dims(1, "starts"), c.dims(2, "ends")
        axes = c.ints_of(3, "axes") if c.has(3) else tuple(range(len(starts)))
        steps = c.ints_of(4, "steps") if c.has(4) else (1,) * len(starts)
    if not len(starts) == len(ends) == len(axes) == len(steps):
        c.invalid("starts, ends, axes and steps differ in length")
    if 0 in steps:
        c.invalid("a step is 0")
    axes = c.axes(axes, len(shape))
    rows = zip(axes, starts, ends, steps, strict=True)
    return [cut(axis, shape[axis], start, end, step) for axis, start, end, step in rows]


@lowers("Slice")
def slice_of(c: Call) -> Value:
    """Any starts, ends and steps that are known, or known in terms of dims."""
    try:
        return applied(c, c.value(0), cuts_of(c))
    except Undecided:
        c.refuse("the sign of a start or end is open")


def split_sizes(c: Call) -> tuple[int, list[Dim]]:
    """Axis and sizes: as attribute, as input, ``num_outputs``, or equal parts."""
    axis = c.axis(c.integer("axis", 0), c.rank())
    extent = c.shape()[axis]
    sizes: list[Dim]
    if c.has_attribute("split"):
        sizes = list(c.integers("split"))
    elif c.has(1):
        sizes = list(c.dims(1, "split"))
    else:
        count = c.integer("num_outputs", len(c.node.output))
        if count != len(c.node.output):
            c.invalid(f"num_outputs is {count}, but it has {len(c.node.output)} outputs")
        sizes = _equal_parts(c, extent, count)
    total: Dim = 0
    for size in sizes:
        total = total + size
    if isinstance(total, int) and isinstance(extent, int) and total != extent:
        c.invalid(f"parts {[str(s) for s in sizes]} do not add up to {extent}")
    return axis, sizes


def _equal_parts(c: Call, extent: Dim, count: int) -> list[Dim]:
    if count < 1:
        c.invalid(f"cannot split into {count} parts")
    part = ceildiv(extent, count)
    last = extent - part * (count - 1)
    if c.version < 18 and isinstance(last, int) and last != part:
        c.invalid(f"size {extent} does not split into {count} equal parts")
    return [part] * (count - 1) + [last]


@lowers("Split")
def split(c: Call) -> tuple[Value, ...]:
    """Consecutive windows of one axis."""
    axis, sizes = split_sizes(c)
    x, parts = c.value(0), []
    start: Dim = 0
    for size in sizes:
        parts.append(c.slice(x, axis, start, size))
        start = start + size
    return tuple(parts)


def range_length(c: Call, start: Dim, limit: Dim, delta: Dim) -> Dim:
    """Number of elements of a Range; refused if it depends on an open sign."""
    if delta == 0:
        c.invalid("delta is 0")
    try:
        sign = sign_of(delta)
    except Undecided:
        c.refuse("the sign of delta is open")
    span = limit - start
    return smax(ceildiv(span * sign, delta * sign), 0)


@lowers("CenterCropPad", rich=True)
def center_crop_pad(c: Call) -> Value:
    """Each axis cropped or zero-padded to its size, evenly on both sides."""
    x, target = c.value(0), c.dims(1, "shape")
    axes = c.axes(c.integers("axes", range(c.rank())), c.rank())
    cuts, padding = [], [(0, 0)] * c.rank()
    for axis, want in zip(axes, target, strict=True):
        have = c.shape()[axis]
        if not isinstance(have, int) or not isinstance(want, int):
            c.refuse("sizes are open")
        if have > want:
            cuts.append(Cut(axis, (have - want) // 2, want, 1))
        else:
            before = (want - have) // 2
            padding[axis] = (before, want - have - before)
    x = applied(c, x, cuts)
    return c.op("pad", x, padding=tuple(padding)) if any(map(any, padding)) else x
