"""``fuse``: what becomes one kernel, what does not and why, and that values stay the same."""

from __future__ import annotations

from collections import Counter

import pytest
import torch

from fusec.ir import Graph, GraphBuilder, Tensor, Value, evaluate_graph, f32, verify_graph
from fusec.passes.base import Context
from fusec.passes.fuse import Fuse
from fusec.tile.lower import lower
from fusec.tile.program import TileProgram
from tests.passes.random_graphs import random_graph
from tests.tile.bodies import conv_attrs, softmax


def start(*shapes: tuple[int, ...]) -> tuple[Graph, GraphBuilder, list[Value]]:
    graph = Graph()
    values = [graph.add_input(f"x{i}", Tensor(f32, s)) for i, s in enumerate(shapes)]
    return graph, GraphBuilder(graph), values


def finish(graph: Graph, *outputs: Value) -> Context:
    """Set the outputs, fuse, verify."""
    graph.set_outputs(outputs)
    graph.output_names = [f"y{i}" for i in range(len(outputs))]
    context = Context()
    assert Fuse().run(graph, context)
    verify_graph(graph)
    return context


def kernels(graph: Graph) -> list[list[str]]:
    """The ops of each kernel, literals apart."""
    return [
        [n.op.name for n in node.graphs[0].nodes if not n.is_constant]
        for node in graph.nodes
        if node.op.name == "fused"
    ]


def draw(graph: Graph, seed: int = 0) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [
        torch.randn([int(str(d)) for d in v.type.shape], generator=generator) for v in graph.inputs
    ]


def relu(b: GraphBuilder, x: Value) -> Value:
    return b.op("maximum", x, b.literal(0.0, f32))


def test_conv_bias_relu_residual_is_one_kernel() -> None:
    graph, b, (x, w, c, r) = start((1, 8, 9, 9), (16, 8, 3, 3), (16, 1, 1), (1, 16, 9, 9))
    y = b.op("add", b.op("conv", x, w, **conv_attrs(pad=1)), c)
    finish(graph, relu(b, b.op("add", y, r)))
    assert kernels(graph) == [["conv", "add", "add", "maximum"]]


def test_an_activation_goes_to_its_producer_and_a_residual_block_has_three_kernels() -> None:
    graph, b, (x, w1, w2, w3) = start(
        (1, 64, 14, 14), (16, 64, 1, 1), (16, 16, 3, 3), (64, 16, 1, 1)
    )
    y = relu(b, b.op("conv", x, w1, **conv_attrs()))
    y = relu(b, b.op("conv", y, w2, **conv_attrs(pad=1)))
    y = relu(b, b.op("add", b.op("conv", y, w3, **conv_attrs()), x))
    finish(graph, y)
    assert kernels(graph) == [["conv", "maximum"], ["conv", "maximum"], ["conv", "add", "maximum"]]


def test_softmax_is_one_kernel() -> None:
    graph, b, (x,) = start((64, 100))
    finish(graph, softmax(b, x, 1))
    assert len(kernels(graph)) == 1


def test_a_diamond_around_a_contraction_stays_acyclic() -> None:
    graph, b, (x, w) = start((32, 32), (32, 32))
    y = b.op("exp", x)
    z = b.op("matmul", b.op("matmul", y, w), w)
    finish(graph, b.op("add", z, y))
    assert Counter(op for k in kernels(graph) for op in k)["matmul"] == 2


def test_outputs_that_are_inputs_or_named_twice_are_copied() -> None:
    graph, b, (x,) = start((4, 4))
    y = b.op("neg", x)
    finish(graph, x, y, y)
    assert len(set(graph.outputs)) == 3
    (a, c, d) = evaluate_graph(graph, [torch.ones(4, 4)])
    assert a.eq(1).all() and c.eq(-1).all() and d.eq(-1).all()


def test_views_left_over_are_aliases_and_outputs_are_contiguous() -> None:
    graph, b, (x, w) = start((4, 6), (6, 6))
    y = b.op("matmul", x, w)
    z = b.op("matmul", b.op("reshape", y, shape=(6, 4)), b.op("transpose", x, perm=(0, 1)))
    finish(graph, z, b.op("transpose", x, perm=(1, 0)))
    for value in graph.outputs:
        assert value.node is not None and value.node.op.name in ("fused", "reshape")


def test_fusing_twice_changes_nothing() -> None:
    for seed in range(5):
        graph = random_graph(seed)
        Fuse().run(graph, Context())
        assert not Fuse().run(graph, Context())


@pytest.mark.parametrize("seed", range(40))
def test_random_graphs_evaluate_the_same_and_every_kernel_lowers(seed: int) -> None:
    graph = random_graph(seed)
    inputs = draw(graph, seed)
    wanted = evaluate_graph(graph, inputs)
    Fuse().run(graph, Context())
    verify_graph(graph)
    for found, expected in zip(evaluate_graph(graph, inputs), wanted, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6, equal_nan=True)
    for node in graph.nodes:
        if node.op.name == "fused":
            assert isinstance(lower(node.graphs[0]), TileProgram)


@pytest.mark.parametrize("seed", range(10))
def test_each_candidate_has_exactly_one_remark(seed: int) -> None:
    graph = random_graph(seed, 12)
    wanted = count_candidates(graph)
    context = Context()
    Fuse().run(graph, context)
    assert len(context.remarks) == wanted
    assert {r.kind for r in context.remarks} <= {"passed", "missed"}


def count_candidates(graph: Graph) -> int:
    """Edges between non-constant nodes, and neighbouring readers of one value; walks the
    text-level structure."""
    edges, siblings = set(), 0
    readers: dict[int, list[int]] = {}
    nodes = [n for n in graph.nodes if n.op.name != "constant"]
    for index, node in enumerate(nodes):
        for operand in node.operands:
            if operand.node is not None and operand.node.op.name == "constant":
                continue
            if operand.node is not None:
                edges.add((id(operand.node), index))
            seen = readers.setdefault(id(operand), [])
            if index not in seen:
                seen.append(index)
    for seen in readers.values():
        siblings += len(seen) - 1
    return len(edges) + siblings
