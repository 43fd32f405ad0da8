"""matmul and convolutions against sums written out in numpy, and against torch."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
import torch

from fusec.ir import Graph, GraphBuilder, Tensor, dtype, f32, i32, symbol
from tests.ir.harness import FLOATS, INTEGERS, Array, draw, run, same_bits, wide, wrap

TOLERANCE = {"float16": 2e-3, "bfloat16": 1.6e-2, "float32": 1e-5, "float64": 1e-12}


def rng(name: str) -> np.random.Generator:
    return np.random.default_rng(sum(name.encode()))


def check(found: Array, exact: Array, kind: str) -> None:
    if dtype(kind).is_float:
        error = np.linalg.norm(wide(found) - exact) / np.linalg.norm(exact)
        assert error < TOLERANCE[kind], error
    else:
        same_bits(found, wrap(exact, dtype(kind)))


SHAPES = [
    ((3, 5), (5, 2)),
    ((2, 1, 4, 7), (3, 7, 1)),
    ((1, 9), (4, 9, 3)),
    ((2, 3, 0), (0, 4)),
    ((5, 3, 130), (5, 130, 2)),
]


@pytest.mark.parametrize("kind", [*FLOATS, *INTEGERS])
@pytest.mark.parametrize("shapes", SHAPES, ids=str)
def test_matmul(shapes: tuple[tuple[int, ...], tuple[int, ...]], kind: str) -> None:
    a, b = (draw(rng(kind), kind, shape) for shape in shapes)
    if not shapes[0][-1]:
        assert not run("matmul", a, b).any()
        return
    exact = np.matmul(wide(a), wide(b))
    check(run("matmul", a, b), exact, kind)


def test_matmul_of_bytes_into_int32() -> None:
    a, b = draw(rng("a"), "uint8", (3, 300)), draw(rng("b"), "int8", (300, 4))
    found = run("matmul", a, b, dtype=i32)
    np.testing.assert_array_equal(found, a.astype(np.int64) @ b.astype(np.int64))


def test_matmul_of_halves_accumulates_in_float32_and_may_return_it() -> None:
    a, b = draw(rng("a"), "float16", (2, 512)), draw(rng("b"), "float16", (512, 2))
    np.testing.assert_allclose(
        run("matmul", a, b, dtype=f32), wide(a) @ wide(b), rtol=1e-4, atol=1e-4
    )


def convolve(x: Array, w: Array, attrs: dict[str, Any]) -> Array:
    """A convolution, term by term, in the arithmetic of the operands' dtype."""
    pads: Any = ((0, 0), (0, 0), *attrs["padding"])
    padded = np.zeros([b + n + a for n, (b, a) in zip(x.shape, pads, strict=True)], x.dtype)
    padded[tuple(slice(b, b + n) for n, (b, _) in zip(x.shape, pads, strict=True))] = x
    x = padded
    groups, strides, dilations = attrs["groups"], attrs["strides"], attrs["dilations"]
    kernel = w.shape[2:]
    out = [
        (size - d * (k - 1) - 1) // s + 1
        for size, k, s, d in zip(x.shape[2:], kernel, strides, dilations, strict=True)
    ]
    result = np.zeros((x.shape[0], w.shape[0], *out), x.dtype)
    inputs, outputs = w.shape[1], w.shape[0] // groups
    for g in range(groups):
        channels = x[:, g * inputs : (g + 1) * inputs]
        filters = w[g * outputs : (g + 1) * outputs]
        for at in product(*map(range, kernel)):
            cut = tuple(
                slice(i * d, i * d + (o - 1) * s + 1, s)
                for i, d, o, s in zip(at, dilations, out, strides, strict=True)
            )
            columns = channels[(slice(None), slice(None), *cut)]
            place: Any = (slice(None), slice(None), *at)
            tap = filters[place]
            part = np.moveaxis(np.tensordot(tap, columns, (1, 1)), 0, 1)
            result[:, g * outputs : (g + 1) * outputs] += part
    return result


CONVOLUTIONS = [
    ((2, 3, 9), (4, 3, 3), (1,), ((1, 1),), (1,), 1),
    ((1, 4, 11), (6, 2, 4), (3,), ((0, 2),), (2,), 2),
    ((2, 3, 8, 7), (5, 3, 3, 2), (1, 1), ((0, 0), (0, 0)), (1, 1), 1),
    ((1, 4, 9, 10), (4, 1, 3, 3), (2, 1), ((1, 1), (1, 1)), (1, 2), 4),
    ((1, 2, 6, 7), (3, 2, 3, 3), (2, 3), ((2, 0), (1, 3)), (1, 1), 1),
    ((1, 2, 5, 4, 6), (3, 2, 2, 3, 2), (1, 2, 1), ((0, 1), (1, 1), (0, 0)), (1, 1, 2), 1),
    (
        (1, 2, 3, 4, 3, 5),
        (2, 1, 2, 2, 2, 2),
        (1, 2, 1, 1),
        ((1, 0), (0, 0), (0, 1), (1, 1)),
        (1, 1, 1, 2),
        2,
    ),
]


def convolution_attrs(case: tuple[Any, ...]) -> dict[str, Any]:
    return dict(zip(("strides", "padding", "dilations", "groups"), case[2:], strict=True))


@pytest.mark.parametrize("kind", [*FLOATS, "int8", "uint8", "int16", "int32", "int64", "uint32"])
@pytest.mark.parametrize("case", CONVOLUTIONS, ids=lambda c: f"{c[0]}-{c[1]}")
def test_conv(case: tuple[Any, ...], kind: str) -> None:
    x, w = draw(rng(kind), kind, case[0]), draw(rng("w"), kind, case[1])
    attrs = convolution_attrs(case)
    check(run("conv", x, w, **attrs), convolve(wide(x), wide(w), attrs), kind)


def transposed(x: Array, w: Array, attrs: dict[str, Any]) -> Array:
    """Each input element adds a scaled window to the output."""
    groups, strides, dilations = attrs["groups"], attrs["strides"], attrs["dilations"]
    extra, pads = attrs["output_padding"], attrs["padding"]
    kernel = w.shape[2:]
    full = [
        (n - 1) * s + d * (k - 1) + 1 + e
        for n, s, d, k, e in zip(x.shape[2:], strides, dilations, kernel, extra, strict=True)
    ]
    outputs, inputs = w.shape[1], w.shape[0] // groups
    result = np.zeros((x.shape[0], outputs * groups, *full), x.dtype)
    for g in range(groups):
        for at in product(*map(range, kernel)):
            cut = tuple(
                slice(i * d, i * d + (n - 1) * s + 1, s)
                for i, d, n, s in zip(at, dilations, x.shape[2:], strides, strict=True)
            )
            rows = x[:, g * inputs : (g + 1) * inputs]
            place: Any = (slice(g * inputs, (g + 1) * inputs), slice(None), *at)
            filters = w[place]
            part = np.moveaxis(np.tensordot(filters, rows, (0, 1)), 0, 1)
            result[(slice(None), slice(g * outputs, (g + 1) * outputs), *cut)] += part
    crop = tuple(slice(b, n - a) for (b, a), n in zip(pads, full, strict=True))
    return result[(slice(None), slice(None), *crop)]


TRANSPOSED = [
    ((2, 3, 5), (3, 4, 3), (2,), ((1, 1),), (1,), (1,), 1),
    ((1, 4, 4, 5), (4, 2, 3, 2), (2, 3), ((0, 1), (1, 0)), (1, 2), (2, 1), 2),
    ((2, 2, 3, 3), (2, 3, 1, 1), (1, 1), ((0, 0), (0, 0)), (0, 0), (1, 1), 1),
    (
        (1, 2, 2, 3, 2),
        (2, 2, 2, 2, 3),
        (1, 2, 2),
        ((0, 0), (1, 1), (0, 2)),
        (0, 1, 0),
        (1, 1, 2),
        1,
    ),
]


@pytest.mark.parametrize("kind", [*FLOATS, "int8", "int32", "uint8"])
@pytest.mark.parametrize("case", TRANSPOSED, ids=lambda c: f"{c[0]}-{c[1]}")
def test_conv_transpose(case: tuple[Any, ...], kind: str) -> None:
    x, w = draw(rng(kind), kind, case[0]), draw(rng("w"), kind, case[1])
    names = ("strides", "padding", "output_padding", "dilations", "groups")
    attrs = dict(zip(names, case[2:], strict=True))
    check(run("conv_transpose", x, w, **attrs), transposed(wide(x), wide(w), attrs), kind)


def test_against_torch() -> None:
    x, w = draw(rng("x"), "float32", (2, 6, 17, 13)), draw(rng("w"), "float32", (8, 3, 3, 3))
    found = run("conv", x, w, strides=(2, 1), padding=((2, 2), (1, 1)), dilations=(2, 1), groups=2)
    expected = torch.conv2d(
        torch.from_numpy(x), torch.from_numpy(w), None, (2, 1), (2, 1), (2, 1), 2
    )
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-5, atol=1e-5)


def test_symbolic_extents_and_flops() -> None:
    graph = Graph()
    n, h = symbol("n", 1, 8), symbol("h", 16, 64, 4)
    x = graph.add_input("x", Tensor(f32, (n, 4, h, h + 1)))
    w = graph.add_input("w", Tensor(f32, (6, 4, 3, 3)))
    y = GraphBuilder(graph).op(
        "conv", x, w, strides=(2, 1), padding=((1, 1), (0, 0)), dilations=(1, 2), groups=1
    )
    assert y.type.shape == (n, 6, h // 2, h - 3)
    assert y.node is not None
    assert y.node.flops == 2 * n * 6 * (h // 2) * (h - 3) * 4 * 9


def make(*types: tuple[Any, ...]) -> tuple[GraphBuilder, list[Any]]:
    graph = Graph()
    values = [graph.add_input("x", Tensor(dtype(k), s)) for k, s in types]
    return GraphBuilder(graph), values


PLAIN: dict[str, Any] = {"strides": (1, 1), "padding": ((0, 0), (0, 0)), "dilations": (1, 1)}


@pytest.mark.parametrize(
    ("shapes", "change", "message"),
    [
        (((1, 3, 4, 4), (2, 4, 3, 3)), {}, "channels"),
        (((1, 4, 4, 4), (3, 2, 3, 3)), {"groups": 2}, "divide"),
        (((1, 4, 4, 4), (4, 2, 3, 3)), {"groups": 0}, "positive"),
        (((1, 3, 2, 2), (2, 3, 3, 3)), {}, "exceeds"),
        (((1, 3, 4, 4), (2, 3, 3)), {}, "rank"),
        (((1, 3, 4, 4), (2, 3, 3, 3)), {"strides": (1,)}, "strides has 1"),
        (((1, 3, 4, 4), (2, 3, 3, 3)), {"strides": (0, 1)}, "positive"),
        (((1, 3, 4, 4), (2, 3, 3, 3)), {"padding": ((-1, 0), (0, 0))}, "negative"),
        (((1, 3, 4, 4), (2, 3, 0, 3)), {}, "empty"),
    ],
)
def test_conv_refusals(shapes: Any, change: dict[str, Any], message: str) -> None:
    builder, values = make(*(("f32", s) for s in shapes))
    with pytest.raises(ValueError, match=message):
        builder.op("conv", *values, **{**PLAIN, **change})


@pytest.mark.parametrize(
    ("types", "attrs", "message"),
    [
        ((("f32", (2, 3)), ("f32", (4, 2))), {}, "contracted"),
        ((("f32", (3,)), ("f32", (3, 2))), {}, "rank 2"),
        ((("f32", (2, 2, 3)), ("f32", (3, 3, 2))), {}, "broadcast"),
        ((("f32", (2, 3)), ("f16", (3, 2))), {}, "different dtypes"),
        ((("u8", (2, 3)), ("i8", (3, 2))), {}, "different dtypes"),
        ((("f32", (2, 3)), ("f32", (3, 2))), {"acc": i32}, "accumulate"),
        ((("bool", (2, 3)), ("bool", (3, 2))), {}, "number"),
    ],
)
def test_matmul_refusals(types: Any, attrs: dict[str, Any], message: str) -> None:
    builder, values = make(*types)
    with pytest.raises(ValueError, match=message):
        builder.op("matmul", *values, **attrs)


def test_conv_transpose_refusals() -> None:
    builder, (x, w) = make(("f32", (1, 4, 3, 3)), ("f32", (4, 2, 3, 3)))
    with pytest.raises(ValueError, match="negative"):
        builder.op(
            "conv_transpose", x, w, **{**PLAIN, "padding": ((9, 9), (0, 0))}, output_padding=(0, 0)
        )
    with pytest.raises(ValueError, match="channels"):
        builder.op("conv_transpose", w, w, **PLAIN, output_padding=(0, 0), groups=3)
