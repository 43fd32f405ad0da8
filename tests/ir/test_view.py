"""View and creation ops against numpy, over every dtype; inference with symbols; refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fusec.ir import (
    Constant,
    Graph,
    GraphBuilder,
    Symbol,
    Tensor,
    Value,
    dtype,
    evaluate_graph,
    f32,
    symbol,
)
from fusec.ir.reference import to_numpy
from fusec.ir.sym import parse
from fusec.ir.types import DTYPES
from tests.ir.harness import MOVABLE, draw, run, same_bits, wide


def rng(name: str) -> np.random.Generator:
    return np.random.default_rng(sum(name.encode()))


@pytest.mark.parametrize("kind", MOVABLE)
def test_every_view_moves_every_dtype(kind: str) -> None:
    x = draw(rng(kind), kind, (3, 1, 5))
    same_bits(run("reshape", x, shape=(5, 3)), x.reshape(5, 3))
    same_bits(run("transpose", x, perm=(2, 0, 1)), x.transpose(2, 0, 1))
    same_bits(run("broadcast", x, shape=(2, 3, 4, 5)), np.broadcast_to(x, (2, 3, 4, 5)))
    cut = run("slice", x, starts=(1, 0, 1), sizes=(2, 1, 2), steps=(1, 1, 3))
    same_bits(cut, x[1:3, :, 1:5:3])
    same_bits(run("reverse", x, axes=(0, 2)), x[::-1, :, ::-1])
    y = draw(rng(kind), kind, (3, 4, 5))
    same_bits(run("concat", x, y, x, axis=1), np.concatenate([x, y, x], 1))


@pytest.mark.parametrize("kind", MOVABLE)
def test_pad_every_dtype(kind: str) -> None:
    x = draw(rng(kind), kind, (2, 3))
    expected = np.full((3, 7), 1).astype(x.dtype)
    expected[1:, 2:5] = x
    same_bits(run("pad", x, padding=((1, 0), (2, 2)), value=1), expected)


def test_pad_values() -> None:
    x = np.zeros((1,), np.float32)
    for value in (np.inf, -np.inf, 0.1, -0.0):
        found = run("pad", x, padding=((1, 0),), value=value)
        same_bits(found, np.array([value, 0], np.float32))
    assert np.isnan(run("pad", x, padding=((0, 1),), value=np.nan)[1])
    assert run("pad", np.zeros(1, np.uint64), padding=((0, 1),), value=2**63 - 1)[1] == 2**63 - 1


def test_empty_and_scalar() -> None:
    empty = np.zeros((0, 3), np.float32)
    assert run("reshape", empty, shape=(3, 0, 7)).shape == (3, 0, 7)
    assert run("slice", np.ones(3, np.float32), starts=(3,), sizes=(0,), steps=(1,)).shape == (0,)
    assert run("broadcast", np.full((), 2.0, np.float32), shape=(2, 2)).tolist() == [[2, 2], [2, 2]]
    assert run("transpose", np.full((), 2.0, np.float32), perm=()).item() == 2
    same_bits(
        run("concat", empty, np.ones((2, 3), np.float32), axis=0), np.ones((2, 3), np.float32)
    )


# -- creation ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind", ["int4", "uint8", "int64", "uint64", "float16", "float32", "float8_e5m2"]
)
def test_iota(kind: str) -> None:
    found = run("iota", shape=(2, 5, 3), axis=1, dtype=dtype(kind))
    expected = np.broadcast_to(np.arange(5).reshape(1, 5, 1), (2, 5, 3))
    np.testing.assert_array_equal(wide(found).astype(float), expected)


@pytest.mark.parametrize("kind", [d.name for d in DTYPES])
def test_constants_of_every_dtype(kind: str) -> None:
    array = draw(rng(kind), kind, (2, 3))
    graph = Graph()
    value = GraphBuilder(graph).constant(array, "w")
    graph.set_outputs([value])
    (found,) = evaluate_graph(graph, [])
    same_bits(to_numpy(found, value.type.dtype), array)


def test_constants_of_odd_layouts() -> None:
    big_endian = np.arange(6, dtype=">i4").reshape(2, 3)
    backwards = np.arange(6, dtype=np.float32)[::-1]
    packed = np.zeros(3, [("a", "i1"), ("b", "<f4")])["b"]
    for array in (
        backwards,
        packed,
        big_endian.T.astype("<i4"),
        np.asfortranarray(np.ones((2, 3))),
    ):
        graph = Graph()
        graph.set_outputs([GraphBuilder(graph).constant(array)])
        np.testing.assert_array_equal(evaluate_graph(graph, [])[0].numpy(), array)


def test_constants_share_memory_and_read_only_memory_is_fine(recwarn: Any) -> None:
    array = np.arange(5, dtype=np.float32)
    array.flags.writeable = False
    graph = Graph()
    graph.set_outputs([GraphBuilder(graph).constant(array)])
    (found,) = evaluate_graph(graph, [])
    assert found.data_ptr() == array.ctypes.data
    assert not recwarn.list


def test_dim_gives_the_value_of_a_symbol() -> None:
    import torch

    graph = Graph()
    n = symbol("n", 1, 9)
    x = graph.add_input("x", Tensor(f32, (n, 2)))
    graph.set_outputs([GraphBuilder(graph).op("dim", value=2 * n + 1), x])
    assert evaluate_graph(graph, [torch.zeros(4, 2)])[0].item() == 9


# -- inference -----------------------------------------------------------------------------------


def on(*shapes: tuple[Any, ...]) -> tuple[GraphBuilder, list[Value]]:
    graph = Graph()
    return GraphBuilder(graph), [graph.add_input("x", Tensor(f32, s)) for s in shapes]


N = symbol("n", 1, 64)
M = symbol("m", 4, 64, 4)


@pytest.mark.parametrize(
    ("op", "shape", "attrs", "expected"),
    [
        ("reshape", (N, 4, 6), {"shape": (4 * N, 6)}, "[4*n, 6]"),
        ("reshape", (N, M), {"shape": (N, M // 4, 4)}, "[n, m // 4, 4]"),
        ("transpose", (N, 4, M), {"perm": (2, 0, 1)}, "[m, n, 4]"),
        ("broadcast", (1, N), {"shape": (M, N)}, "[m, n]"),
        ("slice", (N, M), {"starts": (0, 1), "sizes": (N, M - 2), "steps": (1, 1)}, "[n, m - 2]"),
        ("slice", (M,), {"starts": (1,), "sizes": (M // 2,), "steps": (2,)}, "[m // 2]"),
        ("pad", (N,), {"padding": ((1, M),)}, "[n + m + 1]"),
        ("reverse", (N, 3), {"axes": (0,)}, "[n, 3]"),
    ],
)
def test_symbolic(op: str, shape: Any, attrs: dict[str, Any], expected: str) -> None:
    builder, (x,) = on(shape)
    symbols = {"n": Symbol("n", 1, 64), "m": Symbol("m", 4, 64, 4)}
    dims = tuple(parse(d, symbols) for d in expected[1:-1].split(","))
    assert builder.op(op, x, **attrs).type.shape == dims


@pytest.mark.parametrize(
    ("op", "shape", "attrs", "message"),
    [
        ("reshape", (2, 3), {"shape": (7,)}, "6 elements"),
        ("reshape", (N, 3), {"shape": (N + 1, 3)}, "elements"),
        ("reshape", (2, 3), {"shape": (-1,)}, "negative"),
        ("transpose", (2, 3), {"perm": (0, 0)}, "permutation"),
        ("transpose", (2, 3), {"perm": (0,)}, "permutation"),
        ("broadcast", (2, 3), {"shape": (4, 3)}, "does not broadcast"),
        ("broadcast", (N,), {"shape": (M,)}, "does not broadcast"),
        ("broadcast", (2, 3), {"shape": (3,)}, "does not broadcast"),
        ("slice", (4,), {"starts": (2,), "sizes": (3,), "steps": (1,)}, "may leave"),
        ("slice", (4,), {"starts": (0,), "sizes": (3,), "steps": (2,)}, "may leave"),
        ("slice", (N,), {"starts": (0,), "sizes": (2,), "steps": (1,)}, "may leave"),
        ("slice", (4,), {"starts": (0,), "sizes": (3,), "steps": (0,)}, "positive"),
        ("slice", (4,), {"starts": (-1,), "sizes": (3,), "steps": (1,)}, "negative"),
        ("slice", (4, 4), {"starts": (0,), "sizes": (3,), "steps": (1,)}, "starts has 1"),
        ("pad", (4,), {"padding": ((-1, 0),)}, "negative"),
        ("pad", (4,), {"padding": ((1, 0), (0, 0))}, "padding has 2"),
        ("reverse", (4,), {"axes": (1,)}, "not in"),
        ("concat", (4,), {"axis": 1}, "not in"),
    ],
)
def test_refusals(op: str, shape: Any, attrs: dict[str, Any], message: str) -> None:
    builder, (x,) = on(shape)
    with pytest.raises(ValueError, match=message):
        builder.op(op, x, **attrs)


def test_concat_refusals() -> None:
    builder, (x, y) = on((2, 3), (3, 3))
    with pytest.raises(ValueError, match="differ beside axis 1"):
        builder.op("concat", x, y, axis=1)
    with pytest.raises(ValueError, match="needs an operand"):
        builder.op("concat", axis=0)
    assert str(builder.op("concat", x, y, axis=0).type) == "f32[5, 3]"


def test_creation_refusals() -> None:
    builder, _ = on()
    with pytest.raises(ValueError, match="not in"):
        builder.op("iota", shape=(2,), axis=1, dtype=f32)
    with pytest.raises(ValueError, match="integer or float"):
        builder.op("iota", shape=(2,), axis=0, dtype=dtype("bool"))
    with pytest.raises(ValueError, match="not a Constant"):
        builder.op("constant", data=3)
    assert builder.op("constant", data=Constant(np.ones(2, np.int8))).type == Tensor(
        dtype("i8"), (2,)
    )
