"""Which vector axes each statement's tile has a dimension for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from fusec.ir.sym import Dim, free_symbols
from fusec.tile.program import (
    Apply,
    Dot,
    InBounds,
    Index,
    Literal,
    Reduce,
    Statement,
    TileProgram,
)

Dims = tuple[str, ...]


def vector_axes(program: TileProgram) -> Dims:
    """The axes that tiles have dimensions for, in program order."""
    return tuple(a.name for a in program.axes if a.is_vector)


def tile_dims(program: TileProgram) -> dict[str, Dims]:
    """The dimensions of every statement's value, by its name; a store's: those it writes."""
    order = vector_axes(program)
    known: dict[str, Dims] = {}
    for statement in program.statements:
        found = set(_varying(statement, known, order))
        known[statement.name] = tuple(d for d in order if d in found)
    return known


def _varying(statement: Statement, known: Mapping[str, Dims], order: Dims) -> Iterable[str]:
    if isinstance(statement, Literal):
        return ()
    if isinstance(statement, Index):
        return _of_index(statement.value, known, order)
    if isinstance(statement, InBounds):
        return [d for b in statement.bounds for d in _of_index(b.index, known, order)]
    if isinstance(statement, Apply):
        return [d for a in statement.args for d in known[a]]
    if isinstance(statement, Reduce):
        return [d for d in known[statement.arg] if d != statement.axis]
    if isinstance(statement, Dot):
        return [d for d in (*known[statement.a], *known[statement.b]) if d != statement.axis]
    return statement.axes


def _of_index(x: Dim, known: Mapping[str, Dims], order: Dims) -> list[str]:
    """The vector axes an index expression varies over, through loaded indices, too."""
    found: list[str] = []
    for symbol in free_symbols(x):
        found += (symbol.name,) if symbol.name in order else known.get(symbol.name, ())
    return found
