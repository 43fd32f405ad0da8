"""`assign-storage`: roots and storages of every value that crosses a kernel boundary."""

from __future__ import annotations

import numpy as np
from hypothesis import given

from fusec.ir import (
    Constant,
    Graph,
    GraphBuilder,
    Storage,
    Symbol,
    Tensor,
    Value,
    f32,
    i64,
    symbol,
)
from fusec.ir.parse import parse_graph
from fusec.ir.storage import ARENA, INPUT, OUTPUT, WEIGHT
from fusec.ir.text import print_graph
from fusec.ir.verify import verify_graph
from fusec.passes.assign_storage import AssignStorage
from fusec.passes.base import Context
from tests.passes.memory_graphs import graphs


def assign(graph: Graph) -> bool:
    changed = AssignStorage().run(graph, Context())
    verify_graph(graph)
    return changed


def start(*shape: int) -> tuple[Graph, GraphBuilder, Value]:
    graph = Graph()
    return graph, GraphBuilder(graph), graph.add_input("x", Tensor(f32, shape))


def kind(graph: Graph, value: Value) -> str:
    return graph.roots[graph.storages[value].root].kind


def test_each_kind_of_value_has_its_kind_of_root() -> None:
    graph, build, x = start(2, 3)
    w = graph.constant(Constant(np.ones((2, 3), np.float32), "w"))
    y = build.op("add", x, w)
    z = build.op("neg", y)
    graph.set_outputs([z])
    assert assign(graph)
    assert [kind(graph, v) for v in (x, w, y, z)] == [INPUT, WEIGHT, ARENA, OUTPUT]
    assert graph.storages[y] == Storage("r0", 0, (3, 1))
    assert graph.roots["r0"].nbytes == 24


def test_a_second_run_changes_nothing() -> None:
    graph, build, x = start(4)
    graph.set_outputs([build.op("neg", build.op("exp", x))])
    assert assign(graph)
    before = print_graph(graph)
    assert not assign(graph)
    assert print_graph(graph) == before


def test_views_are_windows_of_their_operand() -> None:
    graph, build, x = start(4, 6)
    y = build.op("exp", x)
    turned = build.op("transpose", y, perm=(1, 0))
    piece = build.op("slice", turned, starts=(1, 0), sizes=(2, 2), steps=(2, 2))
    wide = build.op("broadcast", piece, shape=(5, 2, 2))
    graph.set_outputs([build.op("neg", wide)])
    assign(graph)
    assert graph.storages[turned] == Storage("r0", 0, (1, 6))
    assert graph.storages[piece] == Storage("r0", 1, (2, 12))
    assert graph.storages[wide] == Storage("r0", 1, (0, 2, 12))
    assert len(graph.roots) == 3


def test_a_view_that_is_no_window_has_a_root_of_its_own() -> None:
    graph, build, x = start(4, 6)
    y = build.op("exp", x)
    flat = build.op("reshape", build.op("transpose", y, perm=(1, 0)), shape=(24,))
    padded = build.op("pad", y, padding=((0, 0), (1, 1)), value=0.0)
    graph.set_outputs([build.op("neg", flat), build.op("neg", padded)])
    assign(graph)
    roots = [graph.storages[v].root for v in (y, flat, padded)]
    assert len(set(roots)) == 3


def test_a_kernel_writes_what_an_output_reshapes_into_the_outputs_root() -> None:
    graph, build, x = start(4, 6)
    y = build.op("exp", x)
    z = build.op("reshape", y, shape=(2, 12))
    graph.set_outputs([z])
    assign(graph)
    assert graph.storages[y] == Storage("y0", 0, (6, 1))
    assert graph.storages[z] == Storage("y0", 0, (12, 1))
    assert graph.roots["y0"].kind == OUTPUT


def test_an_output_that_is_part_of_a_value_leaves_that_value_in_the_arena() -> None:
    graph, build, x = start(4, 6)
    y = build.op("exp", x)
    first = build.op("slice", y, starts=(0, 0), sizes=(2, 6), steps=(1, 1))
    turned = build.op("transpose", y, perm=(1, 0))
    graph.set_outputs([first, turned])
    assign(graph)
    assert kind(graph, y) == kind(graph, first) == kind(graph, turned) == ARENA


def test_two_outputs_of_one_value_share_the_first_ones_root() -> None:
    graph, build, x = start(4)
    y = build.op("exp", x)
    graph.set_outputs([y, build.op("reshape", y, shape=(2, 2))])
    assign(graph)
    assert {graph.storages[v].root for v in graph.outputs} == {"y0"}


def test_inputs_and_constants_as_outputs_stay_where_they_are() -> None:
    graph, _, x = start(4)
    w = graph.constant(Constant(np.ones(3, np.float32), "w"))
    graph.set_outputs([x, w])
    assign(graph)
    assert [kind(graph, v) for v in graph.outputs] == [INPUT, WEIGHT]


def test_one_constant_has_one_root() -> None:
    graph, build, x = start(3)
    data = Constant(np.ones(3, np.float32), "w")
    a, b = graph.constant(data), graph.constant(data)
    other = graph.constant(Constant(np.zeros(3, np.float32), "v"))
    y = build.op("add", build.op("add", x, a), build.op("add", b, other))
    graph.set_outputs([y])
    assign(graph)
    assert graph.storages[a].root == graph.storages[b].root != graph.storages[other].root


def test_results_of_one_node_have_roots_of_their_own() -> None:
    graph, build, x = start(4, 8)
    values, indices = build.ops("top_k", x, k=3, axis=1)
    graph.set_outputs([build.op("neg", values), build.op("cast", indices, dtype=f32)])
    assign(graph)
    assert graph.roots[graph.storages[values].root].nbytes == 48
    assert graph.roots[graph.storages[indices].root].nbytes == 4 * 3 * i64.itemsize


def test_symbolic_shapes_give_symbolic_sizes_and_strides() -> None:
    graph = Graph()
    graph.symbols["n"] = Symbol("n", 1, 64)
    n = symbol("n", 1, 64)
    x = graph.add_input("x", Tensor(f32, (3, n)))
    y = GraphBuilder(graph).op("exp", x)
    z = GraphBuilder(graph).op("neg", y)
    graph.set_outputs([z])
    assign(graph)
    assert graph.storages[y].strides == (n, 1)
    assert graph.roots["r0"].nbytes == n * 12


def test_bodies_have_no_storages() -> None:
    graph, _, x = start(4)
    body = Graph("body")
    body.set_outputs([body.create("exp", [body.add_input("in0", x.type)]).result])
    graph.set_outputs([graph.create("fused", [x], graphs=[body]).result])
    assign(graph)
    assert not body.storages
    assert not body.roots


@given(graphs())
def test_random_graphs_verify_and_round_trip(graph: Graph) -> None:
    assert assign(graph)
    assert set(graph.storages) == set(graph.values)
    text = print_graph(graph)
    again = parse_graph(text)
    assert print_graph(again) == text
    assert again.roots == graph.roots
    assert not assign(again)
