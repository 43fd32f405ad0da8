"""Seeded parameters of ordinary size, by the role a parameter plays.

Libraries initialise networks so that they prove nothing: whole blocks start at zero, statistics at
mean 0 and variance 1, and weights of test models are often one constant. What is drawn here makes
every parameter matter. Each tensor has its own random stream, from the seed and its name, so that
its values do not depend on which other tensors a model holds.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


class Role(StrEnum):
    """What a parameter does in its layer."""

    WEIGHT = "weight"
    SCALE = "scale"
    SHIFT = "shift"
    MEAN = "mean"
    VARIANCE = "variance"


_Draw = Callable[[np.random.Generator, tuple[int, ...]], NDArray[np.float64]]

_DRAWS: Mapping[Role, _Draw] = {
    Role.WEIGHT: lambda rng, shape: rng.standard_normal(shape),
    Role.SCALE: lambda rng, shape: rng.uniform(0.5, 1.5, shape),
    Role.SHIFT: lambda rng, shape: rng.normal(0.0, 0.1, shape),
    Role.MEAN: lambda rng, shape: rng.normal(0.0, 0.1, shape),
    Role.VARIANCE: lambda rng, shape: rng.uniform(0.5, 1.5, shape),
}


@dataclass(frozen=True)
class Drawer:
    """Draws the parameters of one model from one seed.

    `gain` multiplies the weights of every layer but the last, `head` those of the last. Both are 1
    where He's rule alone keeps a network's values ordinary. It does not where the running
    statistics are drawn too: a drawn batch norm no longer normalises, so residual additions double
    the variance 16 times over in ResNet-50 (outputs near 10,000, beside which a bias of 0.1 proves
    nothing), and a saturated softmax hides errors of its logits.
    """

    seed: int
    gain: float = 1.0
    head: float = 1.0

    def draw(self, name: str, role: Role, shape: Sequence[int]) -> Array:
        """Draw one tensor that is not a weight."""
        return _DRAWS[role](self._stream(name), tuple(shape)).astype(np.float32)

    def weight(self, name: str, shape: Sequence[int], fan_in: int, *, last: bool = False) -> Array:
        """Draw the weights of a convolution or linear layer.

        They are normal with variance 2 / fan_in, which keeps the size of values through layers
        that end in ReLU (He et al., "Delving Deep into Rectifiers", 2015, eq. 10), times the gain;
        `fan_in` is the number of products summed into one output element.
        """
        values = _DRAWS[Role.WEIGHT](self._stream(name), tuple(shape))
        gain = self.head if last else self.gain
        return (values * (gain * math.sqrt(2.0 / fan_in))).astype(np.float32)

    def _stream(self, name: str) -> np.random.Generator:
        return np.random.default_rng([self.seed, zlib.crc32(name.encode())])
