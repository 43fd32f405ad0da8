"""The launch grid: one dimension, taken apart into the grid's axes, the last varying fastest."""

from __future__ import annotations

from collections.abc import Mapping

from fusec.codegen.emitter import Emitter
from fusec.ir.sym import Dim, ceildiv, evaluate, product
from fusec.tile.kernel import Config
from fusec.tile.program import Axis, Role, TileProgram


def grid_size(program: TileProgram, config: Config) -> Dim:
    """Number of programs, a dim over the graph's symbols."""
    return product(_steps(program.axis(name), config) for name in program.grid)


def grid_count(program: TileProgram, config: Config, symbols: Mapping[str, int]) -> int:
    """Number of programs for symbol values."""
    return evaluate(grid_size(program, config), symbols)


def check_config(program: TileProgram, config: Config, symbols: Mapping[str, int]) -> None:
    """ValueError if a tile is no power of two or reaches past an axis that has no masks."""
    for axis in program.axes:
        if not axis.is_vector:
            continue
        tile, extent = config.tile(axis.name), evaluate(axis.extent, symbols)
        if tile < 1 or tile & (tile - 1):
            raise ValueError(f"{axis.block} = {tile} is not a power of two")
        if not axis.masked and extent % tile:
            raise ValueError(f"{axis.block} = {tile} does not divide {axis.name}'s {extent}")
        if axis.role is Role.FULL and tile < extent:
            raise ValueError(f"{axis.block} = {tile} does not hold {axis.name}'s {extent}")


def _steps(axis: Axis, config: Config) -> Dim:
    return axis.extent if axis.role is Role.BATCH else ceildiv(axis.extent, config.tile(axis.name))


def declare_grid(emitter: Emitter) -> None:
    """Define ``pid_m`` of every tiled grid axis and the index of every batch axis."""
    grid = [emitter.program.axis(name) for name in emitter.program.grid]
    wide = ".to(tl.int64)" if emitter.program.wide else ""
    if len(grid) == 1:
        emitter.definitions.add(_target(grid[0]), f"tl.program_id(0){wide}", frozenset())
        return
    emitter.definitions.add("pid", f"tl.program_id(0){wide}", frozenset())
    for at, axis in enumerate(grid):
        inner = [_count(emitter, a) for a in grid[at + 1 :]]
        used = {"pid"} | {u for _, uses in inner for u in uses}
        text = "pid"
        if inner:
            step = " * ".join(t for t, _ in inner)
            text += f" // {step}" if len(inner) == 1 else f" // ({step})"
        if at:
            count, uses = _count(emitter, axis)
            used |= uses
            text += f" % {count}"
        emitter.definitions.add(_target(axis), text, frozenset(used))


def _target(axis: Axis) -> str:
    return axis.name if axis.role is Role.BATCH else f"pid_{axis.name}"


def _count(emitter: Emitter, axis: Axis) -> tuple[str, frozenset[str]]:
    """How many steps the grid makes along an axis, as text, and what that uses."""
    with emitter.nested() as inner:
        if axis.role is Role.BATCH:
            return emitter.index.operand(axis.extent, ()), frozenset(inner.used)
        text = f"tl.cdiv({emitter.index.text(axis.extent, ())}, {axis.block})"
        return text, frozenset(inner.used)
