"""Affine steps with constant operands, and what a chain of them does: ``y = scale * x + shift``.

Composition, in float64: ``s2 * (s1 * x + t1) + t2 == (s2 * s1) * x + (s2 * t1 + t2)``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import numpy as np

from fusec.ir.graph import Node, Value

Array = np.ndarray[Any, Any]
ZERO, ONE = np.float64(0.0), np.float64(1.0)

# op -> (scale, shift) from the constant operand c and whether the value stands on its left
_STEPS: dict[str, Callable[[Any, bool], tuple[Any, Any] | None]] = {
    "add": lambda c, left: (ONE, c),  # noqa: ARG005
    "sub": lambda c, left: (ONE, -c) if left else (-ONE, c),
    "mul": lambda c, left: (c, ZERO),  # noqa: ARG005
    "div": lambda c, left: (ONE / c, ZERO) if left else None,
}
_SHIFTS = frozenset({"add", "sub"})


@dataclass(frozen=True)
class Step:
    """One affine node. ``constant``: its other operand (None for ``neg``), right if ``left``."""

    node: Node
    constant: Value | None
    left: bool

    @property
    def value(self) -> Value:
        """What the step is applied to."""
        return self.node.operands[0 if self.left else 1]

    @property
    def is_shift(self) -> bool:
        """Whether it adds a constant, and no more."""
        return self.node.op.name in _SHIFTS and (self.left or self.node.op.name == "add")

    @property
    def adds(self) -> bool:
        """Whether it adds a constant, among other things."""
        return self.node.op.name in _SHIFTS

    def varies_along(self) -> frozenset[int]:
        """The axes of the value along which the constant has more than one element."""
        if self.constant is None:
            return frozenset()
        shape = self.constant.type.shape
        extra = self.value.type.rank - len(shape)
        return frozenset(extra + i for i, d in enumerate(shape) if d != 1)

    def scale_and_shift(self) -> tuple[Any, Any]:
        """In float64, each a number or an array of the value's rank."""
        if self.constant is None:
            return -ONE, ZERO
        data = self.constant.constant
        assert data is not None
        shape = (1,) * (self.value.type.rank - data.array.ndim) + data.array.shape
        with np.errstate(all="ignore"):
            wide = data.array.astype(np.float64).reshape(shape)
            found = _STEPS[self.node.op.name](wide, self.left)
        assert found is not None
        return found


def step_of(node: Node) -> Step | None:
    """The affine step that a node is, if one operand is constant and the result keeps the type."""
    if node.op.name == "neg":
        return Step(node, None, True)
    if node.op.name not in _STEPS:
        return None
    sources = [_behind_broadcast(v) for v in node.operands]
    constant = [v.constant is not None for v in sources]
    if constant[0] == constant[1]:
        return None
    left = constant[1]
    step = Step(node, sources[1 if left else 0], left)
    if step.value.type != node.result.type or (node.op.name == "div" and not left):
        return None
    return step


def _behind_broadcast(value: Value) -> Value:
    while value.node is not None and value.node.op.name == "broadcast":
        value = value.node.operands[0]
    return value


@dataclass(frozen=True)
class Affine:
    """``scale * x + shift``: float64 numbers, or arrays of the rank of x with dims of 1."""

    scale: Any = ONE
    shift: Any = ZERO

    def then(self, step: Step) -> Affine:
        """This, and a step applied to its result."""
        scale, shift = step.scale_and_shift()
        with np.errstate(all="ignore"):
            return Affine(scale * self.scale, scale * self.shift + shift)

    @property
    def is_finite(self) -> bool:
        return bool(np.all(np.isfinite(self.scale)) and np.all(np.isfinite(self.shift)))

    @property
    def scales(self) -> bool:
        """Whether the scale is not 1 everywhere."""
        return bool(np.any(self.scale != 1.0))

    @property
    def shifts(self) -> bool:
        return bool(np.any(self.shift != 0.0))


def composed(steps: Collection[Step]) -> Affine:
    """What a chain of steps does, the first applied first."""
    total = Affine()
    for step in steps:
        total = total.then(step)
    return total
