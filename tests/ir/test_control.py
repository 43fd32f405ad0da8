"""if, loop, fused and extern: meaning, and what inference refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from fusec.ir import (
    Graph,
    GraphBuilder,
    Symbol,
    Tensor,
    Value,
    bool_,
    evaluate_graph,
    f32,
    i64,
    verify_graph,
)
from fusec.ir.externs import all_externs, get_extern

VECTOR = Tensor(f32, (3,))
FLAG, COUNT = Tensor(bool_, ()), Tensor(i64, ())


def body(types: list[Tensor], build: Any, name: str = "body") -> Graph:
    """A graph whose outputs are what ``build(builder, *inputs)`` gives."""
    graph = Graph(name)
    inputs = [graph.add_input(f"a{i}", t) for i, t in enumerate(types)]
    graph.set_outputs(build(GraphBuilder(graph), *inputs))
    return graph


def test_if_takes_the_branch_of_its_condition() -> None:
    graph = Graph()
    flag, x = graph.add_input("flag", FLAG), graph.add_input("x", VECTOR)
    yes = body([VECTOR], lambda b, a: [b.op("neg", a)], "yes")
    no = body([VECTOR], lambda b, a: [b.op("mul", a, a)], "no")
    graph.set_outputs([GraphBuilder(graph).op("if", flag, x, graphs=[yes, no])])
    verify_graph(graph)
    data = torch.tensor([1.0, 2.0, 3.0])
    assert evaluate_graph(graph, [torch.tensor(True), data])[0].tolist() == [-1, -2, -3]
    assert evaluate_graph(graph, [torch.tensor(False), data])[0].tolist() == [1, 4, 9]


def step(b: GraphBuilder, i: Value, going: Value, total: Value, limit: Value) -> list[Value]:
    """total += limit; stop at 10; scan the iteration and the total."""
    after = b.op("add", total, limit)
    small = b.op("lt", b.op("reduce_max", after, axes=(0,)), b.literal(10.0, f32))
    return [b.op("and", going, small), after, i, after]


def loop(trip: int, length: int | None) -> Graph:
    graph = Graph()
    total, limit = graph.add_input("total", VECTOR), graph.add_input("limit", VECTOR)
    b = GraphBuilder(graph)
    inner = body(
        [COUNT, FLAG, VECTOR, VECTOR], step if length is not None else lambda *a: step(*a)[:2]
    )
    operands = b.literal(trip, i64), b.literal(True, bool_), total, limit
    graph.set_outputs(b.ops("loop", *operands, graphs=[inner], carried=1, length=length))
    verify_graph(graph)
    return graph


def test_loop_carries_and_stacks() -> None:
    zero, one = torch.zeros(3), torch.tensor([1.0, 0.0, 2.0])
    total, iterations, totals = evaluate_graph(loop(4, 4), [zero, one])
    assert total.tolist() == [4, 0, 8]
    assert iterations.tolist() == [0, 1, 2, 3]
    np.testing.assert_array_equal(totals.numpy(), np.outer([1, 2, 3, 4], [1, 0, 2]))


def test_loop_stops_when_its_condition_fails() -> None:
    (total,) = evaluate_graph(loop(99, None), [torch.zeros(3), torch.full((3,), 3.0)])
    assert total.tolist() == [12, 12, 12]


def test_loop_of_zero_trips_returns_what_it_got() -> None:
    (total,) = evaluate_graph(loop(0, None), [torch.ones(3), torch.ones(3)])
    assert total.tolist() == [1, 1, 1]
    total, iterations, totals = evaluate_graph(loop(0, 0), [torch.ones(3), torch.ones(3)])
    assert (iterations.shape, iterations.dtype) == ((0,), torch.int64)
    assert (totals.shape, totals.dtype) == ((0, 3), torch.float32)


def test_loop_that_ends_early_does_not_fit_its_length() -> None:
    with pytest.raises(ValueError, match="ran 4 times"):
        evaluate_graph(loop(9, 9), [torch.zeros(3), torch.full((3,), 3.0)])


def test_fused_means_its_body() -> None:
    graph = Graph()
    x = graph.add_input("x", VECTOR)
    inner = body([VECTOR], lambda b, a: [b.op("exp", a), b.op("reduce_sum", a, axes=(0,))])
    graph.set_outputs(GraphBuilder(graph).ops("fused", x, graphs=[inner]))
    verify_graph(graph)
    first, second = evaluate_graph(graph, [torch.tensor([0.0, 1.0, 2.0])])
    np.testing.assert_allclose(first.numpy(), np.exp([0, 1, 2]), rtol=1e-6)
    assert second.item() == 3


def test_flops_count_nested_graphs() -> None:
    graph = Graph()
    x = graph.add_input("x", VECTOR)
    inner = body([VECTOR], lambda b, a: [b.op("exp", b.op("neg", a))])
    node = GraphBuilder(graph).op("fused", x, graphs=[inner]).node
    assert node is not None
    assert node.flops == 6


def test_nonzero_has_a_data_dependent_dim() -> None:
    graph = Graph()
    x = graph.add_input("x", Tensor(f32, (4, 5)))
    count = graph.symbols["count"] = Symbol("count", 0, 20)
    b = GraphBuilder(graph)
    found = b.op("extern", x, function="nonzero", dims=(count.expr,))
    graph.set_outputs([found, b.op("dim", value=2 * count.expr), b.op("neg", found)])
    verify_graph(graph)
    data = np.random.default_rng(0).integers(0, 2, (4, 5)).astype(np.float32)
    indices, twice, negative = evaluate_graph(graph, [torch.from_numpy(data)])
    np.testing.assert_array_equal(indices.numpy(), np.stack(np.nonzero(data)))
    assert twice.item() == 2 * np.count_nonzero(data)
    np.testing.assert_array_equal(negative.numpy(), -indices.numpy())


def test_externs_declare_bounds_and_workspace() -> None:
    types = [Tensor(f32, (4, 5))]
    for extern in all_externs():
        attrs = {"arguments": (), "dims": (7,)}
        assert extern.bounds(types, attrs) == (20,)
        assert extern.workspace(types, attrs) == 160
        assert extern.doc
        assert get_extern(extern.name) is extern


def refuse(message: str, op: str, types: list[Tensor], graphs: list[Graph], **attrs: Any) -> None:
    graph = Graph()
    values = [graph.add_input("x", t) for t in types]
    with pytest.raises(ValueError, match=message):
        GraphBuilder(graph).ops(op, *values, graphs=graphs, **attrs)


def test_refusals() -> None:
    same = body([VECTOR], lambda b, a: [a])
    refuse("1 graphs, not 0", "fused", [VECTOR], [])
    refuse("has 1 inputs, not 2", "fused", [VECTOR, VECTOR], [same])
    refuse(r"input 0 .* f32\[3\], not f32\[4\]", "fused", [Tensor(f32, (4,))], [same])
    refuse("2 graphs, not 1", "if", [FLAG, VECTOR], [same])
    refuse(r"condition must be bool\[\]", "if", [VECTOR, VECTOR], [same, same])
    other = body([VECTOR], lambda b, a: [b.op("is_nan", a)])
    refuse("different results", "if", [FLAG, VECTOR], [same, other])


def test_loop_refusals() -> None:
    types = [COUNT, FLAG, VECTOR]
    good = body([COUNT, FLAG, VECTOR], lambda b, i, g, a: [g, a])
    refuse("carried 2 is not in", "loop", types, [good], carried=2)
    refuse(
        "has 2 outputs, needs 3",
        "loop",
        [*types, VECTOR],
        [body([*types, VECTOR], lambda b, i, g, *a: [g, a[0]])],
        carried=2,
    )
    refuse(
        "the first output must be",
        "loop",
        types,
        [body(types, lambda b, i, g, a: [a, a])],
        carried=1,
    )
    changes = body(types, lambda b, i, g, a: [g, b.op("is_nan", a)])
    refuse("a carried value changes", "loop", types, [changes], carried=1)
    scans = body(types, lambda b, i, g, a: [g, a, a])
    refuse("need attribute length", "loop", types, [scans], carried=1)
    refuse("trip must be", "loop", [VECTOR, FLAG], [good], carried=0)


def test_extern_refusals() -> None:
    x = Tensor(f32, (4, 5))
    refuse("no extern function sin", "extern", [x], [], function="sin")
    refuse("dims has 0 items", "extern", [x], [], function="nonzero")
    count = Symbol("count", 0, 21).expr
    refuse("not known to be at most 20", "extern", [x], [], function="nonzero", dims=(count,))
