"""Iteration spaces: which axes a kernel walks, and where its anchor's result and operands lie on
them.

A space only proposes an iteration; that it is right is shown by tracing every result through it
(`fusec.tile.trace`), which refuses whatever does not fit.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from fusec.ir.graph import Node, Value
from fusec.ir.sym import (
    Dim,
    Expr,
    delinearize,
    free_symbols,
    is_divisible,
    linearize,
    product,
    symbol,
)
from fusec.tile.program import Axis, Refusal, Role

Position = tuple[Dim, ...]

FULL_ROW = 8192  # longest row kept in one tile when it is contiguous: 32 KiB of float32 a row
FULL_COLUMN = 256  # the same where rows are not contiguous, so that tiles need several of them
SERIAL_WINDOW = 4  # times more outputs than taps: then a window is walked tap by tap


@dataclass(frozen=True)
class AxisNames:
    """Names of axes: a letter each, unless a symbol of the graph has it."""

    taken: frozenset[str] = frozenset()

    def __call__(self, letter: str) -> str:
        return f"{letter}_axis" if letter in self.taken else letter


class Refused(Exception):
    """A body is not one kernel."""

    def __init__(self, code: str, message: str, *values: Value, **args: Any) -> None:
        super().__init__(message)
        names = tuple(v.name for v in values)
        self.refusal = Refusal(code, message, names, tuple(sorted(args.items())))


@dataclass(frozen=True)
class Space:
    """Axes and index maps of one kernel.

    ``anchor_index``: the index of the anchor's result, over axis symbols. ``rows``: the shape whose
    row-major order the grid follows when a result is as large as the reduced rows. ``inner``: the
    reduced axis. ``nested``: the contraction that attention computes inside, over the axis ``e`` of
    symbol ``nested_symbol``.
    """

    kind: str
    names: AxisNames
    axes: tuple[Axis, ...]
    rows: Dim
    row: Dim = 0
    parts: tuple[tuple[str, Dim], ...] = ()
    anchor: Node | None = None
    anchor_index: Position = ()
    inner: Axis | None = None
    inner_symbol: Dim = 0
    inner_extent: Dim = 1
    reduce_shape: tuple[Dim, ...] = ()
    reduce_axes: tuple[int, ...] = ()
    is_dot: bool = False
    nested: Node | None = None
    nested_symbol: Dim = 0

    @property
    def grid(self) -> tuple[str, ...]:
        """Names of the grid's axes; the last varies fastest."""
        return tuple(a.name for a in self.axes if a.in_grid)

    def inner_index(self, shape: Sequence[Dim]) -> Position:
        """The reduced axis taken apart into ``shape`` (row-major)."""
        return delinearize(self.inner_symbol, shape)

    def full_index(self) -> Position:
        """The index of the reduced tensor at (row, inner)."""
        reduced = set(self.reduce_axes)
        outer = [d for i, d in enumerate(self.reduce_shape) if i not in reduced]
        rows = iter(delinearize(self.row, outer))
        inner = iter(self.inner_index([self.reduce_shape[i] for i in self.reduce_axes]))
        return tuple(
            next(inner) if i in reduced else next(rows) for i in range(len(self.reduce_shape))
        )

    @property
    def is_trailing(self) -> bool:
        """Whether the reduced axes are the last ones, so that rows are contiguous in row-major
        order."""
        rank = len(self.reduce_shape)
        return self.reduce_axes == tuple(range(rank - len(self.reduce_axes), rank))


def is_masked(extent: Dim, multiple: int) -> bool:
    """Whether tiles may reach past the extent: not for powers of two and multiples of
    ``multiple``."""
    if isinstance(extent, int):
        return extent % multiple != 0 and extent & (extent - 1) != 0
    return not is_divisible(extent, multiple)


def grid_axis(name: str, extent: Dim, multiple: int) -> tuple[Axis, ...]:
    """A tiled axis of the grid; none for an extent of 1."""
    return () if extent == 1 else (Axis(name, extent, Role.GRID, is_masked(extent, multiple)),)


def named_parts(names: Sequence[str], index: Position) -> tuple[tuple[str, Dim], ...]:
    """The parts that are worth a name: those that are neither a constant nor an axis itself."""
    pairs = zip(names, index, strict=True)
    return tuple(
        (name, part) for name, part in pairs if isinstance(part, Expr) and not _is_atom(part)
    )


def _is_atom(part: Expr) -> bool:
    return len(free_symbols(part)) == 1 and str(part) == free_symbols(part)[0].name


def pointwise_space(shape: tuple[Dim, ...], kind: str, names: AxisNames) -> Space:
    """One flattened axis over the main result."""
    extent = product(shape)
    x = symbol(names("x"), below=extent)
    index = delinearize(x, shape)
    return Space(
        kind=kind,
        names=names,
        axes=grid_axis(names("x"), extent, 1024),
        parts=named_parts([f"i{d}" for d in range(len(shape))], index),
        anchor_index=index,
        rows=extent,
        row=x,
    )


def reduction_space(node: Node, names: AxisNames) -> Space:
    """Rows of the first reduction by its reduced axes."""
    shape = node.operands[0].type.shape
    reduced = tuple(node.attrs["axes"]) if "axes" in node.attrs else (node.attrs["axis"],)
    extent = product(shape[a] for a in reduced)
    rows = product(d for i, d in enumerate(shape) if i not in reduced)
    trailing = reduced == tuple(range(len(shape) - len(reduced), len(shape)))
    inner = inner_axis(names("r"), extent, is_contiguous=trailing)
    return Space(
        kind="reduction",
        names=names,
        axes=grid_axis(names("x"), rows, 1024) + ((inner,) if inner is not None else ()),
        rows=rows,
        row=symbol(names("x"), below=rows),
        inner=inner,
        inner_symbol=symbol(names("r"), below=extent),
        inner_extent=extent,
        reduce_shape=shape,
        reduce_axes=reduced,
    )


def inner_axis(name: str, extent: Dim, *, is_contiguous: bool, outputs: Dim = 0) -> Axis | None:
    """The axis of a reduction: whole rows where they fit, else tiles.

    ``outputs``: of a window; where there are many for each tap, taps are walked one by one.
    """
    if extent == 1:
        return None
    if isinstance(extent, int):
        if isinstance(outputs, int) and outputs >= SERIAL_WINDOW * extent:
            return Axis(name, extent, Role.SERIAL, False)
        if extent <= (FULL_ROW if is_contiguous else FULL_COLUMN):
            return Axis(name, extent, Role.FULL, is_masked(extent, extent + 1))
    return Axis(name, extent, Role.LOOP, is_masked(extent, 128))


def window_space(node: Node, names: AxisNames) -> Space:
    """Outputs of a window, a depthwise convolution or a thin contraction, by what they sum."""
    shape = node.results[0].type.shape
    extent, outputs = product(tap_shape(node)), product(shape)
    is_window = node.op.name != "matmul"
    inner = inner_axis(
        names("r"), extent, is_contiguous=is_window, outputs=outputs if is_window else 0
    )
    x = symbol(names("x"), below=outputs)
    index = delinearize(x, shape)
    is_image = len(shape) == 4
    letters = ("n", "c", "oh", "ow") if is_image else tuple(f"i{d}" for d in range(len(shape)))
    return Space(
        kind="window" if is_window else "reduction",
        names=names,
        axes=grid_axis(names("x"), outputs, 1024) + ((inner,) if inner is not None else ()),
        parts=named_parts(letters, index),
        anchor=node,
        anchor_index=index,
        rows=outputs,
        row=x,
        inner=inner,
        inner_symbol=symbol(names("r"), below=extent),
        inner_extent=extent,
    )


def tap_shape(node: Node) -> tuple[Dim, ...]:
    """The dims a contraction or window sums over, in the order of its weight's layout."""
    if node.op.is_window:
        return tuple(node.attrs["kernel"])
    if node.op.name == "matmul":
        return (node.operands[0].type.shape[-1],)
    weight = node.operands[1].type.shape
    if node.op.name == "conv":
        return weight[1:]
    return (weight[0] // node.attrs["groups"], *weight[2:])


def find_anchors(nodes: Iterable[Node]) -> tuple[list[Node], list[Node]]:
    """The contractions and windows among the nodes, and the plain reductions, in order."""
    found = list(nodes)
    heavy = [n for n in found if n.op.is_contraction or n.op.is_window]
    return heavy, [n for n in found if n.op.is_reduce]


def result_index(space: Space, shape: tuple[Dim, ...]) -> Position | None:
    """Where a value of ``shape`` is computed: the anchor's, the reduced tensor's or the rows'
    index."""
    anchor_shape = space.anchor.results[0].type.shape if space.anchor is not None else None
    if shape == anchor_shape:
        return space.anchor_index
    if space.reduce_shape and shape == space.reduce_shape:
        return space.full_index()
    numel = product(shape)
    if anchor_shape is not None:
        return (
            delinearize(linearize(space.anchor_index, anchor_shape), shape)
            if numel == space.rows
            else None
        )
    if numel == space.rows:
        return delinearize(space.row, shape)
    if space.reduce_shape and space.is_trailing and numel == space.rows * space.inner_extent:
        return delinearize(space.row * space.inner_extent + space.inner_symbol, shape)
    return None
