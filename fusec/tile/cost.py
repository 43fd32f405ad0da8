"""What a kernel moves and computes, counted from its statements."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fusec.ir.op import get_op
from fusec.ir.sym import Dim, bounds, ceildiv, product, smin
from fusec.target import Target
from fusec.tile.program import Apply, Buffer, Cost, Dot, Load, Reduce, Statement, Store, TileProgram
from fusec.tile.space import Space
from fusec.tile.trace import Term

RECOMPUTE_TILE = 64  # tile edge assumed when a statement is repeated for every tile of another axis
TRANSCENDENTAL = 8  # operations charged for one exp, log, sin, ...
# Elements of a tile along an axis of the grid. Attention has few rows in a tile: scores and heads
# share the registers.
USUAL_EDGE = {
    "pointwise": 1024,
    "move": 1024,
    "window": 1024,
    "reduction": 4,
    "contraction": 64,
    "attention": 16,
}


def count_cost(
    space: Space,
    terms: Sequence[Term],
    statements: Iterable[Statement],
    stores: Sequence[Store],
    buffers: Sequence[Buffer],
) -> Cost:
    """Distinct bytes read and written once, and operations including recomputation."""
    sizes = {b.name: b for b in buffers}
    read: dict[str, Dim] = {}
    for term in terms:
        if isinstance(term.statement, Load):
            load = term.statement
            read[load.buffer] = read.get(load.buffer, 0) + span(space, load.axes)
    bytes_read: Dim = 0
    for name, elements in read.items():
        kind = sizes[name].type
        bytes_read = bytes_read + smin(elements, kind.numel) * kind.dtype.itemsize
    written: Dim = 0
    for store in stores:
        written = written + sizes[store.buffer].type.nbytes
    flops: Dim = 0
    for statement in statements:
        flops = flops + operations(space, statement)
    return Cost(bytes_read, written, flops)


def span(space: Space, axes: Sequence[str]) -> Dim:
    """Number of points on some of the axes."""
    return product(a.extent for a in space.axes if a.name in axes)


def operations(space: Space, statement: Statement) -> Dim:
    """Operations of one statement over the whole run, in each loop where it stands.

    What lacks an axis of the grid is computed again by every tile of it.
    """
    weight, axes = _weight(statement)
    if weight == 0:
        return 0
    repeated: Dim = weight
    for axis in space.axes:
        if axis.in_grid and axis.name not in axes:
            tiles = ceildiv(axis.extent, RECOMPUTE_TILE) if axis.is_vector else axis.extent
            repeated = repeated * tiles
    return repeated * span(space, axes)


def _weight(statement: Statement) -> tuple[int, tuple[str, ...]]:
    """Operations of one element, and the axes of the elements."""
    if isinstance(statement, Dot):
        return 2, (*statement.axes, statement.axis)
    if isinstance(statement, Reduce):
        return 1, (*statement.axes, statement.axis)
    if not isinstance(statement, Apply) or statement.op in ("cast", "bitcast"):
        return 0, ()
    return TRANSCENDENTAL if get_op(statement.op).is_transcendental else 1, statement.axes


def modelled_time(program: TileProgram, target: Target) -> float:
    """Modelled seconds of one launch on a target: a roofline, thinned by how little of it a small
    grid fills.

    Symbolic dims count at the middle of their range. Comparing bodies needs no tile sizes; choosing
    those is `fusec.tile.candidates`.
    """
    cost = program.cost
    moved = typical(cost.bytes_read) + typical(cost.bytes_written)
    fill = min(1.0, grid_tiles(program) / target.sms)
    memory = moved / (target.bandwidth * min(1.0, 2 * fill))  # half of the units saturate memory
    compute = typical(cost.flops) / (target.fp32_flops * fill)
    return target.launch_seconds + max(memory, compute)


def grid_tiles(program: TileProgram) -> float:
    """About how many programs the kernel launches, at usual tile sizes."""
    edge = USUAL_EDGE[program.kind]
    tiles = 1.0
    for axis in program.axes:
        if axis.in_grid:
            tiles *= max(1.0, typical(axis.extent) / (edge if axis.is_vector else 1))
    return tiles


def typical(dim: Dim) -> float:
    """A number for a dim: itself, or for a symbolic one the middle of its bounds."""
    if isinstance(dim, int):
        return float(dim)
    low, high = bounds(dim)
    low = low or 1
    return float(low * 8 if high is None else (low + high) / 2)
