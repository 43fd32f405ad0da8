"""Where the elements of a resized axis come from: coordinates, neighbours, weights.

Float32 arithmetic in ONNX Runtime's order of operations, so that ties fall on the same side.
Coordinates follow the standard where the two differ: extents are ``scale * size``, unrounded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

F = np.float32

COORDINATES = frozenset(
    {
        "align_corners",
        "asymmetric",
        "half_pixel",
        "half_pixel_symmetric",
        "pytorch_half_pixel",
        "tf_crop_and_resize",
        "tf_half_pixel_for_nn",
    }
)
NEAREST = frozenset({"round_prefer_floor", "round_prefer_ceil", "floor", "ceil", "simple"})


@dataclass(frozen=True)
class Resample:
    """One axis: ``size`` elements to ``out``; ``roi`` in relative coordinates."""

    size: int
    out: int
    scale: float
    coordinate: str
    roi: tuple[float, float] = (0.0, 1.0)

    def coordinates(self) -> Array:
        """Position in the input of every output element."""
        x = np.arange(self.out, dtype=F)
        scale, size = F(self.scale), F(self.size)
        extent = scale * size
        if self.coordinate == "asymmetric":
            return x / scale
        if self.coordinate == "align_corners":
            return x * (size - 1) / (extent - 1) if extent != 1 else x * 0
        if self.coordinate == "tf_crop_and_resize":
            return self._cropped(x, size, extent)
        if self.coordinate == "tf_half_pixel_for_nn":
            return (x + F(0.5)) / scale
        if self.coordinate == "pytorch_half_pixel" and extent == 1:
            return x * 0
        offset = F(0)
        if self.coordinate == "half_pixel_symmetric":
            offset = size / 2 * (1 - F(self.out) / extent)
        return offset + (x + F(0.5)) / scale - F(0.5)

    def _cropped(self, x: Array, size: np.float32, extent: np.float32) -> Array:
        start, end = F(self.roi[0]), F(self.roi[1])
        if extent == 1:
            return x * 0 + F(0.5) * (start + end) * (size - 1)
        return start * (size - 1) + x * (end - start) * (size - 1) / (extent - 1)

    def outside(self) -> Array | None:
        """Which output elements lie outside the input and take the extrapolation value."""
        if self.coordinate != "tf_crop_and_resize":
            return None
        x = self.coordinates()
        outside: Array = (x < 0) | (x > self.size - 1)
        return outside if outside.any() else None

    def nearest(self, mode: str) -> Array:
        """The index of the one element that each output element copies."""
        x = self.coordinates()
        if mode == "simple":  # before version 11
            mode = "ceil" if self.scale < 1 else "floor"
        if mode == "floor":
            index = np.floor(x)
        elif mode == "ceil":
            index = np.ceil(x)
        elif mode == "round_prefer_ceil":
            index = np.floor(x + F(0.5))
        else:
            index = np.ceil(x - F(0.5))
        return np.clip(index, 0, self.size - 1).astype(np.int64)

    def weights(self, mode: str, *, a: float, antialias: bool, exclude_outside: bool) -> Weighted:
        """Neighbours and weights of linear or cubic interpolation."""
        x = self.coordinates().astype(np.float64)
        stretch = min(self.scale, 1.0) if antialias else 1.0
        reach = (1 if mode == "linear" else 2) / stretch
        first = np.floor(x - reach).astype(np.int64) + 1
        count = int(np.ceil(2 * reach)) + (1 if antialias else 0)
        index = first[:, None] + np.arange(count)
        distance = np.abs(index - x[:, None]) * stretch
        weight = _tent(distance) if mode == "linear" else _cubic(distance, a)
        if exclude_outside:
            weight = np.where((index < 0) | (index >= self.size), 0.0, weight)
        if exclude_outside or antialias:
            weight = weight / weight.sum(axis=1, keepdims=True)
        return Weighted(np.clip(index, 0, self.size - 1), weight)


@dataclass(frozen=True)
class Weighted:
    """``index[out, n]`` and ``weight[out, n]``: what each output element is the sum of."""

    index: Array
    weight: Array

    def matrix(self, size: int) -> Array:
        """The same as a dense ``[size, out]`` matrix."""
        out = len(self.index)
        dense = np.zeros((size, out))
        columns = np.broadcast_to(np.arange(out)[:, None], self.index.shape)
        np.add.at(dense, (self.index, columns), self.weight)
        return dense


def _tent(distance: Array) -> Array:
    return np.asarray(np.clip(1 - distance, 0, 1))


def _cubic(d: Array, a: float) -> Array:
    """Keys' cubic convolution, with the parameter that the standard calls cubic_coeff_a."""
    near: Array = ((a + 2) * d - (a + 3)) * d * d + 1
    far = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
    return np.asarray(np.where(d <= 1, near, np.where(d < 2, far, 0.0)))
