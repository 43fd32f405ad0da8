from __future__ import annotations

import numpy as np
import pytest

from fusec.errors import UsageError
from fusec.ir import Graph, Tensor, dtype
from fusec.ir.sym import Symbol
from fusec.verification.data import random_inputs, symbol_sizes


def graph_of(**inputs: tuple[str, tuple[object, ...]]) -> Graph:
    graph = Graph()
    for name, (kind, shape) in inputs.items():
        graph.add_input(name, Tensor(dtype(kind), shape))  # type: ignore[arg-type]
    return graph


def test_seeded_and_independent_of_other_inputs() -> None:
    one = random_inputs(graph_of(x=("f32", (4, 5))), 3)
    two = random_inputs(graph_of(a=("f32", (2,)), x=("f32", (4, 5))), 3)
    np.testing.assert_array_equal(one["x"], two["x"])
    assert not np.array_equal(one["x"], random_inputs(graph_of(x=("f32", (4, 5))), 4)["x"])
    assert one["x"].dtype == np.float32
    assert 0.5 < one["x"].std() < 2


@pytest.mark.parametrize("kind", ["f16", "bf16", "f64", "i8", "u8", "i64", "bool", "c64"])
def test_every_dtype(kind: str) -> None:
    array = random_inputs(graph_of(x=(kind, (50,))), 0)["x"]
    assert array.dtype == dtype(kind).numpy
    assert len(np.unique(array.astype(np.complex128))) > 1


def test_ranges() -> None:
    graph = graph_of(ids=("i64", (1000,)), x=("f32", (1000,)))
    arrays = random_inputs(graph, 0, ranges={"ids": (3, 7), "x": (-1.0, 1.0)})
    assert set(arrays["ids"]) == set(range(3, 8))
    assert arrays["x"].min() >= -1 and arrays["x"].max() <= 1
    with pytest.raises(UsageError, match="'y'"):
        random_inputs(graph, 0, ranges={"y": (0, 1)})


def test_indices_are_bounded_by_what_they_index() -> None:
    graph = graph_of(ids=("i64", (500,)), x=("f32", (7, 3)))
    ids, x = graph.inputs
    doubled = graph.create("reshape", [ids], {"shape": (500, 1)}).result
    graph.set_outputs([graph.create("gather", [x, doubled], {"axis": 0}).result])
    drawn = random_inputs(graph, 0)["ids"]
    assert drawn.min() == 0 and drawn.max() == 6


def test_indices_are_bounded_through_fused_bodies() -> None:
    graph = graph_of(ids=("i64", (500,)), x=("f32", (5, 3)))
    ids, x = graph.inputs
    body = Graph("body")
    a, b = body.add_input("in0", ids.type), body.add_input("in1", x.type)
    body.set_outputs([body.create("gather", [b, a], {"axis": 0}).result])
    fused = graph.create("fused", [ids, x], graphs=[body])
    graph.set_outputs([fused.result])
    assert random_inputs(graph, 0)["ids"].max() == 4


def test_sizes_of_symbols() -> None:
    graph = Graph()
    graph.symbols["batch"] = Symbol("batch", 1, 64, 1)
    graph.symbols["rows"] = Symbol("rows", 8, None, 8)
    assert symbol_sizes(graph, {}) == {"batch": 2, "rows": 8}
    assert symbol_sizes(graph, {"batch": 64}) == {"batch": 64, "rows": 8}
    for wrong in ({"batch": 65}, {"rows": 9}, {"columns": 1}):
        with pytest.raises(UsageError):
            symbol_sizes(graph, wrong)
