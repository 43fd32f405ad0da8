"""``fold-affine-into-contraction``: per-channel scales and shifts go into constant weights."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import numpy as np

from fusec.ir.constant import Constant
from fusec.ir.graph import Graph, Node, Value
from fusec.ir.op import all_ops
from fusec.passes.affine import Affine, Array, Step, composed, step_of
from fusec.passes.affine_weights import Weights, scaled, weights_of
from fusec.passes.base import Context, Pass
from fusec.passes.changes import origins_of
from fusec.passes.pattern import Match, uniform
from fusec.passes.rewrite import apply_rules
from fusec.passes.rules import Rule, RuleBuilder, RuleSet, Verdict
from fusec.tile.program import Refusal

BUDGET = 1 << 16  # bytes of weights that may be copied because something else reads them too


@dataclass(frozen=True)
class FoldAffineIntoContraction(Pass):
    """Fold scales and shifts by constants, next to a contraction with constant weights, into it.

    1. After: ``f(x, w) * s + t`` becomes ``f(x, w * s) + t``, for any chain of additions,
       subtractions, multiplications, negations and divisions by constants that vary along output
       channels only. Batch normalisation is one instance. The chain's shifts become a single
       addition.
    2. Before: ``f(x * s + t, w)`` becomes ``f(x, w * s) + f(t, w)``, for constants that vary along
       input channels only; with a shift only where the contraction does not pad.
    3. ``f`` is conv (groups and depthwise too), conv_transpose (no shift before) or matmul with
       either operand constant, in one float dtype. The chain is composed and the weights are
       multiplied in float64, and rounded once.
    4. Values in between have no other use and are no outputs. Weights that something else reads are
       copied if they take at most ``budget`` bytes.
    5. Folds that would make a weight infinite or NaN are refused. Near misses are remarks:
       `not-per-channel`, `other-uses`, `padding`, `shift-before`, `not-finite`, `not-float`.
    """

    name: ClassVar[str] = "fold-affine-into-contraction"
    budget: int = BUDGET

    def run(self, graph: Graph, context: Context) -> bool:
        return apply_rules(graph, affine_rules(self.budget), context)


@cache
def affine_rules(budget: int) -> RuleSet:
    """The rules of the pass."""
    return RuleSet([AffineAfter(budget), AffineBefore(budget)])


@dataclass
class _Fold:
    """What a match found. ``steps``: the chain, the first applied first. ``stop``: why it ends."""

    weights: Weights
    steps: list[Step]
    stop: Refusal | None
    source: Value  # what the contraction reads afterwards
    scaled: Array | None = None  # None: the weights stay
    shift: Array | None = None  # None: nothing to add


class _AffineRule(Rule):
    """What both sides share."""

    def __init__(self, budget: int) -> None:
        self.budget = budget

    @property
    def roots(self) -> frozenset[str]:
        return frozenset(op.name for op in all_ops() if op.is_contraction)

    @abstractmethod
    def transfer(self, weights: Weights, affine: Affine) -> tuple[Array, Array]:
        """The factor of the weights and what is added to the result."""

    def check(self, match: Match) -> Verdict:
        fold: _Fold = match.data
        if not fold.steps:
            return fold.stop or False
        return _may_scale(fold.weights, self.budget) or self._compute(fold)

    def _compute(self, fold: _Fold) -> Verdict:
        """Compute the new weights and the new shift; refuse what is not finite."""
        affine = composed(fold.steps)
        refusal = Refusal("not-finite", f"%{fold.weights.value.name} would not be finite")
        if not affine.is_finite:
            return refusal
        factor, shift = self.transfer(fold.weights, affine)
        if affine.scales:
            fold.scaled = scaled(fold.weights.array, factor)
            if fold.scaled is None:
                return refusal
        if np.any(shift != 0.0):
            with np.errstate(all="ignore"):
                fold.shift = np.asarray(shift).astype(fold.weights.array.dtype)
            if not np.all(np.isfinite(fold.shift)):
                return refusal
        return True

    def rewrite(self, match: Match, b: RuleBuilder) -> Value:
        fold: _Fold = match.data
        root, weights = match.root, fold.weights
        value = root.result
        if fold.scaled is not None or fold.source is not weights.data:
            operands = list(root.operands)
            operands[1 - weights.index] = fold.source
            operands[weights.index] = _new_weights(match, b)
            value = b.op(root.op.name, *operands, **root.attrs)
            _inherit(value, match)
        if fold.shift is None:
            return value
        return b.op("add", value, _shift_constant(fold.shift, root, b))


class AffineAfter(_AffineRule):
    """Scales and shifts of the result."""

    name = "f(x, w) * s + t => f(x, w * s) + t"

    def match(self, node: Node) -> Match | None:
        weights = weights_of(node)
        if weights is None:
            return None
        steps, stop = _chain_after(weights)
        if all(s.is_shift for s in steps) and len(steps) < 2:
            steps = []
        fold = _Fold(weights, steps, stop, weights.data)
        return _match(fold, ([node, *[s.node for s in steps]])[-1].results)

    def transfer(self, weights: Weights, affine: Affine) -> tuple[Array, Array]:
        return weights.after(affine.scale), affine.shift


class AffineBefore(_AffineRule):
    """Scales and shifts of the data operand."""

    name = "f(x * s + t, w) => f(x, w * s) + f(t, w)"

    def match(self, node: Node) -> Match | None:
        weights = weights_of(node)
        if weights is None:
            return None
        steps, stop = _chain_before(weights)
        if all(s.is_shift for s in steps):
            steps = []  # nothing would be gained: an addition before for one after
        source = steps[0].value if steps else weights.data
        return _match(_Fold(weights, steps, stop, source), node.results)

    def transfer(self, weights: Weights, affine: Affine) -> tuple[Array, Array]:
        added = weights.carried(affine.shift) if affine.shifts else np.zeros(())
        return weights.before(affine.scale), added


def _match(fold: _Fold, replaced: tuple[Value, ...]) -> Match | None:
    if not fold.steps and fold.stop is None:
        return None
    nodes = [fold.weights.node, *[s.node for s in fold.steps]]
    return Match(nodes[0], nodes=nodes, replaced=replaced, data=fold)


def _may_scale(weights: Weights, budget: int) -> Refusal | None:
    """Why the weights may not be scaled at all."""
    node, value, size = weights.node, weights.value, weights.array.nbytes
    dtypes = {v.type.dtype for v in (*node.operands, node.result)}
    if len(dtypes) > 1 or not value.type.dtype.is_float:
        return Refusal("not-float", f"{node.op.name} of {', '.join(sorted(map(str, dtypes)))}")
    if value.use_count > 1 and size > budget:
        message = f"the weights %{value.name} are read elsewhere too, and a copy takes {size} bytes"
        return Refusal("other-uses", message, args=(("bytes", size),))
    return None


# -- chains ----------------------------------------------------------------------------------------


def _chain_after(weights: Weights) -> tuple[list[Step], Refusal | None]:
    """The affine steps that follow the contraction, and why there is not one more."""
    steps: list[Step] = []
    value = weights.node.result
    while True:
        following = [step for step in map(step_of, value.users) if step and step.value is value]
        if not following:
            return steps, None
        if not value.has_one_use:
            message = f"%{value.name} is read elsewhere too"
            return steps, None if steps else _refused(following, "other-uses", message)
        if not following[0].varies_along() <= weights.after_axes:
            message = f"{following[0].node!r} varies along more than the output channels"
            return steps, _refused(following, "not-per-channel", message)
        steps.append(following[0])
        value = following[0].node.result


def _chain_before(weights: Weights) -> tuple[list[Step], Refusal | None]:
    """The affine steps before the contraction, the first applied first, and why not one more."""
    steps: list[Step] = []
    value = weights.data
    while True:
        step = step_of(value.node) if value.node is not None else None
        if step is None:
            return steps, None
        if not value.has_one_use:
            message = f"%{value.name} is read elsewhere too"
            return steps, _refused([step], "other-uses", message)
        if not step.varies_along() <= weights.before_axes:
            message = f"{step.node!r} varies along more than the input channels"
            return steps, _refused([step], "not-per-channel", message)
        if step.adds and not weights.carries_shifts:
            return steps, _refused_shift(weights, step)
        steps.insert(0, step)
        value = step.value


def _refused(steps: Sequence[Step], code: str, message: str) -> Refusal | None:
    """A refusal, if a scale is lost; a shift alone stays an addition in any case."""
    return None if all(s.is_shift for s in steps) else Refusal(code, message)


def _refused_shift(weights: Weights, step: Step) -> Refusal | None:
    before = step_of(step.value.node) if step.value.node is not None else None
    if before is None or before.is_shift:
        return None
    if weights.node.op.name == "conv":
        return Refusal("padding", f"{step.node!r} would shift the padding too")
    return Refusal("shift-before", f"{step.node!r} does not reach every output alike")


# -- building --------------------------------------------------------------------------------------


def _new_weights(match: Match, b: RuleBuilder) -> Value:
    fold: _Fold = match.data
    old = fold.weights.value
    if fold.scaled is None:
        return old
    assert old.node is not None
    constants = [s.constant.node for s in fold.steps if s.constant is not None]
    made_of = [old.node, *match.nodes[1:], *[n for n in constants if n is not None]]
    name = (fold.weights.constant.name or old.name).removesuffix(".scaled")
    with b.at(origins=origins_of(made_of)):
        return b.weight(fold.scaled, f"{name}.scaled")


def _shift_constant(shift: Array, root: Node, b: RuleBuilder) -> Value:
    """The shift with as few dims as broadcasting needs; a scalar where all elements are equal."""
    while shift.ndim and shift.shape[0] == 1:
        shift = shift[0]
    same = uniform(Constant(shift))
    if same is not None:
        shift = np.asarray(same).astype(shift.dtype)
    return b.weight(np.ascontiguousarray(shift), f"{root.result.name}.shift")


def _inherit(value: Value, match: Match) -> None:
    """The scaled contraction is the old one: it keeps the region, and the name if that is free."""
    assert value.node is not None
    value.node.region = match.root.region
    if match.result is not match.root.result:
        value.name = match.root.result.name
