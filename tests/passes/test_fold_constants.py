"""fold-constants and eliminate-common-subexpressions: budgets, memory, and what they never read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fusec.ir import Constant, Graph, GraphBuilder, Tensor, Value, f32, i8, i64, verify_graph
from fusec.passes.base import Context
from fusec.passes.constant_expressions import INLINE
from fusec.passes.eliminate_common_subexpressions import (
    EliminateCommonSubexpressions,
    same_bytes,
)
from fusec.passes.eliminate_dead_code import EliminateDeadCode
from fusec.passes.fold_constants import FoldConstants
from tests.ir.graphs import seeded_graph
from tests.passes.cases import run


def stored_bytes(graph: Graph) -> int:
    """Bytes of the distinct arrays of all constants that do not stand in the text."""
    found = {id(n.attrs["data"].array): n.attrs["data"].array for n in all_constants(graph)}
    return sum(a.nbytes for a in found.values() if a.size > INLINE)


def all_constants(graph: Graph) -> list[Any]:
    nested = [c for n in graph.nodes for g in n.graphs for c in all_constants(g)]
    return [n for n in graph.nodes if n.is_constant] + nested


def constants_graph(rng: np.random.Generator, most: int = 25) -> Graph:
    """Expressions over constants that grow and shrink, read by an input here and there."""
    graph = Graph()
    b = GraphBuilder(graph)
    x = graph.add_input("x", Tensor(f32, ()))
    values = [b.constant(rng.standard_normal(n).astype(np.float32)) for n in (1, 8, 64, 64)]
    outputs: list[Value] = []
    for _ in range(most):
        a = values[int(rng.integers(len(values)))]
        alike = [v for v in values if v.type == a.type]
        other = alike[int(rng.integers(len(alike)))]
        step = int(rng.integers(5))
        if step == 0:
            made = b.op("add", a, other)
        elif step == 1 and a.type.rank < 3:
            made = b.op("add", b.op("broadcast", a, shape=(4, *a.type.shape)), b.literal(1.0, f32))
        elif step == 2 and a.type.rank:
            made = b.op("reduce_sum", a, axes=(0,))
        elif step == 3:
            made = b.op("transpose", a, perm=tuple(reversed(range(a.type.rank))))
        else:
            made = b.op("exp", b.op("neg", a))
        values.append(made)
        if rng.integers(3) == 0:
            outputs.append(b.op("mul", made, x))
    graph.set_outputs([*outputs, b.op("neg", x)])
    return graph


@pytest.mark.parametrize("budget", [0, 300, 2000, 1 << 20])
def test_constants_never_grow_beyond_the_budget(budget: int) -> None:
    folded = refused = 0
    for seed in range(150):
        graph, reference = (constants_graph(np.random.default_rng(seed)) for _ in range(2))
        before, context = stored_bytes(reference), Context("fold-constants")
        folded += FoldConstants(budget=budget).run(graph, context)
        refused += bool(context.remarks)
        verify_graph(graph)
        assert stored_bytes(graph) <= before + budget
        x = [np.float32(1.5)]
        for a, b in zip(run_scalar(graph, x), run_scalar(reference, x), strict=True):
            assert np.array_equal(a, b)
    assert folded > 50, "the test tests something"
    assert refused > 20 if budget < 1 << 20 else refused == 0


def run_scalar(graph: Graph, values: list[Any]) -> list[Any]:
    import torch

    return run(graph, [torch.tensor(v) for v in values])


def test_all_is_folded_under_a_large_budget() -> None:
    for seed in range(40):
        graph = constants_graph(np.random.default_rng(seed))
        EliminateDeadCode().run(graph, Context())
        FoldConstants().run(graph, Context())
        known: set[Value] = set()
        for node in graph.nodes:
            if node.is_constant or (node.operands and all(v in known for v in node.operands)):
                known.update(node.results)
                assert node.is_constant or node.op.name == "broadcast"


def test_memory_maps_stay_mapped(tmp_path: Path, rng: np.random.Generator) -> None:
    data = rng.standard_normal((64, 32)).astype(np.float32)
    np.save(tmp_path / "w.npy", data)
    mapped = np.load(tmp_path / "w.npy", mmap_mode="r")
    graph = Graph()
    b = GraphBuilder(graph)
    x = graph.add_input("x", Tensor(f32, (3, 32)))
    w = b.constant(mapped, "w")
    turned = b.op("transpose", w, perm=(1, 0))
    part = b.op("slice", turned, starts=(0, 8), sizes=(32, 16), steps=(1, 2))
    graph.set_outputs([b.op("matmul", x, part)])
    assert FoldConstants().run(graph, Context())
    (node,) = all_constants(graph)
    array = node.attrs["data"].array
    assert np.shares_memory(array, mapped) and not array.flags.writeable
    assert np.array_equal(array, data.T[:, 8:40:2])


def test_huge_values_on_the_way_are_not_computed() -> None:
    graph = Graph()
    b = GraphBuilder(graph)
    fill = b.op("broadcast", b.literal(1.0, f32), shape=(1 << 16, 1 << 15))
    graph.set_outputs([b.op("reduce_sum", b.op("exp", fill), axes=(0, 1))])
    context = Context("fold-constants")
    assert FoldConstants().run(graph, context) is False
    assert [r.code for r in context.remarks] == ["folding-effort"]
    context = Context("fold-constants")
    assert FoldConstants(effort=1 << 62).run(graph, context) is False, "8 GiB on the way"
    assert "8589934592 bytes" in context.remarks[0].message


def test_work_beyond_the_effort_is_left() -> None:
    graph = Graph()
    b = GraphBuilder(graph)
    a = b.constant(np.ones((64, 64), np.float32))
    graph.set_outputs([b.op("reduce_sum", b.op("matmul", a, a), axes=(0, 1))])
    context = Context("fold-constants")
    assert FoldConstants(effort=1000).run(graph, context) is False
    assert f"{2 * 64**3} operations" in context.remarks[0].message
    assert FoldConstants().run(graph, Context()) is True


def test_libraries_and_loops_are_not_evaluated() -> None:
    graph = Graph()
    b = GraphBuilder(graph)
    body = Graph("body")
    body.add_input("i", Tensor(i64, ()))
    going = body.add_input("c", Tensor(b.literal(True, _bool()).type.dtype, ()))
    state = body.add_input("s", Tensor(f32, ()))
    body.set_outputs([going, GraphBuilder(body).op("exp", state)])
    trip, cond = b.literal(3, i64), b.literal(True, _bool())
    loop = b.op("loop", trip, cond, b.literal(1.0, f32), graphs=[body], carried=1)
    graph.set_outputs([loop])
    assert FoldConstants().run(graph, Context()) is False


def _bool() -> Any:
    from fusec.ir import bool_

    return bool_


def test_names_of_new_weights_are_distinct() -> None:
    graph = Graph()
    b = GraphBuilder(graph)
    x = graph.add_input("x", Tensor(f32, (32,)))
    first = b.hint("w").constant(np.arange(32, dtype=np.float32), "sum")
    second = b.hint("sum").op("exp", first)
    graph.set_outputs([b.op("add", b.op("mul", x, first), second)])
    assert FoldConstants().run(graph, Context())
    names = [n.attrs["data"].name for n in graph.nodes if n.is_constant]
    assert sorted(names) == ["sum", "sum.1"]


# -- equal constants -------------------------------------------------------------------------------


def _two_constants(a: Any, b: Any) -> tuple[Graph, bool]:
    graph = Graph()
    builder = GraphBuilder(graph)
    graph.set_outputs([builder.constant(a, "a"), builder.constant(b, "b")])
    return graph, EliminateCommonSubexpressions().run(graph, Context())


def test_constants_are_compared_by_bits() -> None:
    a = np.linspace(0, 1, 1000, dtype=np.float32)
    assert _two_constants(a, a.copy())[1] is True
    for place in (0, 1, 499, 999):
        b = a.copy()
        b[place] = -1.0
        assert _two_constants(a, b)[1] is False
    assert _two_constants(a, a.reshape(10, 100))[1] is False
    assert _two_constants(a, a.view(np.int32))[1] is False
    assert _two_constants(np.zeros(1, np.float32), -np.zeros(1, np.float32))[1] is False
    nan = np.array([0x7FC00000, 0x7FC00001], np.uint32).view(np.float32)
    assert _two_constants(nan, nan.copy())[1] is True
    assert _two_constants(nan, nan[::-1])[1] is False
    assert _two_constants(a[::-1], a[::-1].copy())[1] is True


def test_same_bytes_in_chunks(monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator) -> None:
    import fusec.passes.eliminate_common_subexpressions as module

    monkeypatch.setattr(module, "_CHUNK", 64)
    a = rng.standard_normal((37, 5)).astype(np.float32)
    b = a.copy()
    assert same_bytes(a, b)
    b[36, 4] += 1
    assert not same_bytes(a, b)
    assert same_bytes(a[:0], b[:0]) and same_bytes(a.reshape(-1)[:, None].T, a.reshape(1, -1))


def test_large_constants_are_never_hashed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Constant, "digest", property(lambda self: pytest.fail("hashed")))
    graph = Graph()
    b = GraphBuilder(graph)
    tables = [b.constant(np.full((300, 300), i, np.int8), f"w{i}") for i in range(6)]
    tables.append(b.constant(np.full((300, 300), 3, np.int8), "again"))
    graph.set_outputs([b.op("reduce_max", t, axes=(0, 1)) for t in tables])
    assert EliminateCommonSubexpressions().run(graph, Context())
    assert len([n for n in graph.nodes if n.is_constant]) == 6
    assert tables[3].type.dtype == i8


def test_shared_subexpressions_of_random_graphs() -> None:
    """A graph beside its own copy shrinks to the graph."""
    for seed in range(60):
        graph = seeded_graph(seed)
        EliminateCommonSubexpressions().run(graph, Context())
        nodes = len(graph)
        copies: dict[Value, Value] = {v: v for v in graph.inputs}
        for node in list(graph.nodes):
            twin = graph.create(
                node.op, [copies[v] for v in node.operands], node.attrs, graphs=node.graphs
            )
            copies.update(zip(node.results, twin.results, strict=True))
        graph.set_outputs([*graph.outputs, *[copies[v] for v in graph.outputs]])
        graph.output_names = []
        EliminateCommonSubexpressions().run(graph, Context())
        assert len(graph) == nodes
