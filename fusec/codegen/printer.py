"""A tile program as Triton source, for people to read.

The order of things: statements are printed first, each family by its own emitter; then the index
definitions that they turned out to use, at the top of the kernel or of the loop they belong to.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fusec.codegen.dot import emit_dot, finish_dot, start_dot
from fusec.codegen.emitter import Emitter
from fusec.codegen.grid import declare_grid
from fusec.codegen.index import Name
from fusec.codegen.lines import comment, fit
from fusec.codegen.memory import (
    emit_in_bounds,
    emit_index,
    emit_literal,
    emit_load,
    emit_store,
)
from fusec.codegen.names import identifier
from fusec.codegen.online import emit_running_max, start_running_max
from fusec.codegen.pointwise import emit_apply
from fusec.codegen.reduce import emit_reduce, finish_reduce, start_reduce
from fusec.ir.sym import Dim, free_symbols
from fusec.tile.program import (
    Apply,
    Axis,
    Dot,
    InBounds,
    Index,
    Literal,
    Load,
    Loop,
    Reduce,
    Role,
    RunningMax,
    Statement,
    Store,
    TileProgram,
)

PRECISIONS = ("ieee", "tf32x3", "tf32")
UNROLL = 16  # loops of so few single elements are unrolled: their index arithmetic becomes constant

Accumulating = Dot | Reduce | RunningMax
Emit = Callable[[Emitter, Any], None]

_STARTERS: dict[type[Statement], Emit] = {
    Dot: start_dot,
    Reduce: start_reduce,
    RunningMax: start_running_max,
}
_FINISHERS: dict[type[Statement], Emit] = {Dot: finish_dot, Reduce: finish_reduce}
_EMITTERS: dict[type[Statement], Emit] = {
    Load: emit_load,
    Store: emit_store,
    Literal: emit_literal,
    Index: emit_index,
    InBounds: emit_in_bounds,
    Apply: emit_apply,
    Reduce: emit_reduce,
    Dot: emit_dot,
    RunningMax: emit_running_max,
}


def print_kernel(program: TileProgram, name: str) -> str:
    """The Triton module of one kernel; ``name`` becomes the function's name.

    Parameters: operand and result pointers, the graph's symbols, then ``BLOCK_*`` constexprs.
    """
    _check(program)
    emitter = Emitter(program)
    emitter.namer(name)
    _declare(emitter)
    for item in program.body:
        if isinstance(item, Loop):
            _emit_loop(emitter, item)
        else:
            _emit(emitter, item)
    definitions, _ = emitter.definitions.resolve(emitter.scope.used, None)
    lines = [line for d in definitions for line in fit(f"{d.name} = {d.text}", 1)]
    lines += emitter.scope.lines
    head = fit(f"def {identifier(name)}({', '.join(parameters(program, emitter))}):", 0)
    parts = [*_header(program, name), "import triton", "import triton.language as tl", "", ""]
    for source in emitter.helpers.sources:
        parts += [*source.splitlines(), "", ""]
    return "\n".join([*parts, "@triton.jit", *head, *lines, ""])


def _check(program: TileProgram) -> None:
    """Programs may come from a file: what is printed as it stands has to be harmless."""
    for axis in program.axes:
        if not (axis.name.isidentifier() and axis.name.isascii()):
            raise ValueError(f"axis name {axis.name!r} is not an identifier")
    if program.precision not in PRECISIONS:
        raise ValueError(f"unknown precision {program.precision!r}")


def parameters(program: TileProgram, emitter: Emitter | None = None) -> list[str]:
    """The kernel's parameters in order, constexprs annotated."""
    if emitter is None:
        emitter = Emitter(program)
        _declare(emitter)
    pointers = [emitter.pointers[b.name] for b in (*program.operands, *program.results)]
    symbols = [emitter.symbols[s.name].text for s in program.symbols]
    blocks = [f"{a.block}: tl.constexpr" for a in program.axes if a.is_vector]
    return pointers + symbols + blocks


# ------------------------------------------------------------------------------- definitions


def _declare(emitter: Emitter) -> None:
    """Reserve names and declare everything that an index expression can mention."""
    program = emitter.program
    for symbol in program.symbols:
        emitter.symbols[symbol.name] = Name(emitter.namer(symbol.name), ())
    for axis in program.axes:
        dims = (axis.name,) if axis.is_vector else ()
        emitter.symbols[axis.name] = Name(emitter.namer(axis.name), dims)
    for buffer in (*program.operands, *program.results):
        emitter.pointers[buffer.name] = emitter.namer(f"{buffer.name}_ptr")
    declare_grid(emitter)
    for axis in program.axes:
        _declare_axis(emitter, axis)
    for name, value in program.parts:
        known = all(s.name in emitter.symbols for s in free_symbols(value))
        if known and not isinstance(value, int) and value not in emitter.parts:
            emitter.define(emitter.namer(name), value, emitter.index.dims(value))


def _declare_axis(emitter: Emitter, axis: Axis) -> None:
    """Define an axis' index vector and the mask of one that tiles may reach past."""
    name = emitter.symbols[axis.name].text
    if not axis.is_vector:
        if axis.role is Role.SERIAL:
            emitter.definitions.add(name, "", frozenset(), loop=axis.name)
        return
    wide = emitter.program.wide
    vector = f"tl.arange(0, {axis.block})"
    if axis.role is Role.GRID:
        pid = f"pid_{axis.name}"
        emitter.definitions.add(name, f"{pid} * {axis.block} + {vector}", frozenset({pid}))
    else:
        start = f"{name}_start" if axis.role is Role.LOOP else ""
        text = f"{start} + {vector}" if start else vector
        text = f"({text}).to(tl.int64)" if wide else text
        loop = axis.name if axis.role is Role.LOOP else None
        emitter.definitions.add(name, text, frozenset(), loop=loop)
    if axis.masked:
        _declare_mask(emitter, axis, name)


def _declare_mask(emitter: Emitter, axis: Axis, name: str) -> None:
    with emitter.nested() as inner:
        extent = emitter.index.text(axis.extent, ())
    mask = emitter.namer(f"{name}_in")
    emitter.masks[axis.name] = mask
    emitter.definitions.add(mask, f"{name} < {extent}", frozenset({name, *inner.used}))


# ------------------------------------------------------------------------------- statements


def _emit(emitter: Emitter, statement: Statement) -> None:
    if not isinstance(statement, Literal):
        emitter.note(statement)
    _EMITTERS[type(statement)](emitter, statement)


def _emit_loop(emitter: Emitter, loop: Loop) -> None:
    """Accumulators, the loop with the definitions it needs, then the values that live on."""
    axis = emitter.program.axis(loop.axis)
    sums = [s for s in loop.body if isinstance(s, Accumulating) and s.axis == loop.axis]
    for statement in sums:
        _STARTERS[type(statement)](emitter, statement)
    with emitter.nested() as inner:
        for item in loop.body:
            _emit(emitter, item)
    definitions, outer = emitter.definitions.resolve(inner.used, loop.axis)
    emitter.scope.used |= outer
    emitter.line(_loop_head(emitter, axis))
    for d in definitions:
        if d.text:
            emitter.scope.lines += fit(f"{d.name} = {d.text}", inner.depth)
    emitter.scope.lines += inner.lines
    for statement in sums:
        if type(statement) in _FINISHERS:
            _FINISHERS[type(statement)](emitter, statement)


def _loop_head(emitter: Emitter, axis: Axis) -> str:
    name = emitter.symbols[axis.name].text
    extent = emitter.index.text(axis.extent, ())
    if axis.role is Role.LOOP:
        return f"for {name}_start in range(0, {extent}, {axis.block}):"
    unroll = isinstance(axis.extent, int) and axis.extent <= UNROLL
    return f"for {name} in {'tl.static_range' if unroll else 'range'}({extent}):"


# ------------------------------------------------------------------------------- header


def _header(program: TileProgram, name: str) -> list[str]:
    """What the kernel computes, where it comes from, what it costs."""
    origins = dict.fromkeys(o for s in program.statements for o in s.origins)
    title = f"{name}: {program.kind}"
    lines = [comment(title + (f" of {', '.join(origins)}" if origins else ""), 0)]
    cost = program.cost
    sizes = f"reads {_bytes(cost.bytes_read)}, writes {_bytes(cost.bytes_written)}"
    return [*lines, comment(f"{sizes}, {_count(cost.flops)} operations a run", 0)]


def _bytes(value: Dim) -> str:
    if not isinstance(value, int):
        return f"{value} bytes"
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value} bytes"


def _count(value: Dim) -> str:
    if not isinstance(value, int):
        return str(value)
    for unit, size in (("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return str(value)
