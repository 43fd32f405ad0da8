"""Contractions that matrix units do not take, of every element type; exactness of float32 dots."""

from __future__ import annotations

import re

import pytest
import torch

from fusec.codegen import print_kernel
from fusec.codegen.compile import compile_with_assembly
from fusec.ir.sym import symbol
from fusec.ir.types import DType, bf16, dtype, f16, f32, f64, i8, i32, i64
from fusec.target import resolve
from fusec.tile.candidates import candidates, interpreter_config
from fusec.tile.kernel import Config
from fusec.tile.program import Apply, Axis, Dot, Load, Loop, Role, Statement, Store, TileProgram
from tests.codegen.programs import buffer, program, run, tiles, torch_dtype


def product(
    source: DType, acc: DType, shape: tuple[int, int, int], role: Role = Role.LOOP, **more: str
) -> TileProgram:
    """``y = a @ b`` for shape (m, k, n), in the element type ``acc``."""
    rows, depth, columns = shape
    m, k, n = (symbol(name, below=size) for name, size in zip("mkn", shape, strict=True))
    steps: tuple[Statement, ...] = (
        Load("a0", source, ("m", "k"), "a", m * depth + k, (), 0),
        Load("b0", source, ("k", "n"), "b", k * columns + n, (), 0),
        Dot("acc", acc, ("m", "n"), "a0", "b0", "k"),
    )
    store = Store("s", acc, ("m", "n"), "y", "acc", m * columns + n, ())
    body: list[Statement | Loop] = [*steps, store]
    if role is not Role.FULL:
        body = [Loop("k", steps), store]

    def masked(size: int) -> bool:
        return size & (size - 1) != 0

    axes = [
        Axis("m", rows, Role.GRID, masked(rows)),
        Axis("k", depth, role, masked(depth) and role is not Role.SERIAL),
        Axis("n", columns, Role.GRID, masked(columns)),
    ]
    operands = [buffer("a", source, rows, depth), buffer("b", source, depth, columns)]
    results = [buffer("y", acc, rows, columns)]
    return program("contraction", axes, body, operands, results, anchor="acc", **more)


def matrices(kind: DType, shape: tuple[int, int, int]) -> tuple[torch.Tensor, torch.Tensor]:
    rows, depth, columns = shape
    generator = torch.Generator().manual_seed(5)
    low, high = (0, 9) if kind.kind == "uint" else (-9, 9)
    a = torch.randint(low, high, (rows, depth), generator=generator)
    b = torch.randint(low, high, (depth, columns), generator=generator)
    if kind.is_float:
        return (a / 4).to(torch_dtype(kind)), (b / 4).to(torch_dtype(kind))
    return a.to(torch_dtype(kind)), b.to(torch_dtype(kind))


def check(made: TileProgram, source: DType, acc: DType, shape: tuple[int, int, int]) -> None:
    a, b = matrices(source, shape)
    wide = torch.float64 if acc.is_float else torch.int64
    expected = (a.to(wide) @ b.to(wide)).to(torch_dtype(acc))
    for config in (*sizes(made, shape), interpreter_config(made)):
        out = torch.full(expected.shape, 77, dtype=expected.dtype)
        run(made, {"a": a, "b": b, "y": out}, config)
        assert torch.equal(out, expected), config


def sizes(made: TileProgram, shape: tuple[int, int, int]) -> list[Config]:
    """Small tiles, legal for masked and unmasked axes."""
    chosen = {}
    for axis, extent in zip(made.axes, shape, strict=True):
        if axis.is_vector:
            whole = 1 << (extent - 1).bit_length()
            chosen[axis.name] = whole if axis.role is Role.FULL else min(whole, 16)
    return [tiles(**chosen)]


# Sums of quarters are exact in every accumulator, so results have to be equal.
TYPES = [(f32, f32), (f16, f32), (bf16, f32), (i8, i32), (f64, f64), (i32, i32), (i64, i64)]


@pytest.mark.parametrize(("source", "acc"), [*TYPES, (dtype("u8"), i32), (dtype("i16"), i32)])
@pytest.mark.parametrize("shape", [(21, 37, 13), (16, 32, 16), (5, 8, 3), (4, 3, 32)], ids=str)
def test_dot_of_every_type(source: DType, acc: DType, shape: tuple[int, int, int]) -> None:
    check(product(source, acc, shape), source, acc, shape)


@pytest.mark.parametrize("role", [Role.FULL, Role.SERIAL], ids=lambda r: r.name)
@pytest.mark.parametrize("source", [f32, i32], ids=str)
def test_dot_over_other_roles(role: Role, source: DType) -> None:
    shape = (21, 37, 13)
    check(product(source, source, shape, role), source, source, shape)


def test_operands_in_either_order_of_axes() -> None:
    """The right side may come first in the program's axes: the result still lies (m, n)."""
    m, k, n = (symbol(name, below=size) for name, size in (("m", 20), ("k", 33), ("n", 17)))
    steps = (
        Load("a0", f32, ("m", "k"), "a", k * 20 + m, (), 0.0),
        Load("b0", f32, ("n", "k"), "b", n * 33 + k, (), 0.0),
        Dot("acc", f32, ("n", "m"), "a0", "b0", "k"),
    )
    axes = [
        Axis("n", 17, Role.GRID, True),
        Axis("m", 20, Role.GRID, True),
        Axis("k", 33, Role.LOOP, True),
    ]
    store = Store("s", f32, ("n", "m"), "y", "acc", m * 17 + n, ())
    operands = [buffer("a", f32, 33, 20), buffer("b", f32, 17, 33)]
    results = [buffer("y", f32, 20, 17)]
    made = program("contraction", axes, [Loop("k", steps), store], operands, results)
    a, b = torch.randn(33, 20), torch.randn(17, 33)
    out = torch.empty(20, 17)
    run(made, {"a": a, "b": b, "y": out}, tiles(n=16, m=32, k=16))
    torch.testing.assert_close(out, a.T @ b.T, rtol=1e-5, atol=1e-5)


def test_matrix_times_vector() -> None:
    m, k = symbol("m", below=20), symbol("k", below=33)
    steps = (
        Load("a0", f32, ("m", "k"), "a", m * 33 + k, (), 0.0),
        Load("b0", f32, ("k",), "b", k, (), 0.0),
        Dot("acc", f32, ("m",), "a0", "b0", "k"),
    )
    axes = [Axis("m", 20, Role.GRID, True), Axis("k", 33, Role.LOOP, True)]
    body: list[Statement | Loop] = [
        Loop("k", steps),
        Store("s", f32, ("m",), "y", "acc", m, ()),
    ]
    operands = [buffer("a", f32, 20, 33), buffer("b", f32, 33)]
    made = program("contraction", axes, body, operands, [buffer("y", f32, 20)])
    a, b = torch.randn(20, 33), torch.randn(33)
    for config in (tiles(m=8, k=8), interpreter_config(made)):
        out = torch.empty(20)
        run(made, {"a": a, "b": b, "y": out}, config)
        torch.testing.assert_close(out, a @ b, rtol=1e-5, atol=1e-5)
    compile_with_assembly(made, "k", resolve("sm_80"), candidates(made, resolve("sm_80"))[0].config)


def test_batch_axis_is_a_scalar() -> None:
    batch, rows, depth, columns = 3, 18, 20, 33
    b, m, k, n = (
        symbol(name, below=size)
        for name, size in (("b", batch), ("m", rows), ("k", depth), ("n", columns))
    )
    steps = (
        Load("a0", f32, ("b", "m", "k"), "a", b * 360 + m * 20 + k, (), 0.0),
        Load("b0", f32, ("b", "k", "n"), "w", b * 660 + k * 33 + n, (), 0.0),
        Dot("acc", f32, ("b", "m", "n"), "a0", "b0", "k"),
    )
    axes = [
        Axis("b", batch, Role.BATCH, False),
        Axis("m", rows, Role.GRID, True),
        Axis("k", depth, Role.LOOP, True),
        Axis("n", columns, Role.GRID, True),
    ]
    store = Store("s", f32, ("b", "m", "n"), "y", "acc", b * 594 + m * 33 + n, ())
    operands = [buffer("a", f32, batch, rows, depth), buffer("w", f32, batch, depth, columns)]
    results = [buffer("y", f32, batch, rows, columns)]
    made = program("contraction", axes, [Loop("k", steps), store], operands, results)
    x, w = torch.randn(batch, rows, depth), torch.randn(batch, depth, columns)
    out = torch.empty(batch, rows, columns)
    run(made, {"a": x, "w": w, "y": out}, tiles(m=16, k=16, n=16))
    torch.testing.assert_close(out, x @ w, rtol=1e-5, atol=1e-5)


def test_garbage_past_the_depth_does_not_count() -> None:
    """A prologue that maps 0 to infinity must not leak into the sum."""
    made = product(f32, f32, (16, 5, 16))
    loop, store = made.body
    assert isinstance(loop, Loop)
    a0, b0, dot = loop.body
    assert isinstance(dot, Dot)
    inverse = Apply("a1", f32, ("m", "k"), "reciprocal", ("a0",))
    steps = (a0, inverse, b0, Dot("acc", f32, ("m", "n"), "a1", "b0", "k"))
    changed = program(
        "contraction", made.axes, [Loop("k", steps), store], made.operands, made.results
    )
    a, b = torch.rand(16, 5) + 1, torch.randn(5, 16)
    out = torch.empty(16, 16)
    run(changed, {"a": a, "b": b, "y": out}, tiles(m=16, k=16, n=16))
    torch.testing.assert_close(out, (1 / a) @ b, rtol=1e-5, atol=1e-5)


# ------------------------------------------------------------------------------- compilation


@pytest.mark.parametrize(("source", "acc"), TYPES)
@pytest.mark.parametrize(
    "target", ["sm_80", "sm_90", pytest.param("gfx942", marks=pytest.mark.slow)]
)
def test_compiles_without_spills(source: DType, acc: DType, target: str) -> None:
    made = product(source, acc, (100, 64, 96))
    config = candidates(made, resolve(target))[0].config
    compiled = compile_with_assembly(made, "k", resolve(target), config)
    assert compiled.binary.resources.spills == 0


@pytest.mark.parametrize(
    ("precision", "pattern"), [("ieee", None), ("tf32", r"mma\S*tf32"), ("tf32x3", r"mma\S*tf32")]
)
@pytest.mark.parametrize("target", ["sm_80", "sm_90"])
def test_precision_of_float32_dots_in_ptx(precision: str, pattern: str | None, target: str) -> None:
    made = product(f32, f32, (128, 64, 128), precision=precision)
    config = candidates(made, resolve(target))[0].config
    ptx = compile_with_assembly(made, "k", resolve(target), config).assembly
    if pattern is None:
        assert "tf32" not in ptx
        assert "fma.rn.f32" in ptx
    else:
        assert re.search(pattern, ptx)


def test_precision_is_one_of_three() -> None:
    made = product(f32, f32, (16, 16, 16), precision='ieee"); import os  #')
    with pytest.raises(ValueError, match="precision"):
        print_kernel(made, "k")
