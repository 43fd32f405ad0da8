"""Pooling against windows cut out one by one, and against torch."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
import torch

from fusec.ir import Graph, GraphBuilder, Tensor, dtype, f32, symbol
from tests.ir.harness import (
    FLOAT8S,
    FLOATS,
    Array,
    draw,
    integer_limits,
    run,
    same_bits,
    wide,
    wrap,
)

INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
CASES = [
    ((2, 3, 11), (3,), (2,), ((1, 1),), (1,)),
    ((1, 2, 9, 8), (3, 2), (2, 1), ((1, 0), (0, 2)), (1, 2)),
    ((1, 2, 5, 5), (5, 5), (1, 1), ((0, 0), (0, 0)), (1, 1)),
    ((1, 2, 4, 5, 6), (2, 3, 2), (1, 2, 2), ((1, 0), (1, 1), (0, 0)), (2, 1, 1)),
]
NAMES = ("kernel", "strides", "padding", "dilations")


def rng(name: str) -> np.random.Generator:
    return np.random.default_rng(sum(name.encode()))


def cells(x: Array, attrs: dict[str, Any]) -> Any:
    """For each output position, the spatial positions of x that its window covers, in order."""
    axes = []
    for i, size in enumerate(x.shape[2:]):
        k, s, d = attrs["kernel"][i], attrs["strides"][i], attrs["dilations"][i]
        before, after = attrs["padding"][i]
        count = (size + before + after - d * (k - 1) - 1) // s + 1
        axes.append([[o * s - before + j * d for j in range(k)] for o in range(count)])
    for at in product(*(range(len(a)) for a in axes)):
        rows = [axis[o] for axis, o in zip(axes, at, strict=True)]
        inside = [
            p
            for p in product(*rows)
            if all(0 <= i < n for i, n in zip(p, x.shape[2:], strict=True))
        ]
        yield at, inside, [len(a) for a in axes]


def pool(x: Array, attrs: dict[str, Any], function: Any) -> Array:
    result: Array = np.zeros(0)
    for n, c in product(range(x.shape[0]), range(x.shape[1])):
        for at, inside, out in cells(x, attrs):
            if not result.size:
                result = np.zeros((*x.shape[:2], *out), object)
            result[(n, c, *at)] = function(x[n, c], inside)
    return result


def flat_maximum(x: Array, inside: list[tuple[int, ...]]) -> int:
    values = np.array([x[p] for p in inside], float)
    first = int(np.nonzero(np.isnan(values))[0][0]) if np.isnan(values).any() else values.argmax()
    return int(np.ravel_multi_index(inside[int(first)], x.shape))


@pytest.mark.parametrize("kind", [*FLOATS, *FLOAT8S, *INTEGERS])
@pytest.mark.parametrize("case", CASES, ids=lambda c: str(c[0]))
def test_pools(case: tuple[Any, ...], kind: str) -> None:
    x = draw(rng(kind), kind, case[0])
    x.reshape(-1)[:3] = x.reshape(-1)[4]  # ties
    attrs = dict(zip(NAMES, case[1:], strict=True))
    exact = wide(x)
    largest = pool(exact, attrs, lambda a, inside: max(a[p] for p in inside))
    total = pool(exact, attrs, lambda a, inside: sum(a[p] for p in inside))
    where = pool(exact, attrs, flat_maximum) if kind != "uint64" and kind != "int64" else None
    found = run("sum_pool", x, **attrs)
    if dtype(kind).is_float:
        np.testing.assert_array_equal(wide(run("max_pool", x, **attrs)), largest.astype(float))
        import ml_dtypes

        eps = float(ml_dtypes.finfo(x.dtype).eps)
        np.testing.assert_allclose(wide(found), total.astype(float), rtol=8 * eps, atol=16 * eps)
    else:
        same_bits(run("max_pool", x, **attrs), wrap(largest, dtype(kind)))
        same_bits(found, wrap(total, dtype(kind)))
    if where is not None:
        np.testing.assert_array_equal(run("argmax_pool", x, **attrs), where.astype(np.int64))


PADDED = {"kernel": (2,), "strides": (1,), "padding": ((1, 1),), "dilations": (1,)}


def test_padding_never_wins() -> None:
    x = np.array([[[-np.inf, -np.inf]]], np.float32)
    assert run("argmax_pool", x, **PADDED).reshape(-1).tolist() == [0, 0, 1]
    low = integer_limits(dtype("int8"))[0]
    y = np.array([[[low, low + 1]]], np.int8)
    assert run("argmax_pool", y, **PADDED).reshape(-1).tolist() == [0, 1, 1]
    assert run("max_pool", y, **PADDED).reshape(-1).tolist() == [low, low + 1, low + 1]


def test_nan_wins() -> None:
    x = np.array([[[1.0, np.nan, 3.0, np.nan]]], np.float32)
    attrs = {**PADDED, "padding": ((0, 0),), "kernel": (3,)}
    assert np.isnan(run("max_pool", x, **attrs)).all()
    assert run("argmax_pool", x, **attrs).reshape(-1).tolist() == [1, 1]


def test_against_torch() -> None:
    x = draw(rng("x"), "float32", (2, 5, 19, 16))
    attrs = {"kernel": (3, 3), "strides": (2, 2), "padding": ((1, 1), (1, 1)), "dilations": (2, 1)}
    values, positions = torch.nn.functional.max_pool2d(
        torch.from_numpy(x), 3, 2, 1, (2, 1), return_indices=True
    )
    np.testing.assert_array_equal(run("max_pool", x, **attrs), values.numpy())
    np.testing.assert_array_equal(run("argmax_pool", x, **attrs), positions.numpy())


def test_symbolic_extent() -> None:
    graph = Graph()
    x = graph.add_input("x", Tensor(f32, (1, 3, symbol("h", 8, 64, 2), 7)))
    settings: dict[str, Any] = {
        "kernel": (2, 3),
        "strides": (2, 2),
        "padding": ((0, 0), (1, 1)),
        "dilations": (1, 1),
    }
    y = GraphBuilder(graph).op("max_pool", x, **settings)
    assert str(y.type) == "f32[1, 3, h // 2, 4]"


@pytest.mark.parametrize(
    ("shape", "change", "message"),
    [
        ((1, 2), {}, "rank 3"),
        ((1, 2, 3), {"kernel": (9,)}, "exceeds"),
        ((1, 2, 3), {"kernel": (0,)}, "positive"),
        ((1, 2, 3), {"padding": ((1, -1),)}, "negative"),
        ((1, 2, 3, 4), {}, "kernel has 1"),
    ],
)
def test_refusals(shape: tuple[int, ...], change: dict[str, Any], message: str) -> None:
    graph = Graph()
    x = graph.add_input("x", Tensor(f32, shape))
    for op in ("max_pool", "sum_pool", "argmax_pool"):
        with pytest.raises(ValueError, match=message):
            GraphBuilder(graph).op(op, x, **{**PADDED, **change})
