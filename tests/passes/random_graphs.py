"""Random network-like graphs of core ops: shapes stay small, values of ordinary size."""

from __future__ import annotations

import random
from collections.abc import Callable

from fusec.ir import Graph, GraphBuilder, Tensor, Value, f32
from fusec.ir.sym import Dim

Step = Callable[["Maker"], Value]


class Maker:
    """Grows one graph; every op draws its operands from what exists already."""

    def __init__(self, seed: int, size: int) -> None:
        self.random = random.Random(seed)
        self.graph = Graph()
        self.b = GraphBuilder(self.graph)
        self.values: list[Value] = []
        self.weights = 0
        for index in range(self.random.randint(1, 2)):
            shape = self.random.choice([(2, 4, 6, 6), (1, 8, 4, 4), (2, 6, 8), (12, 16)])
            self.values.append(self.graph.add_input(f"x{index}", Tensor(f32, shape)))
        for _ in range(size):
            self.values.append(self.random.choice(STEPS)(self))
        unused = [v for v in self.values if not v.uses]
        extra = self.random.sample(self.values, min(2, len(self.values)))
        self.graph.set_outputs(list(dict.fromkeys([*unused, *extra])))
        self.graph.output_names = [v.name for v in self.graph.outputs]

    def pick(self, minimum_rank: int = 0) -> Value:
        """A value, recent ones more often."""
        fitting = [v for v in self.values if v.type.rank >= minimum_rank]
        if not fitting:
            value = self.values[0]
            return self.b.op(
                "reshape", value, shape=(1,) * (minimum_rank - value.type.rank) + value.type.shape
            )
        return fitting[
            max(self.random.randrange(len(fitting)), self.random.randrange(len(fitting)))
        ]

    def weight(self, *shape: Dim) -> Value:
        """An input that stands for a weight."""

        value = self.graph.add_input(f"w{self.weights}", Tensor(f32, shape))
        self.weights += 1
        return value

    def perm(self, rank: int) -> tuple[int, ...]:
        order = list(range(rank))
        self.random.shuffle(order)
        return tuple(order)


def _unary(m: Maker) -> Value:
    return m.b.op(m.random.choice(["neg", "abs", "tanh", "sigmoid", "erf", "cos"]), m.pick())


def _scalar(m: Maker) -> Value:
    op = m.random.choice(["add", "mul", "maximum", "minimum"])
    return m.b.op(op, m.pick(), m.b.literal(m.random.choice([0.0, 0.5, -1.5]), f32))


def _binary(m: Maker) -> Value:
    x = m.pick()
    same = [v for v in m.values if v.type.shape == x.type.shape]
    return m.b.op(m.random.choice(["add", "mul", "sub", "maximum"]), x, m.random.choice(same))


def _channel(m: Maker) -> Value:
    x = m.pick(2)
    shape = (x.type.shape[1],) + (1,) * (x.type.rank - 2)
    return m.b.op("add", m.b.op("mul", x, m.weight(*shape)), m.weight(*shape))


def _select(m: Maker) -> Value:
    x = m.pick()
    return m.b.op(
        "select", m.b.op("gt", x, m.b.literal(0.0, f32)), x, m.b.op("mul", x, m.b.literal(0.1, f32))
    )


def _transpose(m: Maker) -> Value:
    x = m.pick()
    return m.b.op("transpose", x, perm=m.perm(x.type.rank))


def _reshape(m: Maker) -> Value:
    x = m.pick(2)
    shape = list(x.type.shape)
    axis = m.random.randrange(len(shape) - 1)
    merged = [*shape[:axis], shape[axis] * shape[axis + 1], *shape[axis + 2 :]]
    return m.b.op("reshape", x, shape=tuple(merged if len(shape) > 2 else [1, *shape]))


def _slice(m: Maker) -> Value:
    x = m.pick(1)
    shape = x.type.shape
    sizes = tuple(max(1, d - 1) if isinstance(d, int) else d for d in shape)
    y = m.b.op("slice", x, starts=(0,) * len(shape), sizes=sizes, steps=(1,) * len(shape))
    return m.b.op(
        "pad", y, padding=tuple((d - s, 0) for d, s in zip(shape, sizes, strict=True)), value=0.25
    )


def _concat(m: Maker) -> Value:
    x = m.pick(1)
    axis = m.random.randrange(x.type.rank)
    y = m.b.op("concat", x, m.b.op("reverse", x, axes=(axis,)), axis=axis)
    sizes = tuple(x.type.shape)
    return m.b.op(
        "slice",
        y,
        starts=(0,) * len(sizes),
        sizes=sizes,
        steps=tuple(2 if d == axis else 1 for d in range(len(sizes))),
    )


def _normalise(m: Maker) -> Value:
    x = m.pick(1)
    axis = x.type.rank - 1 if m.random.random() < 0.7 else m.random.randrange(x.type.rank)
    kept = tuple(1 if d == axis else n for d, n in enumerate(x.type.shape))
    top = m.b.op("reshape", m.b.op("reduce_max", x, axes=(axis,)), shape=kept)
    e = m.b.op("exp", m.b.op("sub", x, top))
    return m.b.op("div", e, m.b.op("reshape", m.b.op("reduce_sum", e, axes=(axis,)), shape=kept))


def _mean(m: Maker) -> Value:
    x = m.pick(2)
    axis = m.random.randrange(x.type.rank)
    kept = tuple(1 if d == axis else n for d, n in enumerate(x.type.shape))
    total = m.b.op("reduce_sum", m.b.op("tanh", x), axes=(axis,))
    return m.b.op(
        "mul", x, m.b.op("reshape", m.b.op("mul", total, m.b.literal(0.125, f32)), shape=kept)
    )


def _matmul(m: Maker) -> Value:
    x = m.pick(2)
    depth = x.type.shape[-1]
    width = m.random.choice([4, 6, 8])
    y = m.b.op("matmul", m.b.op("tanh", x), m.weight(depth, width))
    return m.b.op("mul", y, m.b.literal(0.3, f32))


def _conv(m: Maker) -> Value:
    x = m.pick(4)
    channels, size = x.type.shape[1], m.random.choice([1, 3])
    wide = all(isinstance(d, int) and d >= 2 for d in x.type.shape[2:])
    stride = m.random.choice([1, 2]) if wide else 1
    w = m.weight(m.random.choice([4, 8]), channels, size, size)
    pad = ((size // 2, size // 2),) * 2
    y = m.b.op(
        "conv", m.b.op("tanh", x), w, strides=(stride,) * 2, padding=pad, dilations=(1, 1), groups=1
    )
    return m.b.op("mul", y, m.b.literal(0.3, f32))


def _pool(m: Maker) -> Value:
    x = m.pick(4)
    return m.b.op(
        m.random.choice(["max_pool", "sum_pool"]),
        m.b.op("sigmoid", x),
        kernel=(3, 3),
        strides=(1, 1),
        padding=((1, 1), (1, 1)),
        dilations=(1, 1),
    )


STEPS: list[Step] = [
    _unary, _unary, _scalar, _scalar, _binary, _binary, _binary, _channel, _select, _transpose,
    _reshape, _slice, _concat, _normalise, _mean, _matmul, _conv, _pool,
]  # fmt: skip


def random_graph(seed: int, size: int = 20) -> Graph:
    """A graph of about ``2 * size`` nodes, the same for the same seed."""
    return Maker(seed, size).graph
