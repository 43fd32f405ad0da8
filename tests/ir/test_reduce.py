"""Reductions and scans against numpy in float64 or Python integers."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from fusec.ir import Graph, GraphBuilder, Tensor, dtype, f32, i32, i64
from fusec.ir.ops_reduce import default_accumulator
from tests.ir.harness import FLOAT8S, FLOATS, Array, draw, run, same_bits, wide, wrap
from tests.ir.harness import INTEGERS as ALL_INTEGERS

INTEGERS = [k for k in ALL_INTEGERS if not k.endswith("int4")]

AXES = [(), (1,), (0, 2), (0, 1, 2)]


def rng(name: str) -> np.random.Generator:
    return np.random.default_rng(sum(name.encode()))


@pytest.mark.parametrize("axes", AXES, ids=str)
@pytest.mark.parametrize("kind", [*FLOATS, *FLOAT8S])
@pytest.mark.parametrize("op", ["reduce_sum", "reduce_prod", "reduce_max", "reduce_min"])
def test_float(op: str, kind: str, axes: tuple[int, ...]) -> None:
    x = draw(rng(op + kind), kind, (3, 5, 4))
    function: Any = {"sum": np.sum, "prod": np.prod, "max": np.max, "min": np.min}[op[7:]]
    expected = np.asarray(function(wide(x), axis=axes)).astype(x.dtype).astype(np.float64)
    import ml_dtypes

    eps = float(ml_dtypes.finfo(x.dtype).eps)
    exact = op in ("reduce_max", "reduce_min")
    atol = 0.0 if exact else float(np.abs(wide(x)).max()) * 4 * eps
    np.testing.assert_allclose(
        wide(run(op, x, axes=axes)), expected, rtol=0 if exact else 4 * eps, atol=atol
    )


@pytest.mark.parametrize("axes", AXES, ids=str)
@pytest.mark.parametrize("kind", INTEGERS)
@pytest.mark.parametrize("op", ["reduce_sum", "reduce_prod", "reduce_max", "reduce_min"])
def test_integers_wrap(op: str, kind: str, axes: tuple[int, ...]) -> None:
    x = draw(rng(op + kind), kind, (3, 5, 4))
    function: Any = {"sum": np.add, "prod": np.multiply, "max": np.maximum, "min": np.minimum}[
        op[7:]
    ]
    expected = wide(x)
    for axis in reversed(axes):
        expected = function.reduce(expected, axis=axis, dtype=object)
    same_bits(run(op, x, axes=axes), wrap(np.asarray(expected, object), dtype(kind)))


def test_bools_are_any_and_all() -> None:
    x = np.array([[True, False], [True, True], [False, False]])
    assert run("reduce_max", x, axes=(1,)).tolist() == [True, True, False]
    assert run("reduce_min", x, axes=(1,)).tolist() == [False, True, False]


def test_nan_propagates_and_counts_as_extremum() -> None:
    x = np.array([[1.0, math.nan, 3.0], [4.0, 5.0, 6.0]], np.float32)
    for op in ("reduce_max", "reduce_min"):
        assert np.isnan(run(op, x, axes=(1,))).tolist() == [True, False]
    assert run("argmax", x, axis=1).tolist() == [1, 2]
    assert run("argmin", x, axis=1).tolist() == [1, 0]


@pytest.mark.parametrize(
    ("op", "expected"),
    [("reduce_sum", 0), ("reduce_prod", 1), ("reduce_max", -math.inf), ("reduce_min", math.inf)],
)
def test_of_nothing(op: str, expected: float) -> None:
    x = np.zeros((2, 0, 3), np.float32)
    np.testing.assert_array_equal(run(op, x, axes=(1,)), np.full((2, 3), expected))


def test_of_nothing_in_integers_is_the_limit() -> None:
    x = np.zeros((0, 2), np.int8)
    assert run("reduce_max", x, axes=(0,)).tolist() == [-128, -128]
    assert run("reduce_min", x.astype(np.uint64), axes=(0,)).tolist() == [2**64 - 1] * 2


def test_halves_accumulate_in_float32() -> None:
    x = np.full((4096,), 1.0, np.float16)
    x[1:] = 2.0**-11  # lost one by one in float16
    assert run("reduce_sum", x, axes=(0,)).item() == np.float16(1 + 4095 * 2.0**-11)


def test_accumulator_may_be_chosen() -> None:
    x = np.array([2**31 - 1, 1, 1], np.int32)
    assert run("reduce_sum", x, axes=(0,)).item() == -(2**31) + 1
    assert run("reduce_sum", x, axes=(0,), acc=i64).item() == -(2**31) + 1  # converted at the end


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("kind", [*FLOATS, *FLOAT8S, *INTEGERS, "bool"])
@pytest.mark.parametrize("op", ["argmax", "argmin"])
def test_arg_of_ties(op: str, kind: str, last: bool) -> None:
    x = draw(rng(op + kind), kind, (4, 9, 3), low=0, high=3)
    if dtype(kind).is_float:
        x = np.round(x.astype(np.float32)).astype(x.dtype)
    function = np.argmax if op == "argmax" else np.argmin
    exact = wide(x).astype(float)
    expected = 8 - function(exact[:, ::-1], axis=1) if last else function(exact, axis=1)
    np.testing.assert_array_equal(run(op, x, axis=1, select_last=last), expected)


def test_arg_of_large_unsigned() -> None:
    x = np.array([1, 2**63 + 5, 2**63 - 1], np.uint64)
    assert run("argmax", x, axis=0).item() == 1
    assert run("reduce_max", x, axes=(0,)).item() == 2**63 + 5


SCANS: dict[str, tuple[Callable[..., Any], Any]] = {
    "cumsum": (np.add, 0),
    "cumprod": (np.multiply, 1),
    "cummax": (np.maximum, None),
    "cummin": (np.minimum, None),
}


def scan(op: str, x: Array, axis: int, exclusive: bool, reverse: bool, identity: Any) -> Array:
    """One element after the other."""
    function = SCANS[op][0]
    x = np.flip(x, axis) if reverse else x
    rows = np.moveaxis(x, axis, 0)
    result = np.empty_like(rows)
    state = np.full(rows.shape[1:], identity, rows.dtype)
    for i, row in enumerate(rows):
        after = function(state, row)
        result[i] = state if exclusive else after
        state = after
    result = np.moveaxis(result, 0, axis)
    return np.flip(result, axis) if reverse else result


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("exclusive", [False, True])
@pytest.mark.parametrize("kind", ["float16", "bfloat16", "float32", "float64", *INTEGERS])
@pytest.mark.parametrize("op", sorted(SCANS))
def test_scans(op: str, kind: str, exclusive: bool, reverse: bool) -> None:
    x = draw(rng(op + kind), kind, (3, 6, 2))
    is_float = dtype(kind).is_float
    identity = SCANS[op][1]
    if identity is None:
        limits = (-math.inf, math.inf) if is_float else _limits(kind)
        identity = limits[0] if op == "cummax" else limits[1]
    expected = scan(op, wide(x), 1, exclusive, reverse, identity)
    found = run(op, x, axis=1, exclusive=exclusive, reverse=reverse)
    if is_float:
        tolerance = {"float16": 4e-3, "bfloat16": 3e-2, "float32": 1e-5, "float64": 1e-12}[kind]
        np.testing.assert_allclose(wide(found), expected, rtol=tolerance, atol=tolerance)
    else:
        same_bits(found, wrap(expected, dtype(kind)))


def _limits(kind: str) -> tuple[int, int]:
    from tests.ir.harness import integer_limits

    return integer_limits(dtype(kind))


def test_scan_of_nothing() -> None:
    assert run("cumsum", np.zeros((2, 0), np.float32), axis=1).shape == (2, 0)


def test_default_accumulators() -> None:
    named = {
        k: default_accumulator(dtype(k)).name for k in ("i8", "u32", "i64", "u64", "bf16", "f64")
    }
    assert named == {
        "i8": "int32",
        "u32": "int32",
        "i64": "int64",
        "u64": "int64",
        "bf16": "float32",
        "f64": "float64",
    }


@pytest.mark.parametrize(
    ("op", "attrs", "message"),
    [
        ("reduce_sum", {"axes": (2,)}, "not in"),
        ("reduce_sum", {"axes": (1, 0)}, "sorted"),
        ("reduce_sum", {"axes": (-1,)}, "not in"),
        ("reduce_sum", {"axes": (0,), "acc": i32}, "accumulate"),
        ("argmax", {"axis": 5}, "not in"),
        ("cumsum", {"axis": 2}, "not in"),
        ("reduce_sum", {}, "needs attribute axes"),
        ("reduce_sum", {"axes": (0,), "keepdims": 1}, "no attribute keepdims"),
    ],
)
def test_refusals(op: str, attrs: dict[str, Any], message: str) -> None:
    graph = Graph()
    x = graph.add_input("x", Tensor(f32, (2, 3)))
    with pytest.raises(ValueError, match=message):
        GraphBuilder(graph).op(op, x, **attrs)


def test_more_refusals() -> None:
    graph = Graph()
    flags = graph.add_input("flags", Tensor(dtype("bool"), (2,)))
    empty = graph.add_input("empty", Tensor(f32, (2, 0)))
    builder = GraphBuilder(graph)
    with pytest.raises(ValueError, match="number"):
        builder.op("reduce_sum", flags, axes=(0,))
    with pytest.raises(ValueError, match="no extremum"):
        builder.op("argmax", empty, axis=1)
