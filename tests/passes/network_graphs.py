"""Random graphs of what networks are made of, in several dtypes and with symbolic dims."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fusec.ir import Graph, GraphBuilder, Symbol, Tensor, Value, dtype
from fusec.ir.reference import array_to_torch
from fusec.ir.sym import Dim, evaluate
from tests.tile.bodies import softmax

Step = Callable[["Network"], Value | None]
BATCH, KEYS = Symbol("batch", 1, 8), Symbol("keys", 1, 40)
I64, BOOL = dtype("int64"), dtype("bool")
SMOOTH = ("neg", "abs", "tanh", "sigmoid", "erf", "cos")


class Network:
    """Grows one graph; ``below``: the bound of each integer input, by name."""

    def __init__(self, seed: int, kind: str, *, symbolic: bool, size: int = 12) -> None:
        self.random = random.Random(seed)
        self.dtype = dtype(kind)
        self.graph = Graph()
        self.b = GraphBuilder(self.graph)
        self.values: list[Value] = []
        self.below: dict[str, int] = {}
        self.batch: Dim = 2
        self.keys: Dim = 7
        if symbolic:
            self.graph.symbols |= {"batch": BATCH, "keys": KEYS}
            self.batch, self.keys = BATCH.expr, KEYS.expr
        for shape in ((self.batch, 4, 6, 6), (self.batch, self.keys, 8), (12, 16), (300, 3)):
            self.values.append(self.input(*shape))
        for _ in range(size):
            value = self.random.choice(STEPS)(self)
            self.values += [] if value is None else [value]
        unused = [v for v in self.values if not v.uses]
        extra = self.random.sample(self.values, 2)
        self.graph.set_outputs([*unused, *extra])
        self.graph.output_names = [f"y{i}" for i in range(len(self.graph.outputs))]

    def input(self, *shape: Dim, kind: str | None = None, below: int = 0) -> Value:
        name = f"x{len(self.graph.inputs)}"
        self.below[name] = below
        return self.graph.add_input(name, Tensor(dtype(kind) if kind else self.dtype, shape))

    def pick(self, *ranks: int) -> Value:
        """A value of one of these ranks (any for none), recent ones more often."""
        fitting = [v for v in self.values if not ranks or v.type.rank in ranks]
        return fitting[max(self.random.randrange(len(fitting)) for _ in range(2))]

    def literal(self, value: float) -> Value:
        return self.b.literal(value, self.dtype)

    def operands(self, env: dict[str, int], seed: int = 0) -> list[torch.Tensor]:
        """Seeded inputs at values of the symbols."""
        generator = np.random.default_rng(seed)
        return [self._draw(generator, v, env) for v in self.graph.inputs]

    def _draw(self, generator: np.random.Generator, v: Value, env: dict[str, int]) -> torch.Tensor:
        shape = [evaluate(d, env) for d in v.type.shape]
        if v.type.dtype.is_float:
            data: NDArray[Any] = generator.standard_normal(shape)
        else:
            data = generator.integers(0, self.below[v.name] or 2, shape)
        found: torch.Tensor = array_to_torch(
            np.asarray(data).astype(v.type.dtype.numpy), v.type.dtype
        )
        return found


def fixed(dim: Dim) -> int | None:
    return dim if isinstance(dim, int) else None


def kept(x: Value, axis: int) -> tuple[Dim, ...]:
    return tuple(1 if d == axis else n for d, n in enumerate(x.type.shape))


def _unary(m: Network) -> Value:
    return m.b.op(m.random.choice(SMOOTH), m.pick())


def _binary(m: Network) -> Value:
    x = m.pick()
    same = [v for v in m.values if v.type == x.type]
    op = m.random.choice(("add", "mul", "maximum"))
    return m.b.op(op, m.b.op("tanh", x), m.random.choice([*same, m.literal(0.5)]))


def _broadcast(m: Network) -> Value:
    x = m.pick()
    shape = [1 if m.random.random() < 0.5 else d for d in x.type.shape]
    return m.b.op("add", x, m.input(*shape[m.random.randint(0, len(shape)) :]))


def _transpose(m: Network) -> Value:
    x = m.pick(2, 3, 4)
    return m.b.op("transpose", x, perm=m.random.sample(range(x.type.rank), x.type.rank))


def _reshape(m: Network) -> Value:
    x = m.pick(2, 3, 4)
    axis = m.random.randrange(x.type.rank - 1)
    shape = x.type.shape
    return m.b.op(
        "reshape", x, shape=(*shape[:axis], shape[axis] * shape[axis + 1], *shape[axis + 2 :])
    )


def _slice(m: Network) -> Value:
    x = m.pick(2, 3, 4)
    sizes = [n // 2 if isinstance(n, int) and n > 2 else n for n in x.type.shape]
    cut = [s is not n for s, n in zip(sizes, x.type.shape, strict=True)]
    step = m.random.choice((1, 2))
    return m.b.op(
        "slice",
        x,
        starts=[int(c and step == 1) for c in cut],
        sizes=sizes,
        steps=[step if c else 1 for c in cut],
    )


def _pad(m: Network) -> Value:
    x = m.pick(2, 3, 4)
    padding = [(m.random.randint(0, 2), m.random.randint(0, 1)) for _ in x.type.shape]
    return m.b.op("pad", x, padding=padding, value=m.random.choice((0.0, 0.25, -1.5)))


def _reverse(m: Network) -> Value:
    x = m.pick(2, 3, 4)
    return m.b.op("reverse", x, axes=(m.random.randrange(x.type.rank),))


def _concat(m: Network) -> Value:
    x = m.pick(2, 3, 4)
    axis = m.random.randrange(x.type.rank)
    fitting = [v for v in m.values if v.type.rank == x.type.rank and kept(v, axis) == kept(x, axis)]
    return m.b.op("concat", *m.random.choices(fitting, k=m.random.randint(2, 3)), axis=axis)


def _dense(m: Network) -> Value | None:
    """Concats that grow, as in a dense block, with an output on the way."""
    x = m.pick(4)
    channels = fixed(x.type.shape[1])
    if channels is None:
        return None
    for _ in range(3):
        y = _convolve(m, x, m.input(2, x.type.shape[1], 1, 1))
        x = m.b.op("concat", *m.random.sample((x, y), 2), axis=1)
        m.values += [m.random.choice((x, y))]
    return x


def _reduce(m: Network) -> Value:
    x = m.b.op("tanh", m.pick(2, 3, 4))
    axes = tuple(a for a in range(x.type.rank) if m.random.random() < 0.5)
    return m.b.op(m.random.choice(("reduce_sum", "reduce_max", "reduce_prod")), x, axes=axes)


def _softmax(m: Network) -> Value:
    x = m.pick(2, 3, 4)
    return softmax(m.b, x, m.random.choice((x.type.rank - 1, 0)))


def _norm(m: Network, x: Value | None = None) -> Value:
    """Layer normalisation; its epsilon is large, so that halves do not amplify their noise."""
    x = x or m.pick(2, 3, 4)
    axis, b = x.type.rank - 1, m.b
    count = b.op("cast", b.op("dim", value=x.type.shape[axis]), dtype=m.dtype)

    def mean(value: Value) -> Value:
        total = b.op("reduce_sum", value, axes=(axis,))
        return b.op("div", b.op("reshape", total, shape=kept(value, axis)), count)

    shifted = b.op("sub", x, mean(x))
    scale = b.op("rsqrt", b.op("add", mean(b.op("mul", shifted, shifted)), m.literal(1.0)))
    return b.op("mul", shifted, scale)


def _matmul(m: Network) -> Value:
    x = m.pick(2, 3, 4)
    x = m.random.choice((_norm(m, x), softmax(m.b, x, x.type.rank - 1), m.b.op("tanh", x)))
    width = m.random.choice((1, 6, 17))
    y = m.b.op("matmul", x, m.input(x.type.shape[-1], width))
    return m.b.op("mul", m.b.op("add", y, m.input(width)), m.literal(0.3))


def _convolve(m: Network, x: Value, w: Value, op: str = "conv", **attrs: Any) -> Value:
    rank = x.type.rank - 2
    plain: dict[str, Any] = {
        "strides": (1,) * rank,
        "padding": ((0, 0),) * rank,
        "dilations": (1,) * rank,
        "groups": 1,
    }
    y = m.b.op(op, m.b.op("tanh", x), w, **(plain | attrs))
    return m.b.op("maximum", m.b.op("mul", y, m.literal(0.3)), m.literal(0.0))


def _conv(m: Network) -> Value | None:
    x = m.pick(4)
    channels = fixed(x.type.shape[1])
    if channels is None:
        return None
    groups = m.random.choice((1, channels, 2 if channels % 2 == 0 else 1))
    size, stride, dilation = (m.random.choice(c) for c in ((1, 3), (1, 2), (1, 2)))
    padding = ((dilation * (size // 2), dilation * (size // 2) + 1),) * 2
    common: dict[str, Any] = {
        "strides": (stride,) * 2,
        "dilations": (dilation,) * 2,
        "groups": groups,
    }
    if m.random.random() < 0.3:
        w = m.input(channels, 2, size, size)
        extra: dict[str, Any] = {
            "padding": ((size // 2,) * 2,) * 2,
            "output_padding": (stride - 1,) * 2,
        }
        return _convolve(m, x, w, "conv_transpose", **common, **extra)
    w = m.input(groups * m.random.choice((1, 8)), channels // groups, size, size)
    return _convolve(m, x, w, padding=padding, **common)


def _pool(m: Network) -> Value:
    x = m.b.op("sigmoid", m.pick(4))
    attrs: dict[str, Any] = {
        "kernel": (3, 3),
        "strides": (m.random.choice((1, 2)),) * 2,
        "dilations": (1, 1),
    }
    return m.b.op(m.random.choice(("max_pool", "sum_pool")), x, padding=((1, 1),) * 2, **attrs)


def _gather(m: Network) -> Value | None:
    x = m.pick(2, 3, 4)
    axis = m.random.randrange(x.type.rank)
    size = fixed(x.type.shape[axis])
    if size is None:
        return None
    if m.random.random() < 0.5:
        best = m.b.op("argmax", x, axis=axis, select_last=m.random.random() < 0.5)
        return m.b.op("gather_elements", x, m.b.op("reshape", best, shape=kept(x, axis)), axis=axis)
    return m.b.op("gather", x, m.input(2, 3, kind="int64", below=size), axis=axis)


def _one_hot(m: Network) -> Value:
    ids = m.input(2, 5, kind="int32", below=9)
    return m.b.op("one_hot", ids, depth=7, axis=m.random.randint(0, 2), dtype=m.dtype)


def _causal(m: Network) -> Value:
    x = m.pick(2, 3, 4)
    shape = x.type.shape[-2:]
    rows, columns = (m.b.op("iota", shape=shape, axis=a, dtype=I64) for a in (0, 1))
    return m.b.op("select", m.b.op("ge", rows, columns), x, m.literal(-1.0))


def _attention(m: Network) -> Value:
    """Heads of 8 to heads of 5; masks of either kind, rows without any key among them."""
    batch, heads, rows, keys = m.batch, m.random.choice((1, 3)), 5, m.keys
    shared = m.random.choice((heads, 1))
    q = m.input(batch, heads, rows, 8)
    k = m.b.op("transpose", m.input(batch, keys, shared, 8), perm=(0, 2, 3, 1))
    v = m.input(batch, shared, keys, 5)
    scale, before = m.literal(8**-0.5), m.random.random() < 0.5
    scores = m.b.op("matmul", m.b.op("mul", q, scale) if before else q, k)
    scores = scores if before else m.b.op("mul", scores, scale)
    mask = m.random.choice(("none", "add", "select"))
    if mask == "add":
        scores = m.b.op("add", scores, m.input(*m.random.choice(((rows, keys), (1, 1, 1, keys)))))
    if mask == "select":
        seen = m.input(batch, 1, rows, keys, kind="bool")
        scores = m.b.op("select", seen, scores, m.literal(float("-inf")))
    y = m.b.op("matmul", softmax(m.b, scores, 3), v)
    y = m.b.op("select", m.b.op("is_nan", y), m.literal(2.0), y)  # of rows without keys
    return m.b.op(
        "reshape", m.b.op("transpose", y, perm=(0, 2, 1, 3)), shape=(batch, rows, heads * 5)
    )


STEPS: Sequence[Step] = (
    *(_unary, _binary, _broadcast, _transpose, _reshape, _slice, _pad, _reverse, _concat, _dense),
    *(_reduce, _softmax, _norm, _matmul, _matmul, _conv, _conv, _pool, _gather, _one_hot, _causal),
    *(_attention, _attention),
)
