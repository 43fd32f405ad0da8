"""The evaluator: binding of symbols, checks of inputs, lifetime of values, random graphs."""

from __future__ import annotations

import weakref
from typing import Any

import pytest
import torch
from hypothesis import given, settings

from fusec.errors import UsageError
from fusec.ir import (
    Dim,
    Graph,
    GraphBuilder,
    Symbol,
    Tensor,
    evaluate_graph,
    evaluate_node,
    f32,
    i64,
)
from fusec.ir.evaluate import bind_symbols, torch_dtype
from fusec.ir.sym import evaluate
from tests.ir.graphs import graphs, inputs_of


def taking(*shapes: tuple[Dim, ...], symbols: tuple[Symbol, ...] = ()) -> Graph:
    """A graph that returns its inputs."""
    graph = Graph()
    graph.symbols = {s.name: s for s in symbols}
    graph.set_outputs([graph.add_input(f"x{i}", Tensor(f32, s)) for i, s in enumerate(shapes)])
    return graph


N, M = Symbol("n", 2, 16, 2), Symbol("m", 1, None)
n, m = N.expr, M.expr


def test_symbols_are_bound_from_shapes() -> None:
    graph = taking((n, 3), (2 * m + 1, n + m), symbols=(N, M))
    assert bind_symbols(graph, [(4, 3), (7, 7)]) == {"n": 4, "m": 3}


def test_symbols_may_be_given() -> None:
    graph = taking((n * m,), symbols=(N, M))
    assert bind_symbols(graph, [(12,)], {"n": 4}) == {"n": 4, "m": 3}


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ([(4, 3)], r"has shape \[4, 3\], not f32\[n, 5\] \(n = 4\)"),
        ([(3, 5)], "n = 3 is not a multiple of 2"),
        ([(18, 5)], "n = 18 is not in its range 2..16"),
        ([(0, 5)], "n = 0 is not in its range 2..16"),
        ([(4,)], "has shape"),
    ],
)
def test_wrong_shapes(shapes: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        bind_symbols(taking((n, 5), symbols=(N,)), shapes)


def test_disagreeing_shapes() -> None:
    with pytest.raises(UsageError, match=r"input x1 has shape \[6\], not f32\[n\] \(n = 4\)"):
        bind_symbols(taking((n,), (n,), symbols=(N,)), [(4,), (6,)])


def test_symbol_below_another() -> None:
    below = Symbol("k", 0, None, 1, n)
    graph = taking((n,), (below.expr,), symbols=(N, below))
    assert bind_symbols(graph, [(4,), (3,)]) == {"n": 4, "k": 3}
    with pytest.raises(UsageError, match="k = 4 is not below n"):
        bind_symbols(graph, [(4,), (4,)])


def test_unknown_symbol() -> None:
    with pytest.raises(UsageError, match="no input shape tells symbol"):
        bind_symbols(taking((n * m,), symbols=(N, M)), [(12,)])


def test_inputs_by_name_and_in_order() -> None:
    graph = Graph()
    a, b = graph.add_input("a", Tensor(f32, ())), graph.add_input("b", Tensor(f32, ()))
    graph.set_outputs([GraphBuilder(graph).op("sub", a, b)])
    one, two = torch.tensor(1.0), torch.tensor(2.0)
    assert evaluate_graph(graph, {"b": one, "a": two})[0].item() == 1
    assert evaluate_graph(graph, [one, two])[0].item() == -1
    with pytest.raises(UsageError, match="c is not an input"):
        evaluate_graph(graph, {"a": one, "b": two, "c": two})
    with pytest.raises(UsageError, match="b is missing"):
        evaluate_graph(graph, {"a": one})
    with pytest.raises(UsageError, match="1 inputs given, the graph has 2"):
        evaluate_graph(graph, [one])
    with pytest.raises(UsageError, match=r"input a is torch.float64, not float32"):
        evaluate_graph(graph, [one.double(), two])


def test_dims_in_attributes_are_evaluated() -> None:
    graph = Graph()
    graph.symbols["n"] = N
    x = graph.add_input("x", Tensor(f32, (n, 6)))
    b = GraphBuilder(graph)
    graph.set_outputs(
        [
            b.op("reshape", x, shape=(n * 2, 3)),
            b.op("iota", shape=(n // 2,), axis=0, dtype=i64),
            b.op("pad", x, padding=((0, n), (0, 0))),
        ]
    )
    a, ramp, padded = evaluate_graph(graph, [torch.ones(4, 6)])
    assert (a.shape, ramp.tolist(), padded.shape) == ((8, 3), [0, 1], (8, 6))


def test_values_are_freed_after_their_last_use() -> None:
    alive: list[weakref.ref[Any]] = []
    most = 0
    graph = Graph()
    x = y = graph.add_input("x", Tensor(f32, (4,)))
    b = GraphBuilder(graph)
    for _ in range(20):
        y = b.op("add", y, y)
    graph.set_outputs([y])

    def watch(values: Any, attrs: Any, graphs: Any) -> tuple[Any, ...]:
        nonlocal most
        result = values[0] + values[1]
        alive.append(weakref.ref(result))
        most = max(most, sum(r() is not None for r in alive))
        return (result,)

    node = y.node
    assert node is not None
    original = node.op.evaluate
    object.__setattr__(node.op, "evaluate", watch)
    try:
        (found,) = evaluate_graph(graph, [torch.ones(4)])
    finally:
        object.__setattr__(node.op, "evaluate", original)
    assert found.tolist() == [2.0**20] * 4
    assert most <= 2
    assert x.use_count == 2


def test_evaluate_node_needs_no_graph() -> None:
    graph = Graph()
    x = graph.add_input("x", Tensor(f32, (n,)))
    node = GraphBuilder(graph).op("reshape", x, shape=(n // 2, 2)).node
    assert node is not None
    assert evaluate_node(node, [torch.arange(6.0)], {"n": 6})[0].tolist() == [
        [0, 1],
        [2, 3],
        [4, 5],
    ]


def test_inputs_are_never_written() -> None:
    graph = Graph()
    x = graph.add_input("x", Tensor(f32, (2, 2)))
    y = GraphBuilder(graph).op("reshape", x, shape=(4,))
    graph.set_outputs([GraphBuilder(graph).op("neg", y), y])
    data = torch.ones(2, 2)
    evaluate_graph(graph, [data])
    assert data.tolist() == [[1, 1], [1, 1]]


@given(graphs())
@settings(max_examples=60)
def test_random_graphs_evaluate_to_their_types(graph: Graph) -> None:
    torch.set_num_threads(1)
    for value in (1, 3, 8):
        for result, output in zip(
            evaluate_graph(graph, inputs_of(graph, value), {"n": value}), graph.outputs, strict=True
        ):
            assert list(result.shape) == [evaluate(d, {"n": value}) for d in output.type.shape]
            assert result.dtype is torch_dtype(output.type.dtype)
