"""Reductions: over nothing, over dims of 1, of reductions.

A sum over one element is that element: the accumulator holds every value of the operand's dtype
(checked), so the round trip changes nothing. ``sum(sum(x, a), b) == sum(x, a and b)`` where the sum
in between is not rounded to fewer bits than it is accumulated in; floats then differ only by the
order of addition, which a reduction does not promise.
"""

from __future__ import annotations

from fusec.ir.graph import Node, Value
from fusec.ir.ops_reduce import default_accumulator
from fusec.ir.types import BOOL
from fusec.passes.conditions import among
from fusec.passes.facts import holds_all
from fusec.passes.pattern import Match
from fusec.passes.rules import Equation, RuleBuilder, the_x

_REDUCES = ("reduce_sum", "reduce_prod", "reduce_max", "reduce_min")
_ORDERS = ("reduce_max", "reduce_min")


def _accumulates_all(node: Node) -> bool:
    """Whether one element comes back from the accumulator as it went in."""
    dtype = node.operands[0].type.dtype
    if node.op.name in _ORDERS or dtype.kind == BOOL:
        return True
    accumulator = node.attrs["acc"] or default_accumulator(dtype)
    wraps = dtype.is_integer and accumulator.is_integer and accumulator.bits >= dtype.bits
    return wraps or holds_all(accumulator, dtype)


def _over_nothing(match: Match) -> bool:
    return not match.root.attrs["axes"]


def _over_ones(match: Match) -> bool:
    shape, axes = match["x"].type.shape, match.root.attrs["axes"]
    return bool(axes) and all(shape[a] == 1 for a in axes) and _accumulates_all(match.root)


def _reshaped(match: Match, b: RuleBuilder) -> Value:
    return b.op("reshape", match["x"], shape=match.result.type.shape)


def _mergeable(match: Match) -> bool:
    outer, inner = match.nodes
    if outer.op.name in _ORDERS:
        return True
    dtype = match["x"].type.dtype
    same = outer.attrs["acc"] == inner.attrs["acc"]
    accumulator = outer.attrs["acc"] or default_accumulator(dtype)
    return same and (dtype.is_integer or bool(accumulator == dtype))


def _merged(match: Match, b: RuleBuilder) -> Value:
    first: tuple[int, ...] = match.inner.attrs["axes"]
    left = [a for a in range(match["x"].type.rank) if a not in first]
    axes = (*first, *[left[a] for a in match.root.attrs["axes"]])
    return b.op(
        match.root.op.name, match["x"], axes=tuple(sorted(axes)), acc=match.root.attrs["acc"]
    )


def _one_candidate(match: Match) -> bool:
    return bool(match["x"].type.shape[match.root.attrs["axis"]] == 1)


RULES = (
    Equation("f(x) => x, over no axes", _over_nothing, the_x, ops={"f": among(*_REDUCES)}),
    Equation(
        "f(x) => reshape(x), over dims of 1", _over_ones, _reshaped, ops={"f": among(*_REDUCES)}
    ),
    Equation("f(f(x)) => f(x), over both axes", _mergeable, _merged, ops={"f": among(*_REDUCES)}),
    Equation(
        "argmax|argmin(x) => 0, over a dim of 1",
        _one_candidate,
        lambda m, b: b.number(0, m.result.type),
    ),
)
