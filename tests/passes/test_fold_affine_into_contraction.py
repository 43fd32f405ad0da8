"""fold-affine-into-contraction against torch's own layers, and its arithmetic against float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from fusec.ir import Graph, GraphBuilder, Tensor, Value, dtype, evaluate_graph, f32
from fusec.ir.reference import array_to_torch
from fusec.passes import affine_weights
from fusec.passes.affine import composed, step_of
from fusec.passes.affine_weights import scaled, weights_of
from fusec.passes.base import Context
from fusec.passes.fold_affine_into_contraction import FoldAffineIntoContraction
from fusec.passes.manager import PassManager
from fusec.passes.registry import parse_spec
from tests.ir.harness import Array

SPEC = "canonicalize,fold-constants,fold-affine-into-contraction"
EPSILON = 1e-5


class Norm:
    """Batch norm statistics of ordinary size, and the decomposition that exporters leave."""

    def __init__(self, rng: np.random.Generator, channels: int, kind: str = "float32") -> None:
        def make(low: float, high: float) -> Array:
            return np.asarray(rng.uniform(low, high, channels).astype(kind))

        self.scale, self.bias = make(0.5, 1.5), make(-0.5, 0.5)
        self.mean, self.variance = make(-0.5, 0.5), make(0.5, 2.0)

    def build(self, b: GraphBuilder, x: Value, spatial: int) -> Value:
        shape = (-1, *(1,) * spatial)
        kind = x.type.dtype

        def constant(array: Array) -> Value:
            return b.constant(array.reshape(shape))

        variance = b.op("add", constant(self.variance), b.literal(EPSILON, kind))
        norm = b.op("div", b.op("sub", x, constant(self.mean)), b.op("sqrt", variance))
        return b.op("add", b.op("mul", norm, constant(self.scale)), constant(self.bias))

    def reference(self, x: torch.Tensor) -> torch.Tensor:
        arrays = (self.mean, self.variance, self.scale, self.bias)
        mean, variance, scale, bias = map(torch.from_numpy, arrays)
        return torch.nn.functional.batch_norm(x, mean, variance, scale, bias, eps=EPSILON)


def draw(rng: np.random.Generator, *shape: int) -> Array:
    return rng.standard_normal(shape).astype(np.float32)


def settings(rank: int, stride: int, pad: int, dilation: int, groups: int) -> dict[str, Any]:
    return {
        "strides": (stride,) * rank,
        "padding": ((pad, pad),) * rank,
        "dilations": (dilation,) * rank,
        "groups": groups,
    }


def fold(graph: Graph, result: Value) -> list[str]:
    """Run the passes; the ops that are left."""
    graph.set_outputs([result])
    PassManager(parse_spec(SPEC)).run(graph)
    return [n.op.name for n in graph.nodes if not n.is_constant]


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize(
    ("stride", "pad", "dilation", "groups"),
    [(1, 1, 1, 1), (2, 0, 1, 2), (1, 2, 2, 6), (3, 1, 1, 3)],
)
def test_convolution_and_batch_norm(
    rank: int, stride: int, pad: int, dilation: int, groups: int, rng: np.random.Generator
) -> None:
    x, w = draw(rng, 2, 6, *(9,) * rank), draw(rng, 12, 6 // groups, *(3,) * rank) / 4
    norm, graph = Norm(rng, 12), Graph()
    b = GraphBuilder(graph)
    data = graph.add_input("x", Tensor(f32, x.shape))
    attrs = settings(rank, stride, pad, dilation, groups)
    result = norm.build(b, b.op("conv", data, b.constant(w, "w"), **attrs), rank)
    assert fold(graph, result) == ["conv", "add"]
    function = getattr(torch.nn.functional, f"conv{rank}d")
    wanted = norm.reference(
        function(torch.from_numpy(x), torch.from_numpy(w), None, stride, pad, dilation, groups)
    )
    (found,) = evaluate_graph(graph, [torch.from_numpy(x)])
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("stride", "pad", "groups"), [(1, 0, 1), (2, 1, 2), (3, 2, 6)])
def test_transposed_convolution_and_batch_norm(
    stride: int, pad: int, groups: int, rng: np.random.Generator
) -> None:
    x, w = draw(rng, 2, 6, 5, 7), draw(rng, 6, 12 // groups, 3, 3) / 4
    norm, graph = Norm(rng, 12), Graph()
    b = GraphBuilder(graph)
    data = graph.add_input("x", Tensor(f32, x.shape))
    attrs = {**settings(2, stride, pad, 1, groups), "output_padding": (stride - 1, 0)}
    product = b.op("conv_transpose", data, b.constant(w, "w"), **attrs)
    assert fold(graph, norm.build(b, product, 2)) == ["conv_transpose", "add"]
    wanted = norm.reference(
        torch.nn.functional.conv_transpose2d(
            torch.from_numpy(x), torch.from_numpy(w), None, stride, pad, (stride - 1, 0), groups
        )
    )
    (found,) = evaluate_graph(graph, [torch.from_numpy(x)])
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)


def test_linear_layer_between_two_norms(rng: np.random.Generator) -> None:
    x, w, bias = draw(rng, 5, 8), draw(rng, 8, 3), draw(rng, 3)
    before, after, graph = Norm(rng, 8), Norm(rng, 3), Graph()
    b = GraphBuilder(graph)
    data = graph.add_input("x", Tensor(f32, x.shape))
    product = b.op("matmul", before.build(b, data, 0), b.constant(w, "w"))
    result = after.build(b, b.op("add", product, b.constant(bias)), 0)
    assert fold(graph, result) == ["matmul", "add"]
    wanted = after.reference(
        before.reference(torch.from_numpy(x)) @ torch.from_numpy(w) + torch.from_numpy(bias)
    )
    (found,) = evaluate_graph(graph, [torch.from_numpy(x)])
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", ["float16", "bfloat16", "float32"])
def test_weights_are_multiplied_in_float64_and_rounded_once(
    kind: str, rng: np.random.Generator
) -> None:
    held = dtype(kind).numpy
    w = rng.standard_normal((16, 3, 3, 3)).astype(held)
    factors = [rng.uniform(0.5, 1.5, (16, 1, 1)).astype(held) for _ in range(3)]
    shifts = [rng.uniform(-0.5, 0.5, (16, 1, 1)).astype(held) for _ in range(3)]
    graph = Graph()
    b = GraphBuilder(graph)
    x = graph.add_input("x", Tensor(dtype(kind), (1, 3, 5, 5)))
    value = b.op("conv", x, b.constant(w, "w"), **settings(2, 1, 1, 1, 1))
    for factor, shift in zip(factors, shifts, strict=True):
        value = b.op("add", b.op("mul", value, b.constant(factor)), b.constant(shift))
    graph.set_outputs([value])
    assert FoldAffineIntoContraction().run(graph, Context())
    scale, total = np.ones((16, 1, 1)), np.zeros((16, 1, 1))
    for factor, shift in zip(factors, shifts, strict=True):
        wide = factor.astype(np.float64)
        scale, total = wide * scale, wide * total + shift.astype(np.float64)
    found = {n.result.name: n.attrs["data"].array for n in graph.nodes if n.is_constant}
    exact = (w.astype(np.float64) * scale[..., None]).astype(held)
    assert np.array_equal(found["w.scaled"].astype(np.float64), exact.astype(np.float64))
    (shift,) = (v for k, v in found.items() if k.endswith("shift"))
    assert np.array_equal(
        shift.astype(np.float64).reshape(-1), total.astype(held).astype(np.float64).reshape(-1)
    )


@pytest.mark.parametrize("shape", [(7, 5), (1, 9), (64, 3, 3, 3), (0, 4)])
def test_weights_are_scaled_in_pieces(
    shape: tuple[int, ...], rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(affine_weights, "_CHUNK", 64)
    w = draw(rng, *shape)
    for axis in (0, 1):
        factor = rng.standard_normal([d if i == axis else 1 for i, d in enumerate(shape)])
        found = scaled(w, factor)
        assert found is not None and np.array_equal(found, (w * factor).astype(np.float32))
    assert w.size == 0 or scaled(w, np.full((1,) * w.ndim, 1e300)) is None


@pytest.mark.parametrize("side", [0, 1])
def test_a_shift_is_carried_through_large_weights_in_pieces(
    side: int, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(affine_weights, "_CHUNK", 256)
    w, x, t = draw(rng, 2, 11, 13), draw(rng, 2, 13, 11), draw(rng, 13, 1)
    x, t = (x, t) if side == 0 else (x.swapaxes(1, 2), t.T)
    w = w if side == 0 else w.swapaxes(1, 2)
    graph = Graph()
    b = GraphBuilder(graph)
    data, weight = graph.add_input("x", Tensor(f32, x.shape)), b.constant(w, "w")
    operands = (weight, data) if side == 0 else (data, weight)
    product = b.op("matmul", *operands)
    assert product.node is not None
    weights = weights_of(product.node)
    assert weights is not None and weights.index == side
    wanted = w.astype(np.float64) @ t if side == 0 else t @ w.astype(np.float64)
    np.testing.assert_allclose(weights.carried(t.astype(np.float64)), wanted, rtol=1e-12)
    assert weights.carried(np.array(2.0)).shape == wanted.shape


def test_steps_compose(rng: np.random.Generator) -> None:
    graph = Graph()
    b = GraphBuilder(graph)
    x = graph.add_input("x", Tensor(f32, (2, 3)))
    c = [b.constant(draw(rng, 3)) for _ in range(4)]
    value = b.op("sub", c[0], b.op("mul", x, c[1]))
    value = b.op("div", b.op("neg", b.op("sub", value, c[2])), c[3])
    graph.set_outputs([value])
    nodes = [n for n in graph.nodes if not n.is_constant]
    steps = [s for s in map(step_of, nodes) if s is not None]
    assert len(steps) == len(nodes)
    affine, data = composed(steps), draw(rng, 2, 3)
    (found,) = evaluate_graph(graph, [torch.from_numpy(data)])
    np.testing.assert_allclose(affine.scale * data + affine.shift, found.numpy(), rtol=1e-4)


def test_what_is_no_affine_step() -> None:
    graph = Graph()
    b = GraphBuilder(graph)
    x = graph.add_input("x", Tensor(f32, (1, 3)))
    larger = b.constant(np.ones((2, 3), np.float32))
    values = [
        b.op("div", b.literal(1.0, f32), x),
        b.op("mul", x, x),
        b.op("maximum", x, b.literal(0.0, f32)),
        b.op("mul", x, larger),
        b.op("add", larger, larger),
    ]
    assert all(v.node is not None and step_of(v.node) is None for v in values)


def test_nothing_is_read_twice_from_a_file(rng: np.random.Generator) -> None:
    """The source weights are only read; the result is a new array."""
    w = draw(rng, 4, 3, 1, 1)
    w.flags.writeable = False
    graph = Graph()
    b = GraphBuilder(graph)
    x = graph.add_input("x", Tensor(f32, (1, 3, 2, 2)))
    value = b.op("conv", x, b.constant(w, "w"), **settings(2, 1, 0, 1, 1))
    graph.set_outputs([b.op("mul", value, b.literal(2.0, f32))])
    assert FoldAffineIntoContraction().run(graph, Context())
    (node,) = (n for n in graph.nodes if n.is_constant)
    assert np.array_equal(array_to_torch(node.attrs["data"].array, f32).numpy(), 2 * w)
