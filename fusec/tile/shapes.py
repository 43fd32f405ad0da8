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
    RunningMax,
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
    if isinstance(statement, Reduce | RunningMax):
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


# Element types that matrix units multiply through ``tl.dot``. float64 is left out: not every
# target's compiler takes it.
DOT_DTYPES = frozenset({"float16", "bfloat16", "float32", "int8"})


def shortest_dot(bits: int) -> int:
    """The fewest elements along the contracted axis that a matrix unit takes."""
    return 32 if bits == 8 else 16


def dot_uses_unit(program: TileProgram, dot: Dot, dims: Mapping[str, Dims]) -> bool:
    """Whether a `Dot` is one of two matrices in a type and depth that matrix units take.

    The others multiply tiles at the joint shape and sum.
    """
    dtypes = {s.name: s.dtype for s in program.statements}
    a, b = dtypes[dot.a], dtypes[dot.b]
    axis = program.axis(dot.axis)
    short = isinstance(axis.extent, int) and axis.extent < shortest_dot(a.bits)
    matrices = len(dims[dot.a]) == len(dims[dot.b]) == 2
    shared = set(dims[dot.a]) & set(dims[dot.b])
    return (
        a == b
        and a.name in DOT_DTYPES
        and axis.is_vector
        and (axis.masked or not short)
        and matrices
        and shared == {dot.axis}
    )


def tile_shapes(program: TileProgram) -> list[Dims]:
    """The dimensions of every tile a kernel holds, accumulators and products included."""
    dims = tile_dims(program)
    order = vector_axes(program)
    shapes = list(dims.values())
    for statement in program.statements:
        joint: set[str] = set()
        if isinstance(statement, Reduce):
            joint = {*dims[statement.arg], statement.axis}
        elif isinstance(statement, Dot) and not dot_uses_unit(program, statement, dims):
            joint = {*dims[statement.a], *dims[statement.b], statement.axis}
        if joint:
            shapes.append(tuple(d for d in order if d in joint))
    return list(dict.fromkeys(shapes))
