"""Bodies that once lowered or printed wrongly: simulated and interpreted, against the evaluator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
import torch

from fusec.codegen import launch_interpreted
from fusec.ir import Graph, GraphBuilder, Tensor, Value, dtype, evaluate_graph
from fusec.ir.types import DType
from fusec.passes.base import Context
from fusec.passes.fuse import Fuse
from fusec.tile.candidates import interpreter_config
from fusec.tile.lower import lower
from fusec.tile.program import Refusal, TileProgram
from tests.tile.bodies import conv_attrs, softmax
from tests.tile.simulate import simulate, torch_dtype

Build = Callable[[GraphBuilder, Sequence[Value]], Value]
f16, f32, f64, i8, i64, u8 = (
    dtype(n) for n in ("float16", "float32", "float64", "int8", "int64", "uint8")
)
POOL: dict[str, Any] = {
    "kernel": (3, 3),
    "strides": (1, 1),
    "padding": ((1, 1),) * 2,
    "dilations": (1, 1),
}
DILATED: dict[str, Any] = {"kernel": (2,), "strides": (1,), "padding": ((1, 1),), "dilations": (2,)}


def draw(type: Tensor) -> torch.Tensor:
    shape = [int(str(d)) for d in type.shape]
    return torch.randn(shape).to(torch_dtype(type.dtype))


def zeros(type: Tensor) -> torch.Tensor:
    return torch.zeros([int(str(d)) for d in type.shape], dtype=torch_dtype(type.dtype))


@dataclass(frozen=True)
class Body:
    name: str
    types: tuple[Tensor, ...]
    build: Build
    data: Callable[[Tensor], torch.Tensor] = draw

    def graph(self) -> Graph:
        graph = Graph("body")
        values = [graph.add_input(f"in{i}", t) for i, t in enumerate(self.types)]
        graph.set_outputs([self.build(GraphBuilder(graph), values)])
        return graph

    def operands(self) -> list[torch.Tensor]:
        torch.manual_seed(0)
        return [self.data(t) for t in self.types]


def t(kind: DType, *shape: int) -> Tensor:
    return Tensor(kind, shape)


def channels(b: GraphBuilder, v: Sequence[Value]) -> Value:
    """Which channel a tap of an unrolled loop reads decides what it multiplies."""
    index = b.op("iota", shape=v[0].type.shape, axis=1, dtype=i64)
    chosen = b.op("select", b.op("gt", index, b.literal(1, i64)), v[0], b.literal(0.25, f32))
    return b.op("conv", chosen, v[1], **conv_attrs())


def outer(depth: int) -> Build:
    """Neither side varies along the contracted axis."""

    def build(b: GraphBuilder, v: Sequence[Value]) -> Value:
        left = b.op("broadcast", v[0], shape=(16, depth))
        right = b.op("broadcast", v[1], shape=(7, depth))
        return b.op("matmul", left, b.op("transpose", right, perm=(1, 0)))

    return build


def far_ids(type: Tensor) -> torch.Tensor:
    """One of them wraps to 200 in eight bits."""
    return torch.tensor([0, -56, 127, -1], dtype=torch.int8)


BODIES = [
    Body(
        "half-softmax-in-matmul",
        (t(f16, 32, 40), t(f16, 40, 16)),
        lambda b, v: b.op("matmul", softmax(b, v[0], 1), v[1]),
    ),
    Body(
        "argmax-pool-of-zeros",
        (t(u8, 1, 2, 4, 4),),
        lambda b, v: b.op("argmax_pool", *v, **POOL),
        zeros,
    ),
    Body(
        "argmax-pool-windows-of-padding",
        (t(f32, 2, 3, 1),),
        lambda b, v: b.op("argmax_pool", *v, **DILATED),
    ),
    Body(
        "argmax-pool-long-lines",
        (t(f64, 2, 4, 4, 4),),
        lambda b, v: b.op("argmax_pool", b.op("sigmoid", *v), **POOL),
    ),
    Body(
        "one-hot-deeper-than-its-indices",
        (t(i8, 4),),
        lambda b, v: b.op("one_hot", *v, depth=201, axis=1, dtype=f32),
        far_ids,
    ),
    Body("iota-over-taps", (t(f32, 1, 4, 8, 8), t(f32, 1, 4, 1, 1)), channels),
    *(Body(f"outer-product-{d}", (t(f32, 16, 1), t(f32, 7, 1)), outer(d)) for d in (4, 5, 40)),
]


@pytest.mark.parametrize("body", BODIES, ids=lambda b: b.name)
def test_computes_what_the_body_means(body: Body) -> None:
    graph, operands = body.graph(), body.operands()
    program = lower(graph)
    assert isinstance(program, TileProgram), program
    (wanted,) = evaluate_graph(graph, operands)
    tolerance: dict[str, Any] = {"rtol": 2e-3, "atol": 2e-3} if wanted.dtype.itemsize == 2 else {}
    (found,) = simulate(program, operands)
    torch.testing.assert_close(found, wanted, **tolerance)
    tensors = {f"in{i}": x for i, x in enumerate(operands)} | {"out0": torch.full_like(wanted, 7)}
    launch_interpreted(program, "kernel", interpreter_config(program), tensors, {})
    torch.testing.assert_close(tensors["out0"], wanted, **tolerance)


def test_a_row_chosen_by_each_element_of_a_row_is_refused() -> None:
    def rows(b: GraphBuilder, v: Sequence[Value]) -> Value:
        best = b.op("argmin", v[0], axis=1, select_last=True)
        return b.op("gather", best, v[1], axis=0)

    refused = lower(Body("rows", (t(f32, 2, 4, 6), t(i64, 2, 4)), rows).graph())
    assert isinstance(refused, Refusal)
    assert refused.code == "reduction-order"


def test_what_nothing_reads_is_no_kernel() -> None:
    graph = Graph()
    b, x = GraphBuilder(graph), graph.add_input("x", t(f32, 4))
    b.op("exp", b.op("neg", x))
    graph.set_outputs([b.op("abs", x)])
    Fuse().run(graph, Context())
    assert not Fuse().run(graph, Context())
    assert [n.op.name for n in graph.nodes] == ["fused", "exp", "fused"]
