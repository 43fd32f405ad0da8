"""cast and bitcast against numpy, ml_dtypes and torch."""

from __future__ import annotations

import math

import ml_dtypes
import numpy as np
import pytest

from fusec.ir import Graph, GraphBuilder, Tensor, dtype
from tests.ir.harness import (
    FLOAT8S,
    FLOATS,
    INTEGERS,
    MOVABLE,
    Array,
    draw,
    integer_limits,
    run,
    same_bits,
    wide,
    wrap,
)

NARROW = (*FLOAT8S, "float4_e2m1fn")


def cast(x: Array, to: str, saturate: bool = False) -> Array:
    return run("cast", x, dtype=dtype(to), saturate=saturate)


@pytest.mark.parametrize("to", MOVABLE)
@pytest.mark.parametrize("kind", MOVABLE)
def test_every_pair_of_dtypes_on_small_integers(kind: str, to: str) -> None:
    values = [0, 1, 2, 4] if "e8m0" not in kind + to else [1, 2, 4, 4]
    x = np.array(values).astype(dtype(kind).numpy)
    expected = np.array(values) != 0 if "bool" in (kind, to) else np.array(values)
    assert wide(cast(x, to)).astype(complex).tolist() == expected.astype(complex).tolist()


@pytest.mark.parametrize("to", INTEGERS)
@pytest.mark.parametrize("kind", INTEGERS)
def test_integers_wrap_or_saturate(kind: str, to: str) -> None:
    x = draw(np.random.default_rng(7), kind, (50,))
    x[:2] = integer_limits(dtype(kind))
    low, high = integer_limits(dtype(to))
    same_bits(cast(x, to), wrap(wide(x), dtype(to)))
    clipped = np.array([min(max(int(v), low), high) for v in wide(x)], object)
    same_bits(cast(x, to, saturate=True), wrap(clipped, dtype(to)))


@pytest.mark.parametrize("to", INTEGERS)
@pytest.mark.parametrize("kind", FLOATS)
def test_floats_truncate_to_integers(kind: str, to: str) -> None:
    low, high = integer_limits(dtype(to))
    values = np.array([0.4, 1.5, 2.9, -0.9, -1.5, 6.99]).astype(dtype(kind).numpy)
    inside = values[(wide(values) > low - 1) & (wide(values) < high + 1)]
    assert wide(cast(inside, to)).tolist() == np.trunc(wide(inside)).astype(int).tolist()


@pytest.mark.parametrize("to", INTEGERS)
@pytest.mark.parametrize("kind", FLOATS)
def test_floats_saturate_to_integers(kind: str, to: str) -> None:
    low, high = integer_limits(dtype(to))
    x = np.array([math.inf, -math.inf, math.nan, 6.0e4, -6.0e4, 3.7, -3.7]).astype(
        dtype(kind).numpy
    )
    expected = []
    for value in wide(x):
        if math.isnan(value):
            expected.append(0)
        elif math.isinf(value):
            expected.append(high if value > 0 else low)
        else:
            expected.append(min(max(int(value), low), high))
    assert wide(cast(x, to, saturate=True)).tolist() == expected


@pytest.mark.parametrize("to", ["int64", "uint64", "int32", "uint32"])
def test_floats_saturate_at_the_limits_of_wide_integers(to: str) -> None:
    low, high = integer_limits(dtype(to))
    x = np.array([float(high), float(low), float(high) * 2, float(high) / 2], np.float64)
    below = float(np.nextafter(float(high) + 1, 0))  # the largest float under the limit
    found = wide(cast(np.append(x, below), to, saturate=True)).tolist()
    assert found == [high, low, high, int(float(high) / 2), min(int(below), high)]


@pytest.mark.parametrize("to", [*FLOATS, *FLOAT8S])
@pytest.mark.parametrize("kind", ["float32", "float16", "bfloat16"])
def test_floats_round_to_nearest_even(kind: str, to: str) -> None:
    generator = np.random.default_rng(3)
    x = generator.standard_normal(500) * np.exp2(generator.integers(-20, 20, 500))
    halfway = np.array([1 + 2.0**-8, 1 + 3 * 2.0**-8, 1 + 2.0**-11, 1 + 3 * 2.0**-11])
    special = np.array([0.0, -0.0, math.inf, -math.inf, math.nan])
    with np.errstate(all="ignore"):
        values = np.concatenate([x, halfway, special]).astype(dtype(kind).numpy)
        expected = values.astype(np.float32).astype(dtype(to).numpy)
    found = cast(values, to)
    same_bits(found, expected)
    is_number = ~np.isnan(wide(found))
    signs = [np.signbit(wide(a)[is_number]) for a in (found, expected)]
    np.testing.assert_array_equal(signs[0], signs[1])


@pytest.mark.parametrize("to", NARROW)
def test_narrow_floats_saturate(to: str) -> None:
    top = float(ml_dtypes.finfo(dtype(to).numpy).max)
    x = np.array([top, top * 100, -top * 100, math.inf, -math.inf], np.float32)
    found = wide(cast(x, to, saturate=True))
    np.testing.assert_array_equal(found, [top, top, -top, top, -top])
    if to != "float4_e2m1fn":
        assert np.isnan(wide(cast(np.array([math.nan], np.float32), to, saturate=True))).all()


def test_to_bool_is_not_equal_to_zero() -> None:
    x = np.array([0.0, -0.0, 0.1, math.nan], np.float32)
    assert cast(x, "bool").tolist() == [False, False, True, True]
    assert cast(np.array([0, 1 << 63], np.uint64), "bool").tolist() == [False, True]


def test_large_unsigned_to_float() -> None:
    x = np.array([1 << 63, (1 << 64) - 1, 3], np.uint64)
    np.testing.assert_array_equal(cast(x, "float32"), x.astype(np.float32))
    np.testing.assert_array_equal(cast(x, "float64"), x.astype(np.float64))


def test_complex_to_real_keeps_the_real_part() -> None:
    x = np.array([1.5 - 2j, -3j], np.complex64)
    np.testing.assert_array_equal(cast(x, "float32"), x.real)


@pytest.mark.parametrize(
    ("kind", "to"),
    [("float32", "int32"), ("bfloat16", "uint16"), ("float8_e5m2", "uint8"), ("uint64", "float64")],
)
def test_bitcast(kind: str, to: str) -> None:
    x = draw(np.random.default_rng(1), kind, (5, 3))
    found = run("bitcast", x, dtype=dtype(to))
    assert found.tobytes() == x.tobytes()
    same_bits(run("bitcast", found, dtype=dtype(kind)), x)


@pytest.mark.parametrize(("kind", "to"), [("f32", "i64"), ("bool", "u8"), ("i4", "u4")])
def test_bitcast_needs_the_same_width(kind: str, to: str) -> None:
    graph = Graph()
    x = graph.add_input("x", Tensor(dtype(kind), (2,)))
    with pytest.raises(ValueError, match="the bits of"):
        GraphBuilder(graph).op("bitcast", x, dtype=dtype(to))
