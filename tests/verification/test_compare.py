from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from numpy.typing import NDArray

from fusec.verification import compare_outputs, tolerance_floor
from fusec.verification.compare import Comparison

Array = NDArray[np.generic]


def one(got: Array, want: Array, tolerance: float | None = None) -> Comparison:
    tolerances = {} if tolerance is None else {"y": tolerance}
    (verdict,) = compare_outputs({"y": got}, {"y": want}, tolerances, "tool 1")
    return verdict


def test_floor_by_dtype() -> None:
    floors = {n: tolerance_floor(np.dtype(n)) for n in ("float32", "float64", "float16", "int32")}
    assert floors == {"float32": 1e-5, "float64": 1e-5, "float16": 2e-3, "int32": 0.0}
    assert tolerance_floor(np.dtype(ml_dtypes.bfloat16)) == 1.6e-2
    assert tolerance_floor(np.dtype(bool)) == 0.0


def test_relative_l2_is_the_definition(rng: np.random.Generator) -> None:
    want = rng.standard_normal((7, 5)).astype(np.float32)
    got = (want * np.float32(1 + 3e-6)).astype(np.float32)
    verdict = one(got, want)
    assert verdict.ok
    wide = want.astype(np.float64)
    expected = np.linalg.norm(got.astype(np.float64) - wide) / np.linalg.norm(wide)
    assert verdict.rel_l2 == pytest.approx(expected, rel=1e-12)
    assert not one(want * np.float32(1.001), want).ok
    assert one(want * np.float32(1.001), want, 1e-2).ok


def test_one_wild_element_fails(rng: np.random.Generator) -> None:
    want = rng.standard_normal(1_000_000).astype(np.float32)
    got = want.copy()
    got[123] += 6e-3  # relative L2 6e-6 is within 1e-5; 6e-3 is more than 50 * 1e-5 * RMS
    verdict = one(got, want)
    assert verdict.rel_l2 is not None and verdict.rel_l2 < 1e-5
    assert not verdict.ok and "one element" in verdict.reason


@pytest.mark.parametrize(
    ("got", "want", "ok"),
    [
        ([1.0, np.nan], [1.0, np.nan], True),
        ([1.0, np.nan], [1.0, 2.0], False),
        ([1.0, 2.0], [1.0, np.nan], False),
        ([1.0, np.inf], [1.0, np.inf], True),
        ([1.0, -np.inf], [1.0, np.inf], False),
        ([1.0, 3.0e38], [1.0, np.inf], False),
        ([0.0, 0.0], [0.0, 0.0], True),
        ([0.0, 1e-30], [0.0, 0.0], False),
        ([], [], True),
    ],
)
def test_special_values(got: list[float], want: list[float], ok: bool) -> None:
    assert one(np.array(got, np.float32), np.array(want, np.float32)).ok is ok


def test_integers_and_booleans_are_exact() -> None:
    a = np.array([[1, 2], [3, 4]])
    assert one(a, a.copy()).ok
    verdict = one(np.array([[1, 2], [5, 4]]), a)
    assert not verdict.ok and "1 of 4" in verdict.reason and "[1, 0]" in verdict.reason
    assert verdict.max_abs == 2
    assert not one(np.array([True, False]), np.array([True, True])).ok


def test_wrong_shape_dtype_and_missing() -> None:
    a = np.zeros((2, 3), np.float32)
    assert "shape" in one(a.T, a).reason
    assert "dtype" in one(a.astype(np.float64), a).reason
    (missing,) = compare_outputs({}, {"y": a}, {}, "tool 1")
    assert not missing.ok and missing.rel_l2 is None


def test_a_zero_reference_allows_nothing_else() -> None:
    zero = np.zeros(3, np.float32)
    verdict = one(zero + np.float32(1e-9), zero)
    assert not verdict.ok
    assert verdict.rel_l2 is None  # infinite: JSON has no number for it


def test_bfloat16(rng: np.random.Generator) -> None:
    want = rng.standard_normal(100).astype(ml_dtypes.bfloat16)
    got = (want.astype(np.float32) * 1.01).astype(ml_dtypes.bfloat16)
    assert one(got, want).ok
