"""Random well-typed graphs of core ops, for property tests.

`random_graph(draw)` needs only a source of choices, so that hypothesis and a seeded generator
both serve. Values stay small and finite where ops allow it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import strategies as st

from fusec.ir import Graph, GraphBuilder, Symbol, Tensor, Value, dtype
from fusec.ir.types import BOOL, DType

KINDS = ("float32", "float16", "bfloat16", "float64", "int32", "int64", "int8", "uint8", "bool")
_UNARY = {
    "float": (
        "neg",
        "abs",
        "sign",
        "floor",
        "ceil",
        "round",
        "exp",
        "tanh",
        "sigmoid",
        "erf",
        "sin",
    ),
    "int": ("neg", "abs", "sign", "not"),
    "bool": ("not",),
}
_BINARY = {
    "float": ("add", "sub", "mul", "div", "maximum", "minimum", "atan2", "mod"),
    "int": ("add", "sub", "mul", "div", "mod", "rem", "maximum", "and", "or", "xor", "shift_right"),
    "bool": ("and", "or", "xor"),
}
_COMPARE = ("eq", "ne", "lt", "le", "gt", "ge")


@dataclass
class Choices:
    """Where decisions come from: an integer in [low, high]."""

    integer: Callable[[int, int], int]

    def of(self, items: Sequence[Any]) -> Any:
        return items[self.integer(0, len(items) - 1)]


@dataclass
class Maker:
    """Grows one graph."""

    choose: Choices
    graph: Graph = field(default_factory=Graph)
    values: list[Value] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.builder = GraphBuilder(self.graph)

    def pick(self, *kinds: str, rank: int = 0) -> Value | None:
        """A value of one of these sorts (any for none) and of at least this rank."""
        fitting = [
            v
            for v in self.values
            if v.type.rank >= rank and (not kinds or sort_of(v.type.dtype) in kinds)
        ]
        return self.choose.of(fitting[-6:]) if fitting else None

    def add(self, value: Value | None) -> None:
        if value is not None:
            self.values.append(value)


def sort_of(kind: DType) -> str:
    return "float" if kind.is_float else "bool" if kind.kind == BOOL else "int"


def _unary(m: Maker) -> Value | None:
    x = m.pick()
    return None if x is None else m.builder.op(m.choose.of(_UNARY[sort_of(x.type.dtype)]), x)


def _binary(m: Maker) -> Value | None:
    x = m.pick()
    if x is None:
        return None
    kind = x.type.dtype
    same = [v for v in m.values if v.type == x.type]
    if m.choose.integer(0, 2):
        other = m.choose.of(same)
    else:
        other = m.builder.literal(m.choose.of((0, 1, 2)), kind)
    return m.builder.op(m.choose.of(_BINARY[sort_of(kind)]), x, other)


def _compare(m: Maker) -> Value | None:
    x = m.pick("float", "int")
    if x is None:
        return None
    zero = m.builder.literal(0, x.type.dtype)
    flag = m.builder.op(m.choose.of(_COMPARE), x, zero)
    return m.builder.op("select", flag, x, zero) if m.choose.integer(0, 1) else flag


def _cast(m: Maker) -> Value | None:
    x = m.pick()
    if x is None or (x.type.dtype.is_float and m.choose.integer(0, 1)):
        return x and m.builder.op("cast", x, dtype=dtype(m.choose.of(KINDS[:4])))
    return m.builder.op("cast", x, dtype=dtype(m.choose.of(KINDS)), saturate=True)


def _reduce(m: Maker) -> Value | None:
    x = m.pick("float", "int", rank=1)
    if x is None:
        return None
    axes = tuple(a for a in range(x.type.rank) if m.choose.integer(0, 1))
    op = m.choose.of(("reduce_sum", "reduce_max", "reduce_min"))
    return m.builder.op(op, x, axes=axes)


def _arg(m: Maker) -> Value | None:
    x = m.pick("float", "int", rank=1)
    if x is None:
        return None
    axis = m.choose.integer(0, x.type.rank - 1)
    op, last = m.choose.of(("argmax", "argmin")), bool(m.choose.integer(0, 1))
    return m.builder.op(op, x, axis=axis, select_last=last)


def _scan(m: Maker) -> Value | None:
    x = m.pick("float", "int", rank=1)
    if x is None:
        return None
    op = m.choose.of(("cumsum", "cummax"))
    return m.builder.op(
        op, x, axis=m.choose.integer(0, x.type.rank - 1), reverse=bool(m.choose.integer(0, 1))
    )


def _transpose(m: Maker) -> Value | None:
    x = m.pick(rank=1)
    if x is None:
        return None
    axes = list(range(x.type.rank))
    perm = [axes.pop(m.choose.integer(0, len(axes) - 1)) for _ in range(x.type.rank)]
    return m.builder.op("transpose", x, perm=perm)


def _reshape(m: Maker) -> Value | None:
    x = m.pick(rank=2)
    if x is None:
        return None
    at = m.choose.integer(0, x.type.rank - 2)
    shape = x.type.shape
    merged = (*shape[:at], shape[at] * shape[at + 1], *shape[at + 2 :])
    return m.builder.op("reshape", x, shape=merged)


def _slice(m: Maker) -> Value | None:
    x = m.pick(rank=1)
    if x is None:
        return None
    sizes, starts = list(x.type.shape), [0] * x.type.rank
    axis = m.choose.integer(0, x.type.rank - 1)
    size = sizes[axis]
    if not isinstance(size, int) or size < 2:
        return m.builder.op("reverse", x, axes=(axis,))
    starts[axis] = 1
    sizes[axis] = size - 1
    return m.builder.op("slice", x, starts=starts, sizes=sizes, steps=(1,) * x.type.rank)


def _pad(m: Maker) -> Value | None:
    x = m.pick(rank=1)
    if x is None:
        return None
    padding = [(m.choose.integer(0, 1), m.choose.integer(0, 2)) for _ in range(x.type.rank)]
    return m.builder.op("pad", x, padding=padding, value=m.choose.integer(0, 1))


def _broadcast(m: Maker) -> Value | None:
    x = m.pick()
    return (
        None
        if x is None or x.type.rank > 3
        else m.builder.op("broadcast", x, shape=(2, *x.type.shape))
    )


def _concat(m: Maker) -> Value | None:
    x = m.pick(rank=1)
    if x is None:
        return None
    same = m.choose.of([v for v in m.values if v.type == x.type])
    return m.builder.op("concat", x, same, axis=m.choose.integer(0, x.type.rank - 1))


def _matmul(m: Maker) -> Value | None:
    x = m.pick("float", "int", rank=2)
    if x is None:
        return None
    perm = (*range(x.type.rank - 2), x.type.rank - 1, x.type.rank - 2)
    return m.builder.op("matmul", x, m.builder.op("transpose", x, perm=perm))


def _gather(m: Maker) -> Value | None:
    x = m.pick(rank=1)
    if x is None:
        return None
    axis = m.choose.integer(0, x.type.rank - 1)
    count = x.type.shape[axis]
    if not isinstance(count, int) or not count:
        return None
    indices = np.array([m.choose.integer(0, count - 1) for _ in range(3)])
    return m.builder.op("gather", x, m.builder.constant(indices), axis=axis)


def _weight(m: Maker) -> Value | None:
    x = m.pick("float")
    if x is None or not x.type.is_static or not x.type.rank:
        return None
    shape = tuple(int(d) for d in x.type.shape if isinstance(d, int))
    data = np.linspace(-1, 1, int(np.prod(shape))).reshape(shape).astype(x.type.dtype.numpy)
    name = m.choose.of((None, f"weight {len(m.graph)}", f"w.{len(m.graph)}"))
    return m.builder.op("add", x, m.builder.constant(data, name))


def _fused(m: Maker) -> Value | None:
    x = m.pick("float")
    if x is None:
        return None
    body = Graph("body")
    inner = GraphBuilder(body)
    y = inner.op(
        "tanh", inner.op("mul", body.add_input("x", x.type), inner.literal(0.5, x.type.dtype))
    )
    body.set_outputs([y])
    with m.builder.at(origins=("/fused", 'quoted "name"'), region="Region:1"):
        return m.builder.op("fused", x, graphs=[body])


STEPS = (
    *(_unary, _unary, _binary, _binary, _compare, _cast, _reduce, _arg, _scan, _transpose),
    *(_reshape, _slice, _pad, _broadcast, _concat, _matmul, _gather, _weight, _fused),
)
N = Symbol("n", 1, 8)


def random_graph(choose: Choices, most: int = 30) -> Graph:
    """Up to ``most`` steps from one to three inputs; each unused value is an output."""
    m = Maker(choose)
    m.graph.symbols["n"] = N
    for index in range(choose.integer(1, 3)):
        shape = [choose.of((1, 2, 3, 5, N.expr)) for _ in range(choose.integer(0, 3))]
        m.add(m.graph.add_input(f"in {index}", Tensor(dtype(choose.of(KINDS)), tuple(shape))))
    for _ in range(choose.integer(1, most)):
        m.add(choose.of(STEPS)(m))
    unused = [v for v in m.values if not v.uses]
    m.graph.set_outputs(unused)
    m.graph.output_names = [f"out:{i}" for i in range(len(unused))]
    return m.graph


@st.composite
def graphs(draw: st.DrawFn, most: int = 30) -> Graph:
    """Random graphs for hypothesis."""
    return random_graph(Choices(lambda low, high: draw(st.integers(low, high))), most)


def seeded_graph(seed: int, most: int = 30) -> Graph:
    """A random graph from a seed."""
    generator = np.random.default_rng(seed)
    return random_graph(Choices(lambda low, high: int(generator.integers(low, high + 1))), most)


def inputs_of(graph: Graph, n: int, seed: int = 0) -> list[Any]:
    """Seeded torch inputs with symbol n at a value."""
    from fusec.ir.reference import array_to_torch
    from fusec.ir.sym import evaluate
    from tests.ir.harness import draw

    generator = np.random.default_rng(seed)
    tensors = []
    for value in graph.inputs:
        shape = [evaluate(d, {"n": n}) for d in value.type.shape]
        array = draw(generator, value.type.dtype.name, shape, low=-9, high=9)
        tensors.append(array_to_torch(np.asarray(array), value.type.dtype))
    return tensors
