"""Attention in the forms that exporters write: one kernel each, right in one pass over the keys."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch

from fusec.codegen.interpret import launch_interpreted
from fusec.ir import Graph, GraphBuilder, Tensor, Value, evaluate_graph, f32
from fusec.ir.types import DType, bool_, f16
from fusec.passes.base import Context
from fusec.passes.fuse import Fuse
from fusec.tile.kernel import Config
from fusec.tile.lower import lower
from fusec.tile.program import RunningMax, TileProgram
from tests.tile.bodies import softmax

Form = Callable[[GraphBuilder, list[Value]], Value]
HEADS, QUERIES, KEYS, HEAD = 4, 33, 50, 16


@dataclass(frozen=True)
class Case:
    name: str
    shapes: tuple[tuple[int, ...], ...]
    form: Form
    dtypes: tuple[DType, ...] = (f32, f32, f32, f32)


def keys_last(b: GraphBuilder, k: Value) -> Value:
    rank = k.type.rank
    return b.op("transpose", k, perm=(*range(rank - 2), rank - 1, rank - 2))


def weigh(b: GraphBuilder, scores: Value, v: Value) -> Value:
    return b.op("matmul", softmax(b, scores, scores.type.rank - 1), v)


def scaled_before(b: GraphBuilder, v: list[Value]) -> Value:
    half = b.literal(0.5, v[0].type.dtype)
    q, k = b.op("mul", v[0], half), b.op("mul", v[1], half)
    return weigh(b, b.op("matmul", q, keys_last(b, k)), v[2])


def scaled_after(b: GraphBuilder, v: list[Value]) -> Value:
    scores = b.op("matmul", v[0], keys_last(b, v[1]))
    return weigh(b, b.op("div", scores, b.literal(4.0, v[0].type.dtype)), v[2])


def added_mask(b: GraphBuilder, v: list[Value]) -> Value:
    return weigh(b, b.op("add", b.op("matmul", v[0], keys_last(b, v[1])), v[3]), v[2])


def chosen_mask(b: GraphBuilder, v: list[Value]) -> Value:
    scores = b.op("matmul", v[0], keys_last(b, v[1]))
    low = b.literal(float("-inf"), f32)
    return weigh(b, b.op("select", v[3], scores, low), v[2])


def causal(b: GraphBuilder, v: list[Value]) -> Value:
    scores = b.op("matmul", v[0], keys_last(b, v[1]))
    shape = (QUERIES, KEYS)
    rows, columns = (b.op("iota", shape=shape, axis=a, dtype=f32) for a in (0, 1))
    kept = b.op("ge", rows, columns)
    return weigh(b, b.op("select", kept, scores, b.literal(float("-inf"), f32)), v[2])


def shared_keys(b: GraphBuilder, v: list[Value]) -> Value:
    k, w = (b.op("broadcast", x, shape=(2, HEADS, KEYS, HEAD)) for x in v[1:3])
    flat = [b.op("reshape", x, shape=(2 * HEADS, x.type.shape[2], HEAD)) for x in (v[0], k, w)]
    return weigh(b, b.op("matmul", flat[0], keys_last(b, flat[1])), flat[2])


def transposed_scores(b: GraphBuilder, v: list[Value]) -> Value:
    scores = b.op("matmul", v[1], keys_last(b, v[0]))
    return weigh(b, keys_last(b, scores), v[2])


def heads_inside(b: GraphBuilder, v: list[Value]) -> Value:
    q, k, w = (b.op("transpose", x, perm=(0, 2, 1, 3)) for x in v[:3])
    out = weigh(b, b.op("matmul", q, keys_last(b, k)), w)
    out = b.op("transpose", out, perm=(0, 2, 1, 3))
    return b.op("reshape", out, shape=(2, QUERIES, HEADS * HEAD))


Q, K = (2, HEADS, QUERIES, HEAD), (2, HEADS, KEYS, HEAD)
CASES = [
    Case("scaled-on-both-sides", (Q, K, K), scaled_before),
    Case("scaled-after", (Q, K, K), scaled_after),
    Case("added-mask", (Q, K, K, (QUERIES, KEYS)), added_mask),
    Case("relative-position-bias", (Q, K, K, (1, HEADS, QUERIES, KEYS)), added_mask),
    Case("chosen-mask", (Q, K, K, (2, 1, QUERIES, KEYS)), chosen_mask, (f32, f32, f32, bool_)),
    Case("causal", (Q, K, K), causal),
    Case("one-head-of-keys", (Q, (2, 1, KEYS, HEAD), (2, 1, KEYS, HEAD)), shared_keys),
    Case("transposed-scores", (Q, K, K), transposed_scores),
    Case("wider-values", (Q, K, (2, HEADS, KEYS, 24)), scaled_after),
    Case(
        "heads-inside",
        ((2, QUERIES, HEADS, HEAD), (2, KEYS, HEADS, HEAD), (2, KEYS, HEADS, HEAD)),
        heads_inside,
    ),
    Case("halves", (Q, K, K), scaled_after, (f16, f16, f16)),
]


def graph_of(case: Case) -> Graph:
    graph = Graph()
    types = zip(case.shapes, case.dtypes, strict=False)
    values = [graph.add_input(f"x{i}", Tensor(d, s)) for i, (s, d) in enumerate(types)]
    graph.set_outputs([case.form(GraphBuilder(graph), values)])
    graph.output_names = ["y"]
    return graph


def operands_of(case: Case) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(7)
    drawn = [torch.randn(s, generator=generator) for s in case.shapes]
    for i, dtype in enumerate(case.dtypes[: len(drawn)]):
        drawn[i] = drawn[i] > 0.3 if dtype == bool_ else drawn[i].to(getattr(torch, dtype.name))
    if case.name == "chosen-mask":
        drawn[3][0, 0, 5] = False  # a row with nothing to look at: NaN, as in the reference
        drawn[3][1, 0, 6, :40] = False  # whole tiles of nothing first
    return drawn


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_one_kernel_in_one_pass(case: Case) -> None:
    graph, operands = graph_of(case), operands_of(case)
    (wanted,) = evaluate_graph(graph_of(case), operands)
    Fuse().run(graph, Context())
    (node,) = [n for n in graph.nodes if n.op.name == "fused"]
    program = lower(node.graphs[0])
    assert isinstance(program, TileProgram), program
    assert program.kind == "attention"
    assert sum(isinstance(s, RunningMax) for s in program.statements) == 1
    by_name = dict(zip([f"x{i}" for i in range(len(operands))], operands, strict=True))
    tensors = {
        b.name: by_name[v.name] for b, v in zip(program.operands, node.operands, strict=True)
    }
    found = torch.full_like(wanted.contiguous(), 77.0)
    tensors[program.results[0].name] = found
    tiles = {"m": 16, "e": 16, "k": 16, "n": 32 if "wider" in case.name else 16}
    launch_interpreted(
        program, "attention", Config("interpreter", tuple(tiles.items()), 4, 1), tensors, {}
    )
    loose = 2e-3 if wanted.dtype == torch.float16 else 2e-5
    torch.testing.assert_close(found, wanted, rtol=loose, atol=loose, equal_nan=True)
    assert wanted.isnan().any() == (case.name == "chosen-mask")
