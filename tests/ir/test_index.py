"""gather, scatter, one_hot, sort and top_k against numpy, the onnx reference and loops."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import helper
from onnx.reference import ReferenceEvaluator

from fusec.ir import Graph, GraphBuilder, Tensor, dtype, f32, i64, symbol
from tests.ir.harness import (
    FLOAT8S,
    FLOATS,
    INTEGERS,
    MOVABLE,
    Array,
    draw,
    run,
    run_all,
    same_bits,
    wide,
    wrap,
)


def rng(name: str) -> np.random.Generator:
    return np.random.default_rng(sum(name.encode()))


def onnx_reference(op: str, *arrays: Array, **attrs: Any) -> Array:
    names = [f"x{i}" for i in range(len(arrays))]
    node = helper.make_node(op, names, ["y"], **attrs)
    types = [
        helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape)
        for n, a in zip(names, arrays, strict=True)
    ]
    out = helper.make_tensor_value_info("y", types[0].type.tensor_type.elem_type, None)
    model = helper.make_model(
        helper.make_graph([node], "g", types, [out]), opset_imports=[helper.make_opsetid("", 18)]
    )
    result: Any = ReferenceEvaluator(model).run(None, dict(zip(names, arrays, strict=True)))
    return np.asarray(result[0])


@pytest.mark.parametrize("kind", MOVABLE)
def test_gathers_move_every_dtype(kind: str) -> None:
    x = draw(rng(kind), kind, (3, 5, 4))
    indices = draw(rng("i"), "int64", (2, 3), low=0, high=4)
    same_bits(run("gather", x, indices, axis=1), np.take(x, indices, 1))
    same_bits(run("gather", x, np.array(2, np.uint8), axis=0), x[2])
    elements = draw(rng("e"), "int32", (2, 6, 4), low=0, high=4)
    same_bits(run("gather_elements", x, elements, axis=1), np.take_along_axis(x[:2], elements, 1))
    pairs = draw(rng("p"), "int64", (7, 2), low=0, high=2)
    same_bits(run("gather_nd", x, pairs), x[pairs[:, 0], pairs[:, 1]])


@pytest.mark.parametrize("batch", [0, 1, 2])
def test_gather_nd_against_onnx(batch: int) -> None:
    x = draw(rng("x"), "float32", (2, 3, 4, 5))
    for length in range(5 - batch):
        if batch == 0 and length == 0:
            continue
        indices = draw(rng("i"), "int64", (2, 3, length), low=0, high=1)
        if length == 0:
            continue
        found = run("gather_nd", x, indices, batch_dims=batch)
        np.testing.assert_array_equal(
            found, onnx_reference("GatherND", x, indices, batch_dims=batch)
        )


def test_gather_nd_of_empty_tuples_repeats() -> None:
    x = draw(rng("x"), "float32", (2, 3))
    found = run("gather_nd", x, np.zeros((4, 0), np.int64))
    same_bits(found, np.broadcast_to(x, (4, 2, 3)))
    by_batch = run("gather_nd", x, np.zeros((2, 5, 0), np.int64), batch_dims=1)
    same_bits(by_batch, np.broadcast_to(x[:, None], (2, 5, 3)))


@pytest.mark.parametrize("reduction", ["none", "add", "mul", "max", "min"])
@pytest.mark.parametrize("kind", ["float32", "float64", "int32", "int64"])
def test_scatters_against_onnx(kind: str, reduction: str) -> None:
    generator = rng(kind + reduction)
    x = draw(generator, kind, (4, 3), low=-9, high=9)
    unique = np.stack([generator.permutation(4) for _ in range(3)], 1)[:2]
    repeated = generator.integers(0, 4, (6, 3))
    indices = unique if reduction == "none" else repeated
    updates = draw(generator, kind, indices.shape, low=-9, high=9)
    if indices.shape[0] <= 4:
        found = run("scatter_elements", x, indices, updates, axis=0, reduction=reduction)
        expected = onnx_reference(
            "ScatterElements", x, indices, updates, axis=0, reduction=reduction
        )
        np.testing.assert_allclose(found, expected, rtol=1e-6)
    tuples = np.array([[0], [2], [3]]) if reduction == "none" else np.array([[1], [1], [3]])
    rows = draw(generator, kind, (3, 3), low=-9, high=9)
    found = run("scatter_nd", x, tuples, rows, reduction=reduction)
    np.testing.assert_allclose(
        found, onnx_reference("ScatterND", x, tuples, rows, reduction=reduction), rtol=1e-6
    )


@pytest.mark.parametrize("kind", INTEGERS[1:5] + INTEGERS[6:])
@pytest.mark.parametrize("reduction", ["add", "mul", "max", "min"])
def test_scatter_elements_of_integers_by_loop(kind: str, reduction: str) -> None:
    generator = rng(kind + reduction)
    x, updates = draw(generator, kind, (3, 5)), draw(generator, kind, (2, 7))
    updates = updates[:, :5]
    indices = generator.integers(0, 5, (2, 5))
    function: Any = {"add": lambda a, b: a + b, "mul": lambda a, b: a * b, "max": max, "min": min}[
        reduction
    ]
    expected = wide(x)
    for i, j in np.ndindex(2, 5):
        at = (i, indices[i, j])
        expected[at] = function(int(expected[at]), int(wide(updates)[i, j]))
    found = run("scatter_elements", x, indices, updates, axis=1, reduction=reduction)
    same_bits(found, wrap(expected, dtype(kind)))


@pytest.mark.parametrize("kind", MOVABLE)
def test_scatter_moves_every_dtype(kind: str) -> None:
    x, updates = draw(rng(kind), kind, (4, 3)), draw(rng("u"), kind, (2, 3))
    expected = x.copy()
    expected[[3, 1]] = updates
    same_bits(run("scatter_nd", x, np.array([[3], [1]]), updates), expected)


def test_scatter_nd_of_whole_tensor() -> None:
    x = draw(rng("x"), "float32", (2, 3))
    same_bits(run("scatter_nd", x, np.zeros((1, 0), np.int64), x[None] * 2), x * 2)


@pytest.mark.parametrize("kind", ["float32", "int64", "bool", "uint8", "float8_e5m2", "int4"])
@pytest.mark.parametrize("indices", ["int32", "int64", "uint8", "uint64"])
def test_one_hot(kind: str, indices: str) -> None:
    values = np.array([[0, 4], [2, 7]]) if indices.startswith("u") else np.array([[0, -1], [4, 7]])
    found = run("one_hot", values.astype(indices), depth=5, axis=1, dtype=dtype(kind))
    expected = (values[:, None, :] == np.arange(5)[None, :, None]).astype(float)
    np.testing.assert_array_equal(wide(found).astype(float), expected)


# -- sort ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("kind", [*FLOATS, *FLOAT8S, *INTEGERS, "bool"])
def test_sort_is_stable(kind: str, descending: bool) -> None:
    x = draw(rng(kind), kind, (3, 17, 2), low=0, high=5)
    if dtype(kind).is_float:
        x = np.round(x.astype(np.float32)).astype(x.dtype)
    order = wide(x).astype(float)
    expected = np.argsort(-order if descending else order, axis=1, kind="stable")
    values, positions = run_all("sort", x, axis=1, descending=descending)
    np.testing.assert_array_equal(positions, expected)
    same_bits(values, np.take_along_axis(x, expected, 1))


def test_nan_is_largest() -> None:
    x = np.array([1.0, np.nan, -np.inf, np.inf], np.float32)
    assert run_all("sort", x, axis=0)[1].tolist() == [2, 0, 3, 1]
    assert run_all("sort", x, axis=0, descending=True)[1].tolist() == [1, 3, 0, 2]
    assert run_all("top_k", x, k=2, axis=0)[1].tolist() == [1, 3]


def test_large_unsigned_sort_by_value() -> None:
    x = np.array([2**63, 1, 2**64 - 1, 5], np.uint64)
    assert run_all("sort", x, axis=0)[0].tolist() == sorted(x.tolist())


@pytest.mark.parametrize("largest", [False, True])
@pytest.mark.parametrize("kind", ["float32", "bfloat16", "int32", "uint8"])
def test_top_k_takes_the_first_of_ties(kind: str, largest: bool) -> None:
    x = draw(rng(kind), kind, (4, 11), low=0, high=4)
    order = wide(x).astype(float)
    expected = np.argsort(-order if largest else order, axis=1, kind="stable")[:, :3]
    values, positions = run_all("top_k", x, k=3, axis=1, largest=largest)
    np.testing.assert_array_equal(positions, expected)
    same_bits(values, np.take_along_axis(x, expected, 1))


# -- inference -----------------------------------------------------------------------------------

N = symbol("n", 4, 64)
X, INDICES = Tensor(f32, (4, N, 3)), Tensor(i64, (2, 5))


@pytest.mark.parametrize(
    ("op", "types", "attrs", "expected"),
    [
        ("gather", (X, INDICES), {"axis": 1}, "f32[4, 2, 5, 3]"),
        ("gather", (X, Tensor(i64, ())), {"axis": 0}, "f32[n, 3]"),
        ("gather_nd", (X, Tensor(i64, (N, 2))), {}, "f32[n, 3]"),
        ("one_hot", (INDICES,), {"depth": N, "axis": 2, "dtype": f32}, "f32[2, 5, n]"),
        ("top_k", (X,), {"k": 4, "axis": 1}, "f32[4, 4, 3]"),
    ],
)
def test_symbolic(op: str, types: Any, attrs: dict[str, Any], expected: str) -> None:
    graph = Graph()
    values = [graph.add_input("x", t) for t in types]
    assert str(GraphBuilder(graph).ops(op, *values, **attrs)[0].type) == expected


@pytest.mark.parametrize(
    ("op", "types", "attrs", "message"),
    [
        ("gather", (X, X), {"axis": 0}, "indices must be an integer"),
        ("gather", (X, INDICES), {"axis": 3}, "not in"),
        ("gather_elements", (X, INDICES), {"axis": 0}, "different ranks"),
        ("gather_elements", (X, Tensor(i64, (4, 65, 3))), {"axis": 0}, "larger"),
        ("gather_nd", (X, Tensor(i64, (2, 4))), {}, "index tuples of 4"),
        ("gather_nd", (X, Tensor(i64, (2, N))), {}, "index tuples"),
        ("gather_nd", (X, Tensor(i64, (3, 1))), {"batch_dims": 1}, "batch dims"),
        ("gather_nd", (X, Tensor(i64, ())), {}, "batch_dims"),
        ("scatter_nd", (X, Tensor(i64, (2, 1)), X), {}, "updates must have shape"),
        ("scatter_elements", (X, INDICES, X), {"axis": 0}, "different ranks"),
        (
            "scatter_elements",
            (X, Tensor(i64, (4, 1, 3)), Tensor(f32, (4, 1, 2))),
            {"axis": 0},
            "different shapes",
        ),
        (
            "scatter_nd",
            (X, Tensor(i64, (2, 3)), Tensor(f32, (2,))),
            {"reduction": "mean"},
            "is not one of",
        ),
        ("one_hot", (X,), {"depth": 3, "axis": 0, "dtype": f32}, "integer"),
        ("one_hot", (INDICES,), {"depth": -1, "axis": 0, "dtype": f32}, "negative"),
        ("top_k", (X,), {"k": 5, "axis": 1}, "larger than dim"),
        ("top_k", (X,), {"k": 1, "axis": 7}, "not in"),
        ("sort", (Tensor(dtype("complex64"), (2,)),), {"axis": 0}, "bool, an integer or a float"),
    ],
)
def test_refusals(op: str, types: Any, attrs: dict[str, Any], message: str) -> None:
    graph = Graph()
    values = [graph.add_input("x", t) for t in types]
    with pytest.raises(ValueError, match=message):
        GraphBuilder(graph).ops(op, *values, **attrs)
