"""Bodies for the tile tests: each builds a graph and computes the same with torch itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F

from fusec.ir import Graph, GraphBuilder, Tensor, Value, f32, i64
from fusec.ir.types import DType

Build = Callable[[GraphBuilder, Sequence[Value]], Sequence[Value]]
Eager = Callable[..., Sequence[torch.Tensor]]


@dataclass(frozen=True)
class Case:
    """Operand types by shape (and dtype), the body, the same in torch eager, the kind expected."""

    name: str
    shapes: tuple[tuple[int, ...], ...]
    build: Build
    eager: Eager
    kind: str
    dtypes: tuple[DType, ...] = ()
    high: int = 0  # integers are drawn below it

    def graph(self) -> Graph:
        graph = Graph("body")
        dtypes = self.dtypes or (f32,) * len(self.shapes)
        values = [
            graph.add_input(f"in{i}", Tensor(d, s))
            for i, (s, d) in enumerate(zip(self.shapes, dtypes, strict=True))
        ]
        graph.set_outputs(list(self.build(GraphBuilder(graph), values)))
        graph.output_names = [v.name for v in graph.outputs]
        return graph

    def operands(self, seed: int = 0) -> list[torch.Tensor]:
        generator = torch.Generator().manual_seed(seed)
        dtypes = self.dtypes or (f32,) * len(self.shapes)
        return [
            torch.randn(s, generator=generator)
            if d.is_float
            else torch.randint(0, self.high, s, generator=generator).to(torch.int64)
            for s, d in zip(self.shapes, dtypes, strict=True)
        ]


CASES: list[Case] = []


Bodies = Callable[[], tuple[Build, Eager]]


def case(
    name: str, kind: str, *shapes: tuple[int, ...], dtypes: tuple[DType, ...] = (), high: int = 0
) -> Callable[[Bodies], Bodies]:
    def wrap(function: Bodies) -> Bodies:
        build, eager = function()
        CASES.append(Case(name, shapes, build, eager, kind, dtypes, high))
        return function

    return wrap


def conv_attrs(
    stride: int = 1, pad: int = 0, dilation: int = 1, groups: int = 1, rank: int = 2
) -> dict[str, Any]:
    return {
        "strides": (stride,) * rank,
        "padding": ((pad, pad),) * rank,
        "dilations": (dilation,) * rank,
        "groups": groups,
    }


@case("broadcast-add-relu", "pointwise", (2, 3, 5), (3, 1))
def _add_relu() -> tuple[Build, Eager]:
    return (
        lambda b, v: [b.op("maximum", b.op("add", *v), b.literal(0.0, f32))],
        lambda x, y: [torch.relu(x + y)],
    )


@case("two-results", "pointwise", (4, 6), (4, 6))
def _two() -> tuple[Build, Eager]:
    def build(b: GraphBuilder, v: Sequence[Value]) -> Sequence[Value]:
        s = b.op("add", *v)
        return [s, b.op("reshape", b.op("neg", s), shape=(3, 8))]

    return build, lambda x, y: [x + y, -(x + y).reshape(3, 8)]


@case("pixel-shuffle", "move", (1, 12, 5, 7))
def _shuffle() -> tuple[Build, Eager]:
    def build(b: GraphBuilder, v: Sequence[Value]) -> Sequence[Value]:
        y = b.op("reshape", v[0], shape=(1, 3, 2, 2, 5, 7))
        y = b.op("transpose", y, perm=(0, 1, 4, 2, 5, 3))
        return [b.op("reshape", y, shape=(1, 3, 10, 14))]

    return build, lambda x: [F.pixel_shuffle(x, 2)]


@case("concat-slice-reverse-pad", "pointwise", (2, 3, 4), (2, 5, 4))
def _concat() -> tuple[Build, Eager]:
    def build(b: GraphBuilder, v: Sequence[Value]) -> Sequence[Value]:
        y = b.op("concat", b.op("exp", v[0]), b.op("reverse", v[1], axes=(1, 2)), axis=1)
        y = b.op("slice", y, starts=(0, 1, 0), sizes=(2, 3, 2), steps=(1, 2, 2))
        return [b.op("pad", y, padding=((0, 0), (1, 2), (0, 3)), value=1.5)]

    def eager(x: torch.Tensor, y: torch.Tensor) -> list[torch.Tensor]:
        z = torch.cat([x.exp(), y.flip(1, 2)], 1)[:, 1:7:2, 0:4:2]
        return [F.pad(z, (0, 3, 1, 2), value=1.5)]

    return build, eager


@case("gather-rows", "pointwise", (10, 6), (3, 2), dtypes=(f32, i64), high=10)
def _gather() -> tuple[Build, Eager]:
    return (
        lambda b, v: [b.op("neg", b.op("gather", v[0], v[1], axis=0))],
        lambda x, i: [-x[i]],
    )


def softmax(b: GraphBuilder, x: Value, axis: int) -> Value:
    kept = tuple(1 if d == axis else n for d, n in enumerate(x.type.shape))
    top = b.op("reshape", b.op("reduce_max", x, axes=(axis,)), shape=kept)
    e = b.op("exp", b.op("sub", x, top))
    return b.op("div", e, b.op("reshape", b.op("reduce_sum", e, axes=(axis,)), shape=kept))


@case("softmax-rows", "reduction", (6, 33))
def _softmax() -> tuple[Build, Eager]:
    return lambda b, v: [softmax(b, v[0], 1)], lambda x: [x.softmax(1)]


@case("softmax-columns", "reduction", (3, 300, 5))
def _softmax_columns() -> tuple[Build, Eager]:
    return lambda b, v: [softmax(b, v[0], 1)], lambda x: [x.softmax(1)]


@case("softmax-long-rows", "reduction", (2, 9001))
def _softmax_long() -> tuple[Build, Eager]:
    return lambda b, v: [softmax(b, v[0], 1)], lambda x: [x.softmax(1)]


@case("group-norm", "reduction", (2, 6, 4, 5), (6, 1, 1))
def _group_norm() -> tuple[Build, Eager]:
    def build(b: GraphBuilder, v: Sequence[Value]) -> Sequence[Value]:
        x = b.op("reshape", v[0], shape=(2, 3, 40))
        scale = b.literal(1 / 40, f32)
        mean = b.op("mul", b.op("reduce_sum", x, axes=(2,)), scale)
        c = b.op("sub", x, b.op("reshape", mean, shape=(2, 3, 1)))
        var = b.op("mul", b.op("reduce_sum", b.op("mul", c, c), axes=(2,)), scale)
        r = b.op("reshape", b.op("rsqrt", b.op("add", var, b.literal(1e-5, f32))), shape=(2, 3, 1))
        return [b.op("mul", b.op("reshape", b.op("mul", c, r), shape=(2, 6, 4, 5)), v[1])]

    return build, lambda x, w: [F.group_norm(x, 3, w.flatten())]


@case("mean-of-planes-scaled", "reduction", (2, 3, 7, 7))
def _gap() -> tuple[Build, Eager]:
    def build(b: GraphBuilder, v: Sequence[Value]) -> Sequence[Value]:
        s = b.op("reduce_sum", b.op("maximum", v[0], b.literal(0.0, f32)), axes=(2, 3))
        return [b.op("reshape", b.op("mul", s, b.literal(1 / 49, f32)), shape=(2, 3, 1, 1))]

    return build, lambda x: [x.relu().mean((2, 3), keepdim=True)]


@case("argmax-middle", "reduction", (4, 7, 3))
def _argmax() -> tuple[Build, Eager]:
    return lambda b, v: [b.op("argmax", v[0], axis=1)], lambda x: [x.argmax(1)]


@case("matmul-bias-gelu-like-residual", "contraction", (37, 50), (50, 45), (45,), (37, 45))
def _matmul() -> tuple[Build, Eager]:
    def build(b: GraphBuilder, v: Sequence[Value]) -> Sequence[Value]:
        y = b.op("add", b.op("matmul", v[0], v[1]), v[2])
        return [b.op("add", b.op("mul", y, b.op("sigmoid", y)), v[3])]

    return build, lambda a, w, c, r: [F.silu(a @ w + c) + r]


@case("batched-matmul-transposed-prologue-heads", "contraction", (2, 3, 8, 5), (2, 3, 9, 5))
def _batched() -> tuple[Build, Eager]:
    def build(b: GraphBuilder, v: Sequence[Value]) -> Sequence[Value]:
        k = b.op("transpose", b.op("mul", v[1], b.literal(0.5, f32)), perm=(0, 1, 3, 2))
        return [b.op("transpose", b.op("matmul", b.op("exp", v[0]), k), perm=(0, 2, 1, 3))]

    return build, lambda q, k: [(q.exp() @ (k * 0.5).transpose(2, 3)).transpose(1, 2)]


@case("shared-right-side", "contraction", (2, 7, 12), (12, 8))
def _shared() -> tuple[Build, Eager]:
    def build(b: GraphBuilder, v: Sequence[Value]) -> Sequence[Value]:
        y = b.op("reshape", b.op("matmul", *v), shape=(2, 7, 2, 4))
        return [b.op("transpose", y, perm=(0, 2, 1, 3))]

    return build, lambda a, w: [(a @ w).reshape(2, 7, 2, 4).transpose(1, 2)]


@case("vector-matrix", "reduction", (1, 300), (300, 20))
def _vector() -> tuple[Build, Eager]:
    return lambda b, v: [b.op("matmul", *v)], lambda a, w: [a @ w]


@case("conv-bias-relu-residual", "contraction", (2, 5, 9, 8), (7, 5, 3, 3), (7, 1, 1), (2, 7, 5, 4))
def _conv() -> tuple[Build, Eager]:
    def build(b: GraphBuilder, v: Sequence[Value]) -> Sequence[Value]:
        y = b.op("conv", v[0], v[1], **conv_attrs(stride=2, pad=1))
        return [b.op("maximum", b.op("add", b.op("add", y, v[2]), v[3]), b.literal(0.0, f32))]

    return build, lambda x, w, c, r: [torch.relu(F.conv2d(x, w, c.flatten(), 2, 1) + r)]


@case("conv-prologue-padding", "contraction", (1, 4, 6, 6), (5, 4, 3, 3), (4, 1, 1))
def _conv_prologue() -> tuple[Build, Eager]:
    def build(b: GraphBuilder, v: Sequence[Value]) -> Sequence[Value]:
        return [
            b.op(
                "conv", b.op("exp", b.op("mul", v[0], v[2])), v[1], **conv_attrs(pad=1, dilation=2)
            )
        ]

    return build, lambda x, w, s: [F.conv2d((x * s).exp(), w, padding=1, dilation=2)]


@case("grouped-conv", "contraction", (2, 16, 6, 5), (24, 8, 3, 3))
def _grouped() -> tuple[Build, Eager]:
    return (
        lambda b, v: [b.op("conv", *v, **conv_attrs(pad=1, groups=2))],
        lambda x, w: [F.conv2d(x, w, padding=1, groups=2)],
    )


@case("depthwise-conv-multiplier", "window", (2, 3, 16, 15), (6, 1, 5, 5))
def _depthwise() -> tuple[Build, Eager]:
    return (
        lambda b, v: [b.op("sigmoid", b.op("conv", *v, **conv_attrs(stride=2, pad=2, groups=3)))],
        lambda x, w: [F.conv2d(x, w, stride=2, padding=2, groups=3).sigmoid()],
    )


@case("conv-1d", "contraction", (2, 4, 30), (6, 4, 5))
def _conv1d() -> tuple[Build, Eager]:
    return (
        lambda b, v: [b.op("conv", *v, **conv_attrs(stride=3, pad=2, rank=1))],
        lambda x, w: [F.conv1d(x, w, stride=3, padding=2)],
    )


@case("conv-3d", "contraction", (1, 2, 5, 6, 4), (3, 2, 3, 2, 2))
def _conv3d() -> tuple[Build, Eager]:
    return (
        lambda b, v: [b.op("conv", *v, **conv_attrs(pad=1, rank=3))],
        lambda x, w: [F.conv3d(x, w, padding=1)],
    )


@case("conv-transpose", "contraction", (2, 4, 5, 6), (4, 3, 3, 4))
def _conv_transpose() -> tuple[Build, Eager]:
    attrs = {**conv_attrs(stride=2, pad=1), "output_padding": (1, 0)}
    return (
        lambda b, v: [b.op("conv_transpose", *v, **attrs)],
        lambda x, w: [F.conv_transpose2d(x, w, stride=2, padding=1, output_padding=(1, 0))],
    )


@case("grouped-conv-transpose", "window", (1, 4, 5), (4, 2, 3))
def _conv_transpose_grouped() -> tuple[Build, Eager]:
    attrs = {**conv_attrs(stride=3, dilation=2, groups=2, rank=1), "output_padding": (2,)}
    return (
        lambda b, v: [b.op("conv_transpose", *v, **attrs)],
        lambda x, w: [F.conv_transpose1d(x, w, stride=3, output_padding=2, groups=2, dilation=2)],
    )


@case("max-pool-padded", "window", (2, 3, 12, 13))
def _max_pool() -> tuple[Build, Eager]:
    attrs = {"kernel": (3, 3), "strides": (2, 2), "padding": ((1, 1), (1, 1)), "dilations": (1, 1)}
    return (
        lambda b, v: [b.op("max_pool", b.op("neg", v[0]), **attrs)],
        lambda x: [F.max_pool2d(-x, 3, 2, 1)],
    )


@case("max-pool-positions", "window", (2, 3, 12, 13))
def _argmax_pool() -> tuple[Build, Eager]:
    attrs = {"kernel": (2, 3), "strides": (2, 3), "padding": ((0, 0), (0, 0)), "dilations": (1, 1)}
    return (
        lambda b, v: [b.op("argmax_pool", v[0], **attrs)],
        lambda x: [F.max_pool2d(x, (2, 3), (2, 3), return_indices=True)[1]],
    )


@case("sum-pool", "window", (1, 2, 10, 9))
def _sum_pool() -> tuple[Build, Eager]:
    attrs = {"kernel": (3, 3), "strides": (1, 1), "padding": ((1, 1), (1, 1)), "dilations": (1, 1)}
    return (
        lambda b, v: [b.op("mul", b.op("sum_pool", v[0], **attrs), b.literal(1 / 9, f32))],
        lambda x: [F.avg_pool2d(x, 3, 1, 1)],
    )


def attention(
    b: GraphBuilder, q: Value, k: Value, v: Value, scale: float, mask: Value | None
) -> Value:
    rank = k.type.rank
    perm = (*range(rank - 2), rank - 1, rank - 2)
    s = b.op("mul", b.op("matmul", q, b.op("transpose", k, perm=perm)), b.literal(scale, f32))
    s = s if mask is None else b.op("add", s, mask)
    return b.op("matmul", softmax(b, s, s.type.rank - 1), v)


@case("attention-heads-from-rows", "attention", (2, 50, 3 * 4 * 8))
def _attention() -> tuple[Build, Eager]:
    def build(b: GraphBuilder, v: Sequence[Value]) -> Sequence[Value]:
        x = b.op("transpose", b.op("reshape", v[0], shape=(2, 50, 3, 4, 8)), perm=(2, 0, 3, 1, 4))
        parts = [
            b.op(
                "reshape",
                b.op("slice", x, starts=(i, 0, 0, 0, 0), sizes=(1, 2, 4, 50, 8), steps=(1,) * 5),
                shape=(2, 4, 50, 8),
            )
            for i in range(3)
        ]
        q, k, w = parts
        y = b.op("transpose", attention(b, q, k, w, 8**-0.5, None), perm=(0, 2, 1, 3))
        return [b.op("reshape", y, shape=(2, 50, 32))]

    def eager(x: torch.Tensor) -> list[torch.Tensor]:
        q, k, v = x.reshape(2, 50, 3, 4, 8).permute(2, 0, 3, 1, 4)
        return [F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(2, 50, 32)]

    return build, eager


@case("cross-attention-masked", "attention", (3, 20, 16), (3, 37, 16), (3, 37, 24), (20, 37))
def _masked_attention() -> tuple[Build, Eager]:
    def eager(
        q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, m: torch.Tensor
    ) -> list[torch.Tensor]:
        return [F.scaled_dot_product_attention(q, k, v, m, scale=0.3)]

    return lambda b, v: [attention(b, v[0], v[1], v[2], 0.3, v[3])], eager


@case("attention-of-one-query", "attention", (2, 1, 16), (2, 40, 16), (2, 40, 16))
def _one_query() -> tuple[Build, Eager]:
    return (
        lambda b, v: [attention(b, v[0], v[1], v[2], 0.25, None)],
        lambda q, k, v: [F.scaled_dot_product_attention(q, k, v, scale=0.25)],
    )


@case("layer-norm-before-matmul", "contraction", (2, 9, 48), (48, 33), (48,), (33,))
def _norm_matmul() -> tuple[Build, Eager]:
    def build(b: GraphBuilder, v: Sequence[Value]) -> Sequence[Value]:
        x, w, scale, bias = v
        mean = b.op("mul", b.op("reduce_sum", x, axes=(2,)), b.literal(1 / 48, f32))
        c = b.op("sub", x, b.op("reshape", mean, shape=(2, 9, 1)))
        var = b.op("mul", b.op("reduce_sum", b.op("mul", c, c), axes=(2,)), b.literal(1 / 48, f32))
        r = b.op("rsqrt", b.op("add", var, b.literal(1e-5, f32)))
        y = b.op("mul", b.op("mul", c, b.op("reshape", r, shape=(2, 9, 1))), scale)
        return [b.op("add", b.op("matmul", y, w), bias)]

    return build, lambda x, w, s, c: [F.layer_norm(x, (48,), s) @ w + c]
