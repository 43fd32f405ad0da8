"""What a launch reads and writes, counted by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fusec.explain.counts import is_weight, node_bytes, sizes_of, weight_bytes
from fusec.explain.units import human_bytes, human_flops, human_seconds, shorten, table
from fusec.ir import Constant, Graph, Node, Tensor, f32
from fusec.ir.sym import Symbol


def fused(graph: Graph, body_of: Mapping[str, Mapping[str, Any]]) -> Node:
    """A fused node over every input of ``graph``: each op of ``body_of`` applied to each input."""
    body = Graph("body")
    results = []
    for index, value in enumerate(graph.inputs):
        inner = body.add_input(f"in{index}", value.type)
        for op, attrs in body_of.items():
            results.append(body.create(op, [inner], attrs).result)
    body.set_outputs(results)
    return graph.create("fused", graph.inputs, graphs=[body])


def test_operands_and_results_count_once() -> None:
    graph = Graph()
    graph.add_input("x", Tensor(f32, (4, 8)))
    assert node_bytes(fused(graph, {"neg": {}, "exp": {}}), {}) == (128, 256)


def test_a_slice_reads_its_part() -> None:
    graph = Graph()
    graph.add_input("x", Tensor(f32, (4, 8)))
    part = {"slice": {"starts": (0, 2), "sizes": (4, 3), "steps": (1, 1)}}
    assert node_bytes(fused(graph, part), {}) == (4 * 3 * 4, 48)
    everything = {**part, "neg": {}}
    assert node_bytes(fused(graph, everything), {})[0] == 128


def test_weights_are_not_activations() -> None:
    import numpy as np

    graph = Graph()
    x = graph.add_input("x", Tensor(f32, (4,)))
    weight = graph.constant(Constant(np.ones(4, np.float32), "w"))
    view = graph.create("reshape", [weight], {"shape": (4, 1)}).result
    assert is_weight(weight) and is_weight(view) and not is_weight(x)
    node = graph.create("add", [x, weight])
    assert node_bytes(node, {}) == (16, 16)
    assert weight_bytes(graph) == 16


def test_the_same_operand_twice_is_read_once() -> None:
    graph = Graph()
    x = graph.add_input("x", Tensor(f32, (4,)))
    assert node_bytes(graph.create("mul", [x, x]), {}) == (16, 16)


def test_symbols_count_at_the_top_of_their_range() -> None:
    graph = Graph()
    batch = Symbol("batch", 1, 8)
    free = Symbol("rows", 3, None)
    graph.symbols.update({s.name: s for s in (batch, free)})
    assert sizes_of(graph) == {"batch": 8, "rows": 3}
    x = graph.add_input("x", Tensor(f32, (batch.expr, 2)))
    assert node_bytes(graph.create("neg", [x]), sizes_of(graph)) == (64, 64)


def test_units() -> None:
    assert [human_bytes(n) for n in (0, 999, 1500, 10**9)] == ["0 B", "999 B", "1.5 kB", "1.0 GB"]
    assert [human_flops(n) for n in (12, 8_206_518_248)] == ["12 FLOP", "8.2 GFLOP"]
    assert [human_seconds(s) for s in (0.34, 2.14, 130)] == ["340 ms", "2.1 s", "2 min"]
    assert shorten("abcdef", 5) == "ab..." and shorten("abc", 5) == "abc"
    assert table([["a", "b"], ["xx", "1"]], right=frozenset({1})) == "a   b\nxx  1"
