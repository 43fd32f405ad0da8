"""The main kernel forms as hand-made tile programs, each with what torch computes for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor as Torch
from torch.nn import functional

from fusec.ir.sym import Dim, Symbol, delinearize, linearize, symbol
from fusec.ir.types import bool_, f32, i64
from fusec.tile.program import (
    Apply,
    Axis,
    Bound,
    Dot,
    InBounds,
    Literal,
    Load,
    Loop,
    Reduce,
    Role,
    Statement,
    Store,
    TileProgram,
)
from tests.codegen.programs import buffer, program, tiles

Tensors = dict[str, Torch]


@dataclass(frozen=True)
class Form:
    """A kernel form: program, operands by name, expected results by name, tile sizes to try."""

    name: str
    program: TileProgram
    inputs: Tensors
    expected: Tensors
    sizes: tuple[dict[str, int], ...]
    symbols: dict[str, int] = field(default_factory=dict)


def _random(*shape: int) -> Torch:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(len(shape) + shape[0]))


def broadcast() -> Form:
    """``y = relu(x * scale[c] + shift[c])`` over (n, c, s)."""
    shape = (3, 5, 14)
    x = symbol("x", below=210)
    _, c, _ = delinearize(x, shape)
    body = [
        Load("x0", f32, ("x",), "x", x, (), None, note="%x"),
        Load("scale", f32, ("x",), "scale", c, (), None),
        Apply("scaled", f32, ("x",), "mul", ("x0", "scale"), note="%0 = mul(%x, %scale)"),
        Load("shift", f32, ("x",), "shift", c, (), None),
        Apply(
            "y", f32, ("x",), "add", ("scaled", "shift"), note="%1 = add(%0, %b)", origins=("/bn",)
        ),
        Literal("zero", f32, (), 0.0),
        Apply("relu", f32, ("x",), "maximum", ("y", "zero"), note="%2 = relu", origins=("/relu",)),
        Store("store", f32, ("x",), "y", "relu", x, ()),
    ]
    made = program(
        "pointwise",
        [Axis("x", 210, Role.GRID, True)],
        body,
        [buffer("x", f32, *shape), buffer("scale", f32, 5), buffer("shift", f32, 5)],
        [buffer("y", f32, *shape)],
        parts=(("c", c),),
    )
    inputs = {"x": _random(*shape), "scale": _random(5), "shift": _random(5)}
    expected = torch.relu(inputs["x"] * inputs["scale"][:, None] + inputs["shift"][:, None])
    return Form("broadcast", made, inputs, {"y": expected}, ({"x": 16}, {"x": 64}, {"x": 256}))


def softmax(looped: bool) -> Form:
    """A row softmax, the row in one tile or walked three times."""
    rows, columns = 7, 50
    x, r = symbol("x", below=rows), symbol("r", below=columns)
    both, offset = ("x", "r"), x * columns + r

    def load(name: str) -> Load:
        return Load(name, f32, both, "x", offset, (), None)

    high = Reduce("high", f32, ("x",), "max", "x0", "r", note="%m = reduce_max(%x)")
    total = Reduce("total", f32, ("x",), "sum", "e0", "r", note="%s = reduce_sum(%e)")

    def shifted(at: int) -> list[Apply]:
        sub = Apply(f"d{at}", f32, both, "sub", (f"x{at}", "high"))
        return [sub, Apply(f"e{at}", f32, both, "exp", (f"d{at}",))]

    def ending(at: int) -> list[Apply | Store]:
        div = Apply("y0", f32, both, "div", (f"e{at}", "total"), origins=("/softmax",))
        return [div, Store("store", f32, both, "y", "y0", offset, ())]

    role = Role.LOOP if looped else Role.FULL
    if looped:
        summing = (load("x1"), *_again(shifted(1), total))
        phases = (load("x0"), high), summing, (load("x2"), *shifted(2), *ending(2))
        body: list[Statement | Loop] = [Loop("r", phase) for phase in phases]
    else:
        body = [load("x0"), high, *shifted(0), total, *ending(0)]
    made = program(
        "reduction",
        [Axis("x", rows, Role.GRID, True), Axis("r", columns, role, True)],
        body,
        [buffer("x", f32, rows, columns)],
        [buffer("y", f32, rows, columns)],
    )
    data = _random(rows, columns)
    full = ({"x": 4, "r": 64}, {"x": 1, "r": 64})
    sizes = ({"x": 4, "r": 16}, {"x": 8, "r": 64}) if looped else full
    name = "softmax_looped" if looped else "softmax"
    return Form(name, made, {"x": data}, {"y": torch.softmax(data, 1)}, sizes)


def _again(steps: list[Apply], total: Reduce) -> list[Apply | Reduce]:
    """The steps and the reduction of the last of them."""
    return [*steps, Reduce(total.name, f32, ("x",), "sum", steps[-1].name, "r", note=total.note)]


def matmul() -> Form:
    """``y = relu(exp(a) @ b + bias)`` with every extent masked and symbolic rows."""
    rows = Symbol("rows", 1, 64)
    depth, columns = 37, 29
    made = program(
        "contraction",
        [
            Axis("m", rows.expr, Role.GRID, True),
            Axis("k", depth, Role.LOOP, True),
            Axis("n", columns, Role.GRID, True),
        ],
        _matmul_body(rows, depth, columns),
        [
            buffer("a", f32, rows.expr, depth),
            buffer("b", f32, depth, columns),
            buffer("bias", f32, columns),
        ],
        [buffer("y", f32, rows.expr, columns)],
        symbols=(rows,),
        anchor="acc",
    )
    inputs = {"a": _random(43, depth), "b": _random(depth, columns), "bias": _random(columns)}
    wide = {name: tensor.double() for name, tensor in inputs.items()}
    expected = torch.relu(torch.exp(wide["a"]) @ wide["b"] + wide["bias"]).float()
    sizes = ({"m": 16, "k": 16, "n": 16}, {"m": 64, "k": 32, "n": 32})
    return Form("matmul", made, inputs, {"y": expected}, sizes, {"rows": 43})


def _matmul_body(rows: Symbol, depth: int, columns: int) -> list[Statement | Loop]:
    m = symbol("m", below=rows.expr)
    k, n = symbol("k", below=depth), symbol("n", below=columns)
    loop = Loop(
        "k",
        (
            Load("a0", f32, ("m", "k"), "a", m * depth + k, (), 0.0),
            Apply("a1", f32, ("m", "k"), "exp", ("a0",), note="%e = exp(%a)"),
            Load("b0", f32, ("k", "n"), "b", k * columns + n, (), 0.0),
            Dot("acc", f32, ("m", "n"), "a1", "b0", "k", note="%c = matmul(%e, %b)"),
        ),
    )
    return [
        loop,
        Load("bias0", f32, ("n",), "bias", n, (), None),
        Apply("sum", f32, ("m", "n"), "add", ("acc", "bias0")),
        Literal("zero", f32, (), 0.0),
        Apply("relu", f32, ("m", "n"), "maximum", ("sum", "zero")),
        Store("store", f32, ("m", "n"), "y", "relu", m * columns + n, ()),
    ]


CONV = (
    2,
    6,
    15,
    17,
    10,
    8,
    9,
)  # batch, channels, height, width, columns, result's rows and columns


def conv() -> Form:
    """A strided, padded 3x3 convolution as implicit GEMM with bias, residual and relu."""
    batch, channels, height, width, out, rows, columns = CONV
    inputs = {
        "x": _random(batch, channels, height, width),
        "w": _random(out, channels, 3, 3),
        "b": _random(out),
        "r": _random(batch, out, rows, columns),
    }
    x, w, b = (inputs[name].double() for name in "xwb")
    dense = functional.conv2d(x, w, b, stride=2, padding=1)
    expected = torch.relu(dense + inputs["r"].double()).float()
    sizes = ({"m": 16, "k": 16, "n": 16}, {"m": 64, "k": 32, "n": 16}, {"m": 256, "k": 64, "n": 16})
    parts, body = _conv_body()
    made = program(
        "contraction",
        [
            Axis("m", batch * rows * columns, Role.GRID, True),
            Axis("k", channels * 9, Role.LOOP, True),
            Axis("n", out, Role.GRID, True),
        ],
        body,
        [buffer(name, f32, *tensor.shape) for name, tensor in inputs.items()],
        [buffer("y", f32, batch, out, rows, columns)],
        parts=tuple(parts.items()),
        anchor="acc",
    )
    return Form("conv", made, inputs, {"y": expected}, sizes)


def _conv_body() -> tuple[dict[str, Dim], list[Statement | Loop]]:
    batch, channels, height, width, out, rows, columns = CONV
    taps = channels * 9
    m, n = symbol("m", below=batch * rows * columns), symbol("n", below=out)
    k = symbol("k", below=taps)
    image, oh, ow = delinearize(m, (batch, rows, columns))
    ci, kh, kw = delinearize(k, (channels, 3, 3))
    ih, iw = 2 * oh + kh - 1, 2 * ow + kw - 1
    bounds = (Bound(ih, height, True, True), Bound(iw, width, True, True))
    source = linearize((image, ci, ih, iw), (batch, channels, height, width))
    target = linearize((image, n, oh, ow), (batch, out, rows, columns))
    steps = (
        Load("x0", f32, ("m", "k"), "x", source, bounds, 0.0),
        Load("w0", f32, ("k", "n"), "w", n * taps + k, (), 0.0),
        Dot("acc", f32, ("m", "n"), "x0", "w0", "k", note="%c = conv", origins=("/conv",)),
    )
    parts = {"image": image, "oh": oh, "ow": ow, "ci": ci, "kh": kh, "kw": kw, "ih": ih, "iw": iw}
    return parts, [
        Loop("k", steps),
        Load("b0", f32, ("n",), "b", n, (), None),
        Apply("y0", f32, ("m", "n"), "add", ("acc", "b0"), origins=("/conv",), note="%y = add"),
        Load("r0", f32, ("m", "n"), "r", target, (), None),
        Apply("y1", f32, ("m", "n"), "add", ("y0", "r0"), origins=("/add",), note="%z = add"),
        Literal("zero", f32, (), 0.0),
        Apply("y2", f32, ("m", "n"), "maximum", ("y1", "zero"), origins=("/relu",)),
        Store("store", f32, ("m", "n"), "y", "y2", target, ()),
    ]


def depthwise() -> Form:
    """A depthwise 3x3 convolution, tap by tap."""
    channels, side = 5, 9
    outputs = channels * side * side
    x, t = symbol("x", below=outputs), symbol("t", below=9)
    c, oh, ow = delinearize(x, (channels, side, side))
    ih, iw = oh + t // 3 - 1, ow + t % 3 - 1
    bounds = (Bound(ih, side, True, True), Bound(iw, side, True, True))
    body: list[Statement | Loop] = [
        Loop(
            "t",
            (
                Load("x0", f32, ("x",), "x", c * side * side + ih * side + iw, bounds, 0.0),
                Load("w0", f32, ("x",), "w", c * 9 + t, (), None),
                Apply("p", f32, ("x",), "mul", ("x0", "w0")),
                Reduce("acc", f32, ("x",), "sum", "p", "t"),
            ),
        ),
        Store("store", f32, ("x",), "y", "acc", x, ()),
    ]
    made = program(
        "window",
        [Axis("x", outputs, Role.GRID, True), Axis("t", 9, Role.SERIAL, False)],
        body,
        [buffer("x", f32, channels, side, side), buffer("w", f32, channels, 3, 3)],
        [buffer("y", f32, channels, side, side)],
        parts=(("c", c), ("oh", oh), ("ow", ow), ("ih", ih), ("iw", iw)),
    )
    inputs = {"x": _random(channels, side, side), "w": _random(channels, 3, 3)}
    weight = inputs["w"][:, None].double()
    dense = functional.conv2d(inputs["x"][None].double(), weight, padding=1, groups=channels)
    return Form("depthwise", made, inputs, {"y": dense[0].float()}, ({"x": 32}, {"x": 512}))


def max_pool() -> Form:
    """3x3 max pooling with stride 2; padding never wins."""
    channels, side, out = 3, 11, 6
    outputs = channels * out * out
    x, t = symbol("x", below=outputs), symbol("t", below=9)
    c, oh, ow = delinearize(x, (channels, out, out))
    ih, iw = 2 * oh + t // 3 - 1, 2 * ow + t % 3 - 1
    bounds = (Bound(ih, side, True, True), Bound(iw, side, True, True))
    offset = c * side * side + ih * side + iw
    taps = (
        Load("x0", f32, ("x",), "x", offset, bounds, float("-inf")),
        Reduce("high", f32, ("x",), "max", "x0", "t"),
    )
    made = program(
        "window",
        [Axis("x", outputs, Role.GRID, True), Axis("t", 9, Role.SERIAL, False)],
        [Loop("t", taps), Store("store", f32, ("x",), "y", "high", x, ())],
        [buffer("x", f32, channels, side, side)],
        [buffer("y", f32, channels, out, out)],
        parts=(("ih", ih), ("iw", iw)),
    )
    data = _random(channels, side, side) - 3
    data[1, 4, 5] = float("nan")
    expected = functional.max_pool2d(data, 3, 2, 1)
    return Form("max_pool", made, {"x": data}, {"y": expected}, ({"x": 32}, {"x": 128}))


def concat() -> Form:
    """``concat(a, b)`` along dim 1, chosen by bounds."""
    x = symbol("x", below=2 * 7 * 4)
    i, j, c = delinearize(x, (2, 7, 4))
    left = (Bound(j, 3, False, True),)
    right = (Bound(j - 3, 4, True, False),)
    body = [
        Load("a0", f32, ("x",), "a", i * 12 + j * 4 + c, left, None),
        Load("b0", f32, ("x",), "b", i * 16 + (j - 3) * 4 + c, right, None),
        InBounds("inside", bool_, ("x",), left),
        Apply("y0", f32, ("x",), "select", ("inside", "a0", "b0"), note="%c = concat(%a, %b)"),
        Store("store", f32, ("x",), "y", "y0", x, ()),
    ]
    made = program(
        "move",
        [Axis("x", 56, Role.GRID, True)],
        body,
        [buffer("a", f32, 2, 3, 4), buffer("b", f32, 2, 4, 4)],
        [buffer("y", f32, 2, 7, 4)],
        parts=(("i", i), ("j", j), ("c", c)),
    )
    inputs = {"a": _random(2, 3, 4), "b": _random(2, 4, 4)}
    expected = torch.cat([inputs["a"], inputs["b"]], 1)
    return Form("concat", made, inputs, {"y": expected}, ({"x": 16}, {"x": 64}))


def gather() -> Form:
    """Rows of a table by an index tensor, one tile dim for each."""
    rows, width, count = 11, 6, 5
    x, c = symbol("x", below=count), symbol("c", below=width)
    row = symbol("row", below=rows)
    body = [
        Load("row", i64, ("x",), "index", x, (), None),
        Load("y0", f32, ("x", "c"), "table", row * width + c, (), None, note="%y = gather"),
        Store("store", f32, ("x", "c"), "y", "y0", x * width + c, ()),
    ]
    made = program(
        "move",
        [Axis("x", count, Role.GRID, True), Axis("c", width, Role.FULL, True)],
        body,
        [buffer("index", i64, count), buffer("table", f32, rows, width)],
        [buffer("y", f32, count, width)],
    )
    inputs = {"index": torch.tensor([3, 10, 0, 3, 7]), "table": _random(rows, width)}
    expected = inputs["table"][inputs["index"]]
    return Form("gather", made, inputs, {"y": expected}, ({"x": 4, "c": 8}, {"x": 8, "c": 8}))


FORMS: dict[str, Callable[[], Form]] = {
    "broadcast": broadcast,
    "softmax": lambda: softmax(False),
    "softmax_looped": lambda: softmax(True),
    "matmul": matmul,
    "conv": conv,
    "depthwise": depthwise,
    "max_pool": max_pool,
    "concat": concat,
    "gather": gather,
}

__all__ = ["FORMS", "Form", "tiles"]
