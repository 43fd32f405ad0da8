"""Tile-size candidates: legal, ranked, explained; the interpreter's config; the model's cost."""

from __future__ import annotations

import time
from dataclasses import replace
from math import prod

import pytest

from fusec.ir.sym import Symbol, symbol
from fusec.ir.types import DType, bf16, f16, f32, f64, i8, i32
from fusec.target import TARGETS, Target, resolve
from fusec.tile.candidates import (
    INTERPRETED_TILE,
    LARGEST,
    WORTH,
    candidates,
    interpreter_config,
    is_legal,
    modelled_seconds,
)
from fusec.tile.kernel import Candidate
from fusec.tile.limits import facts_of, fits, shared_bytes
from fusec.tile.program import Axis, Load, Role, Store, TileProgram
from fusec.tile.shapes import tile_shapes
from tests.codegen.forms import FORMS
from tests.codegen.programs import buffer, program
from tests.codegen.test_dot import product
from tests.codegen.test_reduce import reduction

SM_80 = resolve("sm_80")
PROGRAMS = {name: make().program for name, make in FORMS.items()}


def sized(
    rows: int, depth: int, columns: int, source: DType = f32, acc: DType = f32
) -> TileProgram:
    """A matrix product with the cost it has."""
    made = product(source, acc, (rows, depth, columns))
    size = source.itemsize
    cost = replace(
        made.cost,
        bytes_read=size * (rows * depth + depth * columns),
        bytes_written=acc.itemsize * rows * columns,
        flops=2 * rows * depth * columns,
    )
    return replace(made, cost=cost)


def elementwise(count: int) -> TileProgram:
    x = symbol("x", below=count)
    body = [
        Load("a", f32, ("x",), "a", x, (), None),
        Store("s", f32, ("x",), "out", "a", x, ()),
    ]
    axes = [Axis("x", count, Role.GRID, True)]
    buffers = [buffer("a", f32, count)], [buffer("out", f32, count)]
    made = program("pointwise", axes, body, *buffers)
    return replace(made, cost=replace(made.cost, bytes_read=4 * count, bytes_written=4 * count))


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("target", TARGETS, ids=lambda t: t.name)
def test_candidates_are_legal_and_sorted(name: str, target: Target) -> None:
    made = PROGRAMS[name]
    found = candidates(made, target)
    assert found
    assert [c.seconds for c in found] == sorted(c.seconds for c in found)
    assert len({c.config for c in found}) == len(found)
    for candidate in found:
        check_legal(made, target, candidate)


def check_legal(made: TileProgram, target: Target, candidate: Candidate) -> None:
    config = candidate.config
    assert config.target == target.name
    assert [name for name, _ in config.tiles] == [a.name for a in made.axes if a.is_vector]
    assert config.num_warps in (1, 2, 4, 8)
    assert 1 <= config.num_stages <= 5
    assert candidate.bound in ("memory", "compute", "latency")
    assert candidate.seconds >= target.launch_seconds
    tiles = dict(config.tiles)
    for axis in made.axes:
        if axis.is_vector:
            size = tiles[axis.name]
            assert size & (size - 1) == 0
            assert is_legal(axis, size)
            if axis.role is Role.FULL and isinstance(axis.extent, int):
                assert axis.extent <= size < 2 * axis.extent
    assert all(prod(tiles[d] for d in shape) <= LARGEST for shape in tile_shapes(made))
    used = shared_bytes(facts_of(made), tiles, config.num_warps, config.num_stages)
    assert used <= target.shared_per_block


@pytest.mark.parametrize(("rows", "columns"), [(3136, 256), (12544, 64), (100000, 512)])
@pytest.mark.parametrize("target", ["sm_80", "sm_90", "sm_120", "gfx942"])
def test_large_contractions_take_full_tiles_or_say_why(
    rows: int, columns: int, target: str
) -> None:
    best = candidates(sized(rows, 256, columns), resolve(target))[0]
    small = min(best.config.tile("m"), best.config.tile("n")) < 64
    assert bool(best.why) is small


def test_a_small_tile_has_to_be_worth_it() -> None:
    """Few rows: full tiles would leave most of the GPU idle. The reason gives both times."""
    found = candidates(sized(196, 1024, 256), SM_80)
    assert found[0].why
    assert "108 SMs" in found[0].why
    full = [c for c in found if not c.why]
    if full:
        assert found[0].seconds <= WORTH * full[0].seconds
    big = candidates(sized(100352, 1152, 128), SM_80)
    assert not big[0].why
    assert min(big[0].config.tile("m"), big[0].config.tile("n")) >= 64


def test_contractions_below_64_need_no_reason() -> None:
    assert not candidates(sized(49, 512, 512), SM_80)[0].why


@pytest.mark.parametrize("precision", ["ieee", "tf32"])
def test_the_unit_decides_about_the_time(precision: str) -> None:
    made = replace(sized(8192, 4096, 4096), precision=precision)
    flops = 2 * 8192 * 4096 * 4096
    peak = SM_80.dot_flops("float32", precision)
    assert flops / peak < modelled_seconds(made, SM_80) < 4 * flops / peak


def test_exact_float32_tiles_stay_shallow() -> None:
    """Deeper tiles of FMA dots are unrolled until they spill."""
    for candidate in candidates(sized(4096, 4096, 4096), SM_80):
        assert candidate.config.tile("k") <= 32
        held = candidate.config.tile("m") * candidate.config.tile("n")
        assert held <= 64 * 32 * candidate.config.num_warps


@pytest.mark.parametrize(
    ("source", "acc", "least"), [(f16, f32, 16), (bf16, f32, 16), (i8, i32, 32)]
)
def test_matrix_units_get_deep_enough_tiles(source: DType, acc: DType, least: int) -> None:
    for candidate in candidates(sized(512, 512, 512, source, acc), SM_80):
        assert candidate.config.tile("k") >= least


def test_products_without_a_unit_keep_the_joint_tile_small() -> None:
    for candidate in candidates(sized(512, 512, 512, f64, f64), SM_80):
        threads = 32 * candidate.config.num_warps
        assert prod(size for _, size in candidate.config.tiles) <= 96 * threads


def test_unmasked_axes_get_divisors() -> None:
    masked = sized(96, 96, 96)
    made = replace(masked, axes=tuple(replace(a, masked=False) for a in masked.axes))
    for candidate in candidates(made, SM_80):
        assert all(96 % size == 0 for _, size in candidate.config.tiles)


def test_symbolic_extents() -> None:
    rows = Symbol("rows", 1, 4096)
    form = FORMS["matmul"]().program
    axes = tuple(replace(a, extent=rows.expr) if a.name == "m" else a for a in form.axes)
    for candidate in candidates(replace(form, axes=axes), SM_80):
        check_legal(form, SM_80, candidate)


def test_pointwise_time_is_that_of_memory() -> None:
    count = 2**26
    seconds = modelled_seconds(elementwise(count), SM_80)
    ideal = 8 * count / SM_80.bandwidth
    assert ideal < seconds < 1.2 * ideal
    assert candidates(elementwise(count), SM_80)[0].bound == "memory"


def test_tiny_kernels_cost_a_launch() -> None:
    assert modelled_seconds(elementwise(100), SM_80) < 2 * SM_80.launch_seconds


def test_time_grows_with_work() -> None:
    sizes = [2**12, 2**16, 2**20, 2**24]
    times = [modelled_seconds(elementwise(n), SM_80) for n in sizes]
    assert times == sorted(times)
    times = [modelled_seconds(sized(n, 512, 512), SM_80) for n in (64, 512, 4096, 32768)]
    assert times == sorted(times)


def test_nothing_fits_still_gives_a_config() -> None:
    """A row of 2**17 in one tile holds too much for any warp count: the smallest is offered."""
    made = reduction("sum", f32, f32, Role.FULL, columns=2**17)
    (only,) = candidates(made, SM_80)
    assert only.config.tile("r") == 2**17
    assert not fits(facts_of(made), dict(only.config.tiles), only.config.num_warps, 1, SM_80)


def test_the_model_is_cheap_when_asked_again() -> None:
    made = sized(3136, 576, 64)
    modelled_seconds(made, SM_80)
    start = time.perf_counter()
    for _ in range(100):
        modelled_seconds(made, SM_80)
    assert (time.perf_counter() - start) / 100 < 1e-3


# ------------------------------------------------------------------------------- interpreter


@pytest.mark.parametrize("name", PROGRAMS)
def test_interpreter_config_is_legal(name: str) -> None:
    made = PROGRAMS[name]
    tiles = dict(interpreter_config(made).tiles)
    for axis in made.axes:
        if axis.is_vector:
            assert is_legal(axis, tiles[axis.name])
            assert axis.role is not Role.FULL or tiles[axis.name] >= int(str(axis.extent))


def test_interpreter_tiles_are_large_but_bounded() -> None:
    made = sized(3137, 1153, 257)
    tiles = dict(interpreter_config(made).tiles)
    shapes = tile_shapes(made)
    largest = max(prod(tiles[d] for d in shape) for shape in shapes)
    assert INTERPRETED_TILE / 4 <= largest <= INTERPRETED_TILE
    assert tiles["n"] >= 256


def test_interpreter_tiles_divide_unmasked_extents() -> None:
    made = sized(12544, 147, 64)
    axes = tuple(replace(a, masked=a.name == "k") for a in made.axes)
    tiles = dict(interpreter_config(replace(made, axes=axes)).tiles)
    assert (tiles["m"], tiles["n"]) == (256, 64)
    assert tiles["k"] == 256
