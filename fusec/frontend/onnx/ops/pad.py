"""Pad in every mode and version.

The modes that repeat the input gather along each axis, with an index computed from the position.
"""

from __future__ import annotations

from collections.abc import Callable

from fusec.frontend.onnx.call import Call
from fusec.frontend.onnx.registry import lowers
from fusec.ir import Value
from fusec.ir.sym import Dim, bounds, prove_ge, prove_le, smax
from fusec.ir.types import bool_, i64

Pairs = list[tuple[Dim, Dim]]


@lowers("Pad", since=2)
def pad_attributes(c: Call) -> Value:
    """Pads and value as attributes, up to version 10."""
    rank = c.rank()
    return _padded(c, _pairs(c, c.integers("pads"), range(rank)), c.real("value", 0.0))


@lowers("Pad", since=11)
def pad(c: Call) -> Value:
    """Pads, value and (from version 18) axes as inputs."""
    rank = c.rank()
    axes = c.axes(c.ints_of(3, "axes"), rank) if c.has(3) else range(rank)
    pairs = _pairs(c, c.dims(1, "pads"), axes)
    if not c.has(2):
        return _padded(c, pairs, 0)
    if c.type(2).numel != 1:
        c.invalid(f"the value must be a scalar, not {c.type(2)}")
    known = c.known(2)
    if known is not None and known.dtype != object:
        return _padded(c, pairs, known.reshape(()).item())
    return _padded(c, pairs, c.reshape(c.value(2), ()))


def _pairs(c: Call, pads: tuple[Dim, ...], axes: range | tuple[int, ...]) -> Pairs:
    if len(pads) != 2 * len(axes):
        c.invalid(f"{len(pads)} pads for {len(axes)} axes")
    pairs: Pairs = [(0, 0)] * c.rank()
    for place, axis in enumerate(axes):
        pairs[axis] = (pads[place], pads[place + len(axes)])
    return pairs


def _padded(c: Call, pairs: Pairs, value: object) -> Value:
    mode = c.text("mode", "constant")
    x = _cropped(c, c.value(0), pairs)
    grown: Pairs = [(_grown(before), _grown(after)) for before, after in pairs]
    if all(pair == (0, 0) for pair in grown):
        return x
    if mode == "constant":
        return _constant(c, x, grown, value)
    rule = _RULES.get(mode)
    if rule is None:
        c.invalid(f"mode is {mode!r}")
    for axis, (before, after) in enumerate(grown):
        if (before, after) != (0, 0):
            x = _gathered(c, x, axis, before, after, rule)
    return x


def _grown(side: Dim) -> Dim:
    return smax(side, 0)


def _cropped(c: Call, x: Value, pairs: Pairs) -> Value:
    """Negative pads remove elements."""
    for axis, (before, after) in enumerate(pairs):
        for side in (before, after):
            if not prove_ge(side, 0) and not prove_le(side, 0):
                c.refuse("the sign of a pad is open")
        low, high = smax(-before, 0), smax(-after, 0)
        if low != 0 or high != 0:
            x = c.slice(x, axis, low, x.type.shape[axis] - low - high)
    return x


def _constant(c: Call, x: Value, pairs: Pairs, value: object) -> Value:
    if not isinstance(value, Value):
        return c.op("pad", x, padding=tuple(pairs), value=value)
    # A value known at run time only: pad with zeros and select by what was inside.
    dtype = x.type.dtype
    inside = c.broadcast(c.literal(True, bool_), x.type.shape)
    mask = c.op("pad", inside, padding=tuple(pairs), value=False)
    wide = c.op("pad", x, padding=tuple(pairs), value=c.literal(0, dtype).constant.item())  # type: ignore[union-attr]
    return c.op("select", mask, wide, value)


def _gathered(c: Call, x: Value, axis: int, before: Dim, after: Dim, rule: Rule) -> Value:
    extent = x.type.shape[axis]
    if bounds(extent)[0] == 0 == extent:
        c.invalid("cannot repeat an axis of size 0")
    position = c.op("iota", shape=(before + extent + after,), axis=0, dtype=i64)
    position = c.op("sub", position, c.dim(before))
    return c.op("gather", x, rule(c, position, extent), axis=axis)


Rule = Callable[[Call, Value, Dim], Value]


def _edge(c: Call, position: Value, extent: Dim) -> Value:
    """The nearest element."""
    return c.op("minimum", c.op("maximum", position, 0), c.dim(extent - 1))


def _reflect(c: Call, position: Value, extent: Dim) -> Value:
    """Back and forth; the outermost elements are not repeated."""
    if extent == 1:
        return c.op("mul", position, 0)
    turn = c.dim(extent - 1)
    phase = c.op("mod", position, c.dim(2 * (extent - 1)))
    return c.op("sub", turn, c.op("abs", c.op("sub", phase, turn)))


def _wrap(c: Call, position: Value, extent: Dim) -> Value:
    """From the other end."""
    return c.op("mod", position, c.dim(extent))


_RULES: dict[str, Rule] = {"edge": _edge, "reflect": _reflect, "wrap": _wrap}
