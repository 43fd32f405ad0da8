"""Emitters of what reads and writes memory or positions: load, store, literal, index, in-bounds."""

from __future__ import annotations

from math import isfinite

from fusec.codegen.cast import cast, is_float8
from fusec.codegen.emitter import Emitter, Tile
from fusec.codegen.literals import literal_value, typed_scalar
from fusec.codegen.names import tl
from fusec.ir.sym import Dim
from fusec.ir.types import DType
from fusec.tile.program import Buffer, InBounds, Index, Literal, Load, Store, TileProgram
from fusec.tile.shapes import Dims


def buffer(program: TileProgram, name: str) -> Buffer:
    """The operand or result of that name; KeyError if there is none."""
    for found in (*program.operands, *program.results):
        if found.name == name:
            return found
    raise KeyError(name)


def _pointer(emitter: Emitter, name: str, offset: Dim, dims: Dims) -> str:
    """The address of every element of a tile over ``dims``."""
    text = emitter.pointers[name] + emitter.index.summands(offset, dims)
    if emitter.index.dims(offset) == dims or not dims:
        return text
    return f"tl.broadcast_to({text}, {emitter.shape(dims)})"


def emit_load(emitter: Emitter, statement: Load) -> None:
    """Print ``name = tl.load(...)``, masked only where a bound or a masked axis asks for it."""
    dims = emitter.dims_of(statement.axes)
    held = buffer(emitter.program, statement.buffer).type.dtype
    pointer = _pointer(emitter, statement.buffer, statement.offset, dims)
    mask = emitter.mask(statement.bounds, dims)
    arguments = [pointer]
    if mask:
        fill = 0 if statement.fill is None else statement.fill
        arguments += [f"mask={mask}", f"other={_fill(fill, held)}"]
    text = cast(f"tl.load({', '.join(arguments)})", held, statement.dtype, emitter.helpers)
    emitter.line(f"{emitter.declare(statement)} = {text}")


def _fill(value: bool | int | float, held: DType) -> str:
    """``other`` is converted to the element type; only float64 could lose bits on the way."""
    if held.name == "float64" or is_float8(held):
        return literal_value(value, held)
    if not held.is_float:
        return str(int(value))
    return repr(float(value)) if isfinite(value) else f'float("{value}")'


def emit_store(emitter: Emitter, statement: Store) -> None:
    """Print ``tl.store(...)`` of a value in the buffer's element type."""
    dims = emitter.dims_of(statement.axes)
    held = buffer(emitter.program, statement.buffer).type.dtype
    tile = emitter.tiles[statement.arg]
    dims = emitter.dims_of((*dims, *tile.dims))
    value = emitter.use(statement.arg, dims)
    if tile.value is not None and tile.dtype != held:
        value = typed_scalar(tile.value, tile.dtype)
    arguments = [_pointer(emitter, statement.buffer, statement.offset, dims)]
    arguments.append(cast(value, tile.dtype, held, emitter.helpers))
    mask = emitter.mask(statement.bounds, dims)
    if mask:
        arguments.append(f"mask={mask}")
    emitter.line(f"tl.store({', '.join(arguments)})")


def emit_literal(emitter: Emitter, statement: Literal) -> None:
    """Literals are printed where they are used."""
    tile = Tile("", (), statement.dtype, statement, statement.value)
    emitter.tiles[statement.name] = tile


def emit_index(emitter: Emitter, statement: Index) -> None:
    """A position as a value."""
    dims = emitter.dims[statement.name]
    text = emitter.index.operand(statement.value, dims)
    if isinstance(statement.value, int):
        text = f"tl.full((), {text}, {tl(statement.dtype)})"
    elif not dims:  # may be a Python number: the counter of an unrolled loop
        text = f"tl.full((), 0, {tl(statement.dtype)}) + {text}"
    else:
        text = f"{text}.to({tl(statement.dtype)})"
    emitter.line(f"{emitter.declare(statement)} = {text}")


def emit_in_bounds(emitter: Emitter, statement: InBounds) -> None:
    """Print the conjunction of bounds as a bool tile."""
    dims = emitter.dims[statement.name]
    terms = emitter.bound_terms(statement.bounds, dims) or ["tl.full((), True, tl.int1)"]
    text = terms[0][1:-1] if len(terms) == 1 and statement.bounds else " & ".join(terms)
    emitter.line(f"{emitter.declare(statement)} = {text}")
