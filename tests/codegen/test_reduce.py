"""Reductions of every kind over every role of axis, with NaN, ties and masked elements."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from fusec.codegen.compile import compile_with_assembly
from fusec.ir.sym import symbol
from fusec.ir.types import DType, bool_, dtype, f32, f64, i8, i32, i64
from fusec.target import resolve
from fusec.tile.candidates import candidates
from fusec.tile.kernel import Config
from fusec.tile.program import (
    Axis,
    Literal,
    Load,
    Loop,
    Reduce,
    Role,
    Statement,
    Store,
    TileProgram,
)
from tests.codegen.programs import buffer, program, run, tiles, torch_dtype
from tests.codegen.values import same_bits

ROWS, COLUMNS = 6, 21
ROLES = (Role.FULL, Role.LOOP, Role.SERIAL)


def reduction(
    kind: str,
    source: DType,
    result: DType,
    role: Role,
    *,
    last: bool = False,
    columns: int = COLUMNS,
) -> TileProgram:
    """``y[x] = kind over r of a[x, r]``."""
    x, r = symbol("x", below=ROWS), symbol("r", below=columns)
    load = Load("a0", source, ("x", "r"), "a", x * columns + r, (), None)
    reduce = Reduce("y0", result, ("x",), kind, "a0", "r", last=last)
    store = Store("s", result, ("x",), "y", "y0", x, ())
    body: list[Statement | Loop] = [load, reduce, store]
    if role is not Role.FULL:
        body = [Loop("r", (load, reduce)), store]
    masked = role is not Role.SERIAL and columns & (columns - 1) != 0
    axes = [Axis("x", ROWS, Role.GRID, True), Axis("r", columns, role, masked)]
    operands = [buffer("a", source, ROWS, columns)]
    return program("reduction", axes, body, operands, [buffer("y", result, ROWS)])


def configs(role: Role, columns: int = COLUMNS) -> list[Config]:
    if role is Role.SERIAL:
        return [tiles(x=4), tiles(x=8)]
    if role is Role.FULL:
        return [tiles(x=x, r=32 if columns > 16 else 16) for x in (1, 8)]
    return [tiles(x=4, r=r) for r in (1, 4, 16)]


def check(
    made: TileProgram, role: Role, data: torch.Tensor, expected: torch.Tensor, exact: bool = True
) -> None:
    for config in configs(role, data.shape[1]):
        out = torch.full_like(expected, 1 if expected.dtype == torch.bool else 99)
        run(made, {"a": data, "y": out}, config)
        if exact:
            assert bool(same_bits(out, expected).all()), (config, out, expected)
        else:
            torch.testing.assert_close(out, expected, rtol=1e-6, atol=1e-6, equal_nan=True)


def numbers(kind: DType) -> torch.Tensor:
    """Small numbers with ties; in floats also a NaN, infinities and a row of minus infinity."""
    generator = torch.Generator().manual_seed(3)
    data = torch.randint(-9 if kind.kind != "uint" else 0, 9, (ROWS, COLUMNS), generator=generator)
    if not kind.is_float:
        return data.to(torch_dtype(kind))
    result = data.to(torch_dtype(kind)) / 4
    result[1, 7] = float("nan")
    result[2, 3] = float("inf")
    result[3] = float("-inf")
    result[4] = float("nan")
    return result


TORCH: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "sum": lambda t: t.sum(1),
    "prod": lambda t: t.prod(1),
    "max": lambda t: t.amax(1),
    "min": lambda t: t.amin(1),
}


@pytest.mark.parametrize("role", ROLES, ids=lambda r: r.name)
@pytest.mark.parametrize("kind", TORCH)
@pytest.mark.parametrize("source", [f32, f64, i32, i64, dtype("u8")], ids=str)
def test_reduce(kind: str, source: DType, role: Role) -> None:
    data = numbers(source)
    expected = TORCH[kind](data).to(data.dtype)
    exact = kind in ("max", "min") or not source.is_float
    check(reduction(kind, source, source, role), role, data, expected, exact)


@pytest.mark.parametrize("role", ROLES, ids=lambda r: r.name)
@pytest.mark.parametrize(("source", "result"), [(i8, i32), (dtype("f16"), f32), (i8, i64)])
def test_wider_accumulators(source: DType, result: DType, role: Role) -> None:
    data = numbers(source).nan_to_num(0, 0, 0) * 10
    expected = data.to(torch_dtype(result)).sum(1)
    check(reduction("sum", source, result, role), role, data, expected, exact=False)


@pytest.mark.parametrize("role", ROLES, ids=lambda r: r.name)
@pytest.mark.parametrize("kind", ["max", "min"])
def test_any_and_all(kind: str, role: Role) -> None:
    data = numbers(i32) > 7
    data[0], data[1] = True, False
    expected = data.any(1) if kind == "max" else data.all(1)
    check(reduction(kind, bool_, bool_, role), role, data, expected)


def first_or_last(data: torch.Tensor, largest: bool, last: bool) -> torch.Tensor:
    """Brute force: the position of the extremum, a NaN before every number."""
    found = []
    for row in data.tolist():
        nans = [i for i, v in enumerate(row) if v != v]
        best = max(row) if largest else min(row)
        places = nans or [i for i, v in enumerate(row) if v == best]
        found.append(places[-1] if last else places[0])
    return torch.tensor(found)


@pytest.mark.parametrize("role", ROLES, ids=lambda r: r.name)
@pytest.mark.parametrize("kind", ["argmax", "argmin"])
@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("source", [f32, i64, i8, bool_], ids=str)
def test_arg_reductions(kind: str, source: DType, role: Role, last: bool) -> None:
    data = numbers(i32) > 3 if source == bool_ else numbers(source)
    expected = first_or_last(data, kind == "argmax", last)
    check(reduction(kind, source, i64, role, last=last), role, data, expected)


def test_full_axis_of_a_power_of_two_has_no_mask() -> None:
    from fusec.codegen import print_kernel

    made = reduction("sum", f32, f32, Role.FULL, columns=16)
    assert "r_in" not in print_kernel(made, "k")
    data = numbers(f32)[:, :16].contiguous()
    check(made, Role.FULL, data, data.sum(1), exact=False)


def test_reduction_of_a_scalar_counts_elements() -> None:
    x, r = symbol("x", below=ROWS), symbol("r", below=COLUMNS)
    del r
    body = [
        Literal("one", f32, (), 2.0),
        Reduce("y0", f32, ("x",), "sum", "one", "r"),
        Store("s", f32, ("x",), "y", "y0", x, ()),
    ]
    axes = [Axis("x", ROWS, Role.GRID, True), Axis("r", COLUMNS, Role.FULL, True)]
    made = program("reduction", axes, body, [], [buffer("y", f32, ROWS)])
    out = torch.zeros(ROWS)
    run(made, {"y": out}, tiles(x=4, r=32))
    assert out.tolist() == [2.0 * COLUMNS] * ROWS


HIP = pytest.param("gfx942", marks=pytest.mark.slow)


@pytest.mark.parametrize("target", ["sm_80", HIP])
@pytest.mark.parametrize("role", ROLES, ids=lambda r: r.name)
@pytest.mark.parametrize(
    ("kind", "source", "result"),
    [
        *((kind, kind_, kind_) for kind in TORCH for kind_ in (f32, f64, i32)),
        ("max", bool_, bool_),
        ("argmax", f32, i64),
        ("argmin", i8, i64),
    ],
)
def test_compiles(kind: str, source: DType, result: DType, role: Role, target: str) -> None:
    made = reduction(kind, source, result, role)
    config = candidates(made, resolve(target))[0].config
    compiled = compile_with_assembly(made, "k", resolve(target), config)
    assert compiled.binary.resources.spills == 0
