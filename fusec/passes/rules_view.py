"""Views: reshape, transpose, broadcast, slice, reverse, pad, concat.

All move elements and compute nothing, so every equation is exact. A view that only renames dims of
extent 1 is a reshape; pointwise ops broadcast by themselves.
"""

from __future__ import annotations

from collections.abc import Sequence

from fusec.ir.graph import Node, Value
from fusec.ir.infer import broadcast_shapes, same_shape
from fusec.ir.op import Op
from fusec.ir.sym import Dim
from fusec.passes.pattern import Match
from fusec.passes.rules import Equation, RuleBuilder, the_x


def _same_shape(match: Match) -> bool:
    return bool(match["x"].type.shape == match.result.type.shape)


def _reshaped(match: Match, b: RuleBuilder) -> Value:
    return b.op("reshape", match["x"], shape=match.result.type.shape)


# -- reshape, transpose ----------------------------------------------------------------------------


def _is_identity(match: Match) -> bool:
    perm: tuple[int, ...] = match.root.attrs["perm"]
    return perm == tuple(range(len(perm)))


def _composed(match: Match, b: RuleBuilder) -> Value:
    """transpose(transpose(x, p), q): axis i of the result is axis p[q[i]] of x."""
    inner = match.inner.attrs["perm"]
    return b.op("transpose", match["x"], perm=tuple([inner[i] for i in match.root.attrs["perm"]]))


def _moves_ones_only(match: Match) -> bool:
    shape = match["x"].type.shape
    moved = [axis for axis in match.root.attrs["perm"] if shape[axis] != 1]
    return moved == sorted(moved)


# -- broadcast -------------------------------------------------------------------------------------


def _adds_ones_only(match: Match) -> bool:
    x, shape = match["x"].type.shape, match.result.type.shape
    extra = len(shape) - len(x)
    return extra > 0 and all(d == 1 for d in shape[:extra]) and same_shape(x, shape[extra:])


def _is_pointwise(op: Op) -> bool:
    return op.is_pointwise


def _is_unary(op: Op) -> bool:
    return op.is_pointwise and op.operands == ("x",)


def _implicit(match: Match) -> tuple[Value, ...] | None:
    """The operands without the broadcasts that the op does by itself; None if there are none."""
    operands = match.rest
    bare = tuple([_source(v) for v in operands])
    if bare == operands:
        return None
    try:
        shape = broadcast_shapes([v.type.shape for v in bare])
    except ValueError:
        return None
    return bare if shape == match.result.type.shape else None


def _source(value: Value) -> Value:
    node = value.node
    return node.operands[0] if node is not None and node.op.name == "broadcast" else value


def _can_be_implicit(match: Match) -> bool:
    return len(match.rest) > 1 and _implicit(match) is not None


def _without_broadcasts(match: Match, b: RuleBuilder) -> Value:
    bare = _implicit(match)
    assert bare is not None
    return b.op(match.root.op.name, *bare, **match.root.attrs)


def _applied_before(match: Match, b: RuleBuilder) -> Value:
    small = b.op(match.root.op.name, match["x"], **match.root.attrs)
    return b.op("broadcast", small, shape=match.result.type.shape)


def _moves_elements(op: Op) -> bool:
    return op.is_view and op.operands == ("x",) and op.name not in ("pad", "broadcast")


def _is_scalar(match: Match) -> bool:
    return not match["x"].type.shape


def _filled(match: Match, b: RuleBuilder) -> Value:
    return b.op("broadcast", match["x"], shape=match.result.type.shape)


# -- slice, reverse, pad ---------------------------------------------------------------------------


def _composed_slice(match: Match, b: RuleBuilder) -> Value:
    """Element i of slice(slice(x, s, k), t, l) is element s + (t + i*l)*k of x."""
    inner, outer = match.inner.attrs, match.root.attrs
    axes = range(len(outer["starts"]))
    starts = [inner["starts"][i] + outer["starts"][i] * inner["steps"][i] for i in axes]
    steps = [inner["steps"][i] * outer["steps"][i] for i in axes]
    sizes = outer["sizes"]
    return b.op("slice", match["x"], starts=tuple(starts), sizes=sizes, steps=tuple(steps))


def _one_elements(match: Match) -> bool:
    shape = match["x"].type.shape
    return any(shape[axis] == 1 for axis in match.root.attrs["axes"])


def _fewer_axes(match: Match, b: RuleBuilder) -> Value:
    shape = match["x"].type.shape
    axes = tuple([a for a in match.root.attrs["axes"] if shape[a] != 1])
    return b.op("reverse", match["x"], axes=axes) if axes else match["x"]


def _reversed_once(match: Match, b: RuleBuilder) -> Value:
    axes = set(match.root.attrs["axes"]) ^ set(match.inner.attrs["axes"])
    return b.op("reverse", match["x"], axes=tuple(sorted(axes))) if axes else match["x"]


def _no_axes(match: Match) -> bool:
    return not match.root.attrs["axes"]


def _same_value(match: Match) -> bool:
    first, second = match.inner.attrs["value"], match.root.attrs["value"]
    return repr(first) == repr(second)  # tells -0.0 from 0.0, and NaN is NaN


def _padded_once(match: Match, b: RuleBuilder) -> Value:
    pairs = zip(match.inner.attrs["padding"], match.root.attrs["padding"], strict=True)
    padding = tuple([(p[0] + q[0], p[1] + q[1]) for p, q in pairs])
    return b.op("pad", match["x"], padding=padding, value=match.root.attrs["value"])


# -- concat ----------------------------------------------------------------------------------------


def _parts(node: Node) -> Sequence[Value]:
    """The operands of a concat, with those of a concat along the same axis in its place."""
    parts: list[Value] = []
    for value in node.operands:
        inner = value.node
        if inner is not None and value.has_one_use and _is_concat(inner, node.attrs["axis"]):
            parts += inner.operands
        else:
            parts.append(value)
    return parts


def _is_concat(node: Node, axis: int) -> bool:
    return node.op.name == "concat" and node.attrs["axis"] == axis


def _is_nested(match: Match) -> bool:
    return len(_parts(match.root)) > len(match.rest)


def _flattened(match: Match, b: RuleBuilder) -> Value:
    return b.op("concat", *_parts(match.root), axis=match.root.attrs["axis"])


def _has_empty(match: Match) -> bool:
    axis = match.root.attrs["axis"]
    empty = [v.type.shape[axis] == 0 for v in match.rest]
    return any(empty) and not all(empty)


def _without_empty(match: Match, b: RuleBuilder) -> Value:
    axis = match.root.attrs["axis"]
    return b.op("concat", *[v for v in match.rest if v.type.shape[axis] != 0], axis=axis)


def _part_of(match: Match) -> tuple[Value, Dim] | None:
    """The one operand of a concat that a slice of it reads, and where that operand starts."""
    axis = match.inner.attrs["axis"]
    start, size = match.root.attrs["starts"][axis], match.root.attrs["sizes"][axis]
    step = match.root.attrs["steps"][axis]
    if not isinstance(start, int) or not isinstance(size, int) or size == 0:
        return None
    offset: int = 0
    for part in match.rest:
        extent = part.type.shape[axis]
        if not isinstance(extent, int):
            return None
        if offset <= start < offset + extent:
            inside = start + (size - 1) * step < offset + extent
            return (part, offset) if inside else None
        offset += extent
    return None


def _reads_one_part(match: Match) -> bool:
    return _part_of(match) is not None


def _slice_of_part(match: Match, b: RuleBuilder) -> Value:
    found = _part_of(match)
    assert found is not None
    part, offset = found
    axis, attrs = match.inner.attrs["axis"], match.root.attrs
    starts = tuple([s - offset if i == axis else s for i, s in enumerate(attrs["starts"])])
    return b.op("slice", part, starts=starts, sizes=attrs["sizes"], steps=attrs["steps"])


def _repeats_nothing(match: Match) -> bool:
    """Steps other than 1 along an axis of at most one element say nothing."""
    pairs = zip(match.root.attrs["sizes"], match.root.attrs["steps"], strict=True)
    return any(size in (0, 1) and step != 1 for size, step in pairs)


def _unit_steps(match: Match, b: RuleBuilder) -> Value:
    attrs = match.root.attrs
    pairs = zip(attrs["sizes"], attrs["steps"], strict=True)
    steps = tuple([1 if size in (0, 1) else step for size, step in pairs])
    return b.op("slice", match["x"], starts=attrs["starts"], sizes=attrs["sizes"], steps=steps)


def _is_full(match: Match) -> bool:
    return bool(match["x"].type.shape == match.root.attrs["sizes"])


RULES = (
    Equation("reshape(x) => x, of its own shape", _same_shape, the_x),
    Equation("reshape(reshape(x)) => reshape(x)", shared=True),
    Equation("transpose(x) => x, axes in order", _is_identity, the_x),
    Equation("transpose(transpose(x)) => transpose(x)", None, _composed, shared=True),
    Equation("transpose(x) => reshape(x), only dims of 1 move", _moves_ones_only, _reshaped),
    Equation("broadcast(x) => x, of its own shape", _same_shape, the_x),
    Equation("broadcast(broadcast(x)) => broadcast(x)", shared=True),
    Equation("broadcast(x) => reshape(x), only dims of 1 are new", _adds_ones_only, _reshaped),
    Equation(
        "f(broadcast(x), y) => f(x, y)",
        _can_be_implicit,
        _without_broadcasts,
        ops={"f": _is_pointwise},
        left="f(*xs)",
    ),
    Equation("f(broadcast(x)) => broadcast(f(x))", None, _applied_before, ops={"f": _is_unary}),
    Equation(
        "f(broadcast(x)) => broadcast(x), x a scalar",
        _is_scalar,
        _filled,
        ops={"f": _moves_elements},
        shared=True,
    ),
    Equation("slice(x) => x, all of it", _is_full, the_x),
    Equation("slice(slice(x)) => slice(x)", None, _composed_slice, shared=True),
    Equation("slice(x) => slice(x), steps over one element are 1", _repeats_nothing, _unit_steps),
    Equation(
        "slice(concat(*xs)) => slice(x), of the one operand read",
        _reads_one_part,
        _slice_of_part,
        shared=True,
    ),
    Equation("reverse(x) => x, no axes", _no_axes, the_x),
    Equation("reverse(x) => reverse(x), but dims of 1", _one_elements, _fewer_axes),
    Equation("reverse(reverse(x)) => reverse(x)", None, _reversed_once, shared=True),
    Equation("pad(x) => x, by nothing", _same_shape, the_x),
    Equation("pad(pad(x)) => pad(x), of one value", _same_value, _padded_once),
    Equation("concat(x) => x", None, the_x),
    Equation(
        "concat(concat(x, y), z) => concat(x, y, z)", _is_nested, _flattened, left="concat(*xs)"
    ),
    Equation("concat(x, empty) => concat(x)", _has_empty, _without_empty, left="concat(*xs)"),
)
