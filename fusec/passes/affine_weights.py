"""Contractions with constant weights, and how a scale or shift on either side enters the weights.

With output channel o, input channel i of o's group, window position k:

- after:   ``s[o] * sum_ik(w[o,i,k] * x[i]) == sum_ik((s[o] * w[o,i,k]) * x[i])``
- before:  ``sum_ik(w[o,i,k] * (s[i] * x[i])) == sum_ik((w[o,i,k] * s[i]) * x[i])``
- a shift before: ``sum_ik(w[o,i,k] * t[i])`` is added after, where every window lies inside x.

Padding is zero on both sides of the first two, so it may be any. The general form of folding a
batch norm into a convolution: Jacob et al., arXiv:1712.05877, section 3.2.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np

from fusec.ir.constant import Constant
from fusec.ir.graph import Node, Value
from fusec.passes.affine import Array

_CHUNK = 1 << 18  # bytes of weights that are scaled at a time: float64 copies stay in the cache


@dataclass(frozen=True)
class Weights(ABC):
    """The constant operand ``index`` of a contraction."""

    node: Node
    index: int

    @property
    def value(self) -> Value:
        return self.node.operands[self.index]

    @property
    def data(self) -> Value:
        """The other operand."""
        return self.node.operands[1 - self.index]

    @property
    def constant(self) -> Constant:
        constant = self.value.constant
        assert constant is not None
        return constant

    @property
    def array(self) -> Array:
        return self.constant.array

    @property
    @abstractmethod
    def after_axes(self) -> frozenset[int]:
        """Axes of the result along which a scale may vary."""

    @property
    @abstractmethod
    def before_axes(self) -> frozenset[int]:
        """Axes of the data operand along which a scale may vary."""

    @abstractmethod
    def after(self, scale: Array) -> Array:
        """A scale of the result as a factor of the weights, of their rank."""

    @abstractmethod
    def before(self, scale: Array) -> Array:
        """A scale of the data operand as a factor of the weights, of their rank."""

    @abstractmethod
    def carried(self, shift: Array) -> Array:
        """What a shift of the data operand adds to the result, in float64 and of its rank."""

    @property
    def carries_shifts(self) -> bool:
        """Whether a shift of the data operand is a shift of the result."""
        return True


@dataclass(frozen=True)
class _Convolution(Weights):
    """x[N, C, *S]: channels are axis 1 on both sides."""

    @property
    def after_axes(self) -> frozenset[int]:
        return frozenset({1})

    @property
    def before_axes(self) -> frozenset[int]:
        return frozenset({1})

    @property
    def _groups(self) -> int:
        groups: int = self.node.attrs["groups"]
        return groups

    def _leading(self, scale: Array) -> Array:
        """Along axis 0 of the weights."""
        return scale.reshape(-1, *(1,) * (self.array.ndim - 1))

    def _grouped(self, scale: Array) -> Array:
        """Along axis 1 of the weights, which lists the channels of the group that axis 0 is in."""
        ones = (1,) * (self.array.ndim - 2)
        if scale.size == 1 or self._groups == 1:
            return scale.reshape(1, -1, *ones)
        inside = scale.size // self._groups
        table = scale.reshape(self._groups, 1, inside)
        rows = self.array.shape[0]
        spread = np.broadcast_to(table, (self._groups, rows // self._groups, inside))
        return spread.reshape(rows, inside, *ones)


class ConvWeights(_Convolution):
    """w[CO, C/groups, *K]."""

    def after(self, scale: Array) -> Array:
        return self._leading(scale)

    def before(self, scale: Array) -> Array:
        return self._grouped(scale)

    @property
    def carries_shifts(self) -> bool:
        return all(side == 0 for pair in self.node.attrs["padding"] for side in pair)

    def carried(self, shift: Array) -> Array:
        window = tuple(range(2, self.array.ndim))
        sums = self.array.astype(np.float64).sum(window, keepdims=True)
        total = (sums * self._grouped(shift)).sum(1)
        return np.asarray(total.reshape(1, -1, *(1,) * len(window)))


class ConvTransposeWeights(_Convolution):
    """w[C, CO/groups, *K]. Outputs at borders and between strides are reached by fewer inputs."""

    def after(self, scale: Array) -> Array:
        return self._grouped(scale)

    def before(self, scale: Array) -> Array:
        return self._leading(scale)

    @property
    def carries_shifts(self) -> bool:
        return False

    def carried(self, shift: Array) -> Array:
        raise NotImplementedError


class MatmulWeights(Weights):
    """b[..., K, N] on the right (index 1) or a[..., M, K] on the left (index 0)."""

    @property
    def _own(self) -> int:
        """The axis of the weights, from the end, that the result has too."""
        return -1 if self.index == 1 else -2

    @property
    def after_axes(self) -> frozenset[int]:
        rank = self.node.result.type.rank
        extra = rank - self.array.ndim
        batch = [extra + i for i, d in enumerate(self.array.shape[:-2]) if d != 1]
        return frozenset({rank + self._own, *batch})

    @property
    def before_axes(self) -> frozenset[int]:
        return frozenset({self.data.type.rank + self._own})

    def after(self, scale: Array) -> Array:
        dims = (1,) * self.array.ndim + scale.shape
        return scale.reshape(dims[-self.array.ndim :])

    def before(self, scale: Array) -> Array:
        return scale.reshape((-1, 1) if self.index == 1 else (1, -1))

    def carried(self, shift: Array) -> Array:
        depth = self.array.shape[-2 if self.index == 1 else -1]
        vector = np.broadcast_to(shift.reshape(-1), (depth,))
        rows = max(1, _CHUNK * depth // max(1, self.array.nbytes))
        total: Any = 0.0
        for start in range(0, depth, rows):
            part = slice(start, start + rows)
            total = total + self._product(vector[part], part)
        return np.asarray(np.expand_dims(total, self._own - 1 if self.index == 1 else -1))

    def _product(self, vector: Array, part: slice) -> Array:
        if self.index == 1:
            return np.asarray(vector @ self.array[..., part, :].astype(np.float64))
        return np.asarray(self.array[..., :, part].astype(np.float64) @ vector)


def weights_of(node: Node) -> Weights | None:
    """The weights of a contraction with exactly one constant operand; None for other nodes."""
    if not node.op.is_contraction or len(node.operands) != 2:
        return None
    constant = [v.constant is not None for v in node.operands]
    if constant[0] == constant[1]:
        return None
    if node.op.name == "matmul":
        return MatmulWeights(node, 1 if constant[1] else 0)
    kinds = {"conv": ConvWeights, "conv_transpose": ConvTransposeWeights}
    kind = kinds.get(node.op.name)
    return kind(node, 1) if kind is not None and constant[1] else None


def scaled(weights: Array, factor: Array) -> Array | None:
    """``weights * factor``, multiplied in float64 and rounded once; None if not all is finite."""
    result = np.empty(weights.shape, weights.dtype)
    rows = max(1, _CHUNK * weights.shape[0] // max(1, weights.nbytes))
    with np.errstate(all="ignore"):
        for start in range(0, weights.shape[0], rows):
            part = slice(start, start + rows)
            by = factor if factor.shape[0] == 1 else factor[part]
            product = (weights[part].astype(np.float64) * by).astype(weights.dtype)
            if not np.all(np.isfinite(product)):
                return None
            result[part] = product
    return result
