"""When two tensors agree.

Floating outputs agree when their relative L2 distance is within the tolerance, no element is off by
more than ``ELEMENT`` x tolerance x RMS(reference), and NaN and infinities stand at the same places.
Integers and booleans agree when they are equal. The tolerance of an output is the larger of
``tolerance_floor`` of its dtype and ``ERROR_FACTOR`` x the reference's own error.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

ELEMENT = 50.0
ERROR_FACTOR = 4.0
_FLOOR = {"float16": 2e-3, "bfloat16": 1.6e-2}
_FLOOR_OF_FLOATS = 1e-5


@dataclass(frozen=True)
class Comparison:
    """The verdict on one output. ``rel_l2`` and ``max_abs`` are None where they have no meaning."""

    name: str
    ok: bool
    rel_l2: float | None
    max_abs: float | None
    tolerance: float
    reference: str
    reason: str = ""

    def as_json(self) -> dict[str, Any]:
        """The keys that `verify --json` promises, and ``ok`` with its reason."""
        return {
            "name": self.name,
            "rel_l2": self.rel_l2,
            "max_abs": self.max_abs,
            "tolerance": self.tolerance,
            "reference": self.reference,
            "ok": self.ok,
            **({"reason": self.reason} if self.reason else {}),
        }


def is_floating(dtype: np.dtype[Any]) -> bool:
    """Whether numbers of this numpy or ml_dtypes dtype are rounded."""
    return dtype.kind in "fc" or dtype.name in ("bfloat16",) or dtype.name.startswith("float")


def tolerance_floor(dtype: np.dtype[Any]) -> float:
    """The smallest tolerance asked of outputs of ``dtype``: relative L2; 0 for exact dtypes."""
    if not is_floating(dtype):
        return 0.0
    return _FLOOR.get(dtype.name, _FLOOR_OF_FLOATS)


def relative_l2(got: Array, want: Array) -> float:
    """``|got - want| / |want|`` over the finite elements of ``want``, in float64."""
    finite = np.isfinite(_wide(want)) & np.isfinite(_wide(got))
    difference = np.where(finite, _wide(got) - np.where(finite, _wide(want), 0), 0)
    size = float(np.linalg.norm(np.where(finite, _wide(want), 0).ravel()))
    distance = float(np.linalg.norm(difference.ravel()))
    if distance == 0.0:
        return 0.0
    return distance / size if size else math.inf


def compare_outputs(
    got: Mapping[str, Array],
    want: Mapping[str, Array],
    tolerances: Mapping[str, float],
    reference: str,
) -> tuple[Comparison, ...]:
    """One verdict for each output of ``want``, in its order."""
    return tuple(
        _compare(name, got.get(name), array, tolerances.get(name), reference)
        for name, array in want.items()
    )


def _compare(
    name: str, got: Array | None, want: Array, tolerance: float | None, reference: str
) -> Comparison:
    limit = tolerance_floor(want.dtype) if tolerance is None else tolerance
    if got is None:
        return Comparison(name, False, None, None, limit, reference, "there is no such output")
    for what, a, b in (("shape", got.shape, want.shape), ("dtype", got.dtype, want.dtype)):
        if a != b:
            reason = f"{what} is {a}, expected {b}"
            return Comparison(name, False, None, None, limit, reference, reason)
    if not is_floating(want.dtype):
        return _compare_exact(name, got, want, reference)
    return _compare_floating(name, got, want, limit, reference)


def _compare_exact(name: str, got: Array, want: Array, reference: str) -> Comparison:
    wrong = got != want
    count = int(np.count_nonzero(wrong))
    biggest = float(np.max(np.abs(_wide(got) - _wide(want)), initial=0.0))
    if not count:
        return Comparison(name, True, 0.0, biggest, 0.0, reference)
    first = np.unravel_index(int(np.argmax(wrong)), wrong.shape)
    at = ", ".join(str(int(i)) for i in first)
    reason = f"{count} of {want.size} elements differ, first at [{at}]"
    return Comparison(name, False, None, biggest, 0.0, reference, reason)


def _compare_floating(
    name: str, got: Array, want: Array, limit: float, reference: str
) -> Comparison:
    g, w = _wide(got), _wide(want)
    special = _special_reason(g, w)
    finite = np.isfinite(w) & np.isfinite(g)
    difference = np.abs(np.where(finite, g, 0) - np.where(finite, w, 0))
    biggest = float(np.max(difference, initial=0.0))
    distance = relative_l2(got, want)
    rel = distance if math.isfinite(distance) else None
    count = max(1, int(np.count_nonzero(finite)))
    rms = float(np.sqrt(np.sum(np.abs(np.where(finite, w, 0)) ** 2) / count))
    reason = special
    if not reason and distance > limit:
        reason = f"relative L2 {distance:.3g} exceeds the tolerance {limit:.3g}"
    elif not reason and biggest > ELEMENT * limit * rms:
        reason = f"one element is off by {biggest:.3g}, {biggest / rms:.3g} x RMS of the output"
    return Comparison(name, not reason, rel, biggest, limit, reference, reason)


def _special_reason(got: Array, want: Array) -> str:
    """Why NaN and infinities disagree; empty when they agree."""
    for what, test in (("NaN", np.isnan), ("infinities", np.isinf)):
        count = int(np.count_nonzero(test(got) != test(want)))
        if count:
            return f"{what} at other places in {count} of {want.size} elements"
    infinite = np.isinf(want)
    if np.any(got[infinite] != want[infinite]):
        return "infinities of the other sign"
    return ""


def _wide(array: Array) -> Array:
    """Float64 (complex128 for complex numbers), exact for all floats."""
    wide: Array = array.astype(np.complex128 if array.dtype.kind == "c" else np.float64)
    return wide
