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
FULL_COLUMN = (
    256  # the same when neighbours of a row are not contiguous, so tiles need several rows
)
HEAD_LIMIT = 256  # elements of an attention head that one tile holds
SERIAL_WINDOW = (
    4  # a window is walked tap by tap when there are this many times more outputs than taps
)


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
    row-major order the grid follows when a result is as large as the reduced rows. ``inner``: name
    and
    symbol of the reduced axis, ``inner_shape`` the dims it flattens. ``nested``: the contraction that
    attention computes inside, over the axis ``e`` of symbol ``nested_symbol``.
    """

    kind: str
    axes: tuple[Axis, ...]
    parts: tuple[tuple[str, Dim], ...]
    anchor: Node | None
    anchor_index: Position
    rows: Dim
    row: Dim
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


def pointwise_space(shape: tuple[Dim, ...], kind: str) -> Space:
    """One flattened axis over the main result."""
    extent = product(shape)
    x = symbol("x", below=extent)
    index = delinearize(x, shape)
    names = [f"i{d}" for d in range(len(shape))]
    return Space(
        kind, grid_axis("x", extent, 1024), named_parts(names, index), None, index, extent, x
    )


def reduction_space(node: Node) -> Space:
    """Rows of the first reduction by its reduced axes."""
    shape = node.operands[0].type.shape
    axes = tuple(node.attrs["axes"]) if "axes" in node.attrs else (node.attrs["axis"],)
    inner_extent = product(shape[a] for a in axes)
    rows = product(d for i, d in enumerate(shape) if i not in axes)
    trailing = axes == tuple(range(len(shape) - len(axes), len(shape)))
    inner = inner_axis(inner_extent, trailing, is_window=False, outputs=rows)
    x, r = symbol("x", below=rows), symbol("r", below=inner_extent)
    axes_ = grid_axis("x", rows, 1024) + ((inner,) if inner is not None else ())
    return Space(
        "reduction",
        axes_,
        (),
        None,
        (),
        rows,
        x,
        inner,
        r,
        inner_extent,
        reduce_shape=shape,
        reduce_axes=axes,
    )


def inner_axis(extent: Dim, trailing: bool, *, is_window: bool, outputs: Dim) -> Axis | None:
    """The axis of a reduction: whole rows where they fit, taps one by one for windows, else
    tiles."""
    if extent == 1:
        return None
    if isinstance(extent, int):
        if is_window and isinstance(outputs, int) and outputs >= SERIAL_WINDOW * extent:
            return Axis("r", extent, Role.SERIAL, False)
        if extent <= (FULL_ROW if trailing else FULL_COLUMN):
            return Axis("r", extent, Role.FULL, is_masked(extent, extent + 1))
    return Axis("r", extent, Role.LOOP, is_masked(extent, 128))


def window_space(node: Node) -> Space:
    """Outputs of a pooling window, a depthwise convolution or a thin contraction, by the taps they
    sum."""
    shape = node.results[0].type.shape
    extent = product(tap_shape(node))
    outputs = product(shape)
    is_window = node.op.name != "matmul"
    inner = inner_axis(extent, is_window, is_window=is_window, outputs=outputs)
    x, r = symbol("x", below=outputs), symbol("r", below=extent)
    index = delinearize(x, shape)
    names = ("n", "c", "oh", "ow") if len(shape) == 4 else tuple(f"i{d}" for d in range(len(shape)))
    kind = "window" if is_window else "reduction"
    axes = grid_axis("x", outputs, 1024) + ((inner,) if inner is not None else ())
    return Space(kind, axes, named_parts(names, index), node, index, outputs, x, inner, r, extent)


def tap_shape(node: Node) -> tuple[Dim, ...]:
    """The dims a contraction or window sums over, in the order of its weight's layout."""
    if node.op.is_window:
        return tuple(node.attrs["kernel"])
    if node.op.name == "matmul":
        return (node.operands[0].type.shape[-1],)
    weight = node.operands[1].type.shape
    if node.op.name == "conv":
        return weight[1:]
    return (_div(weight[0], node.attrs["groups"]), *weight[2:])


def _div(dim: Dim, by: int) -> Dim:
    return dim // by


def contraction_space(node: Node) -> Space:
    """Rows by columns of a matmul or an implicit-GEMM convolution; window space for thin ones."""
    rows, columns = dot_shape(node)
    taps = product(tap_shape(node))
    thin = any(d == 1 for d in (product(rows), product(columns), taps))
    if thin or (node.op.name != "matmul" and _is_small_group(node)):
        return window_space(node)
    return matmul_space(node) if node.op.name == "matmul" else conv_space(node)


def _is_small_group(node: Node) -> bool:
    """Groups too small for a matrix unit: fewer than 8 output channels or 8 taps."""
    channels, taps = dot_shape(node)[1], product(tap_shape(node))
    few = isinstance(channels[0], int) and channels[0] < 8
    return node.attrs["groups"] > 1 and (few or (isinstance(taps, int) and taps < 8))


def dot_shape(node: Node) -> tuple[tuple[Dim, ...], tuple[Dim, ...]]:
    """The result dims that become rows (m) and columns (n); batch dims of a shared right side are
    rows."""
    shape = node.results[0].type.shape
    if node.op.name == "matmul":
        return (shape[:-1] if shares_right(node) else (shape[-2],)), (shape[-1],)
    groups = node.attrs["groups"]
    return (shape[0], *shape[2:]), (_div(shape[1], groups),)


def shares_right(node: Node) -> bool:
    """Whether a matmul's right side is the same for every batch element."""
    return all(d == 1 for d in node.operands[1].type.shape[:-2])


def matmul_space(node: Node) -> Space:
    """Rows by columns for each batch element; all rows at once for a shared right side."""
    shape = node.results[0].type.shape
    row_dims, (columns,) = dot_shape(node)
    depth = node.operands[0].type.shape[-1]
    batch_dims = () if shares_right(node) else shape[:-2]
    batch = product(batch_dims)
    b, m = symbol("b", below=batch), symbol("m", below=product(row_dims))
    n, k = symbol("n", below=columns), symbol("k", below=depth)
    index = (*delinearize(b, batch_dims), *delinearize(m, row_dims), n)
    return _dot_space(node, index, (batch, product(row_dims), depth, columns), k, ())


def attention_space(scores: Node, node: Node) -> Space:
    """``node`` multiplies rows computed from ``scores``: queries (m) by keys (k), heads in one tile.

    The head dims of the queries (e) and of the values (n) are whole tiles; keys are walked.
    """
    shape = node.results[0].type.shape
    *batch_dims, rows, columns = shape
    keys, head = node.operands[0].type.shape[-1], scores.operands[0].type.shape[-1]
    sizes = (rows, keys, columns, head)
    if any(d == 1 for d in sizes[1:]) or not all(_fits_head(d) for d in (columns, head)):
        text = f"heads of {head} and {columns} elements: attention takes 2 to {HEAD_LIMIT}"
        raise Refused("two-contractions", text, scores.results[0], node.results[0])
    batch = product(batch_dims)
    b, m = symbol("b", below=batch), symbol("m", below=rows)
    n, k = symbol("n", below=columns), symbol("k", below=keys)
    axes: tuple[Axis, ...] = () if batch == 1 else (Axis("b", batch, Role.BATCH, False),)
    inner = Axis("k", keys, Role.LOOP, is_masked(keys, 32))
    axes += () if rows == 1 else (Axis("m", rows, Role.GRID, is_masked(rows, 128)),)
    axes += (
        Axis("e", head, Role.FULL, is_masked(head, 1 << 30)),
        inner,
        Axis("n", columns, Role.FULL, is_masked(columns, 1 << 30)),
    )
    index = (*delinearize(b, batch_dims), m, n)
    return Space(
        "attention", axes, (), node, index, product(shape), 0, inner, k, keys,
        is_dot=True, nested=scores, nested_symbol=symbol("e", below=head),
    )  # fmt: skip


def _fits_head(dim: Dim) -> bool:
    return isinstance(dim, int) and dim <= HEAD_LIMIT


def conv_space(node: Node) -> Space:
    """Implicit GEMM: output pixels by output channels for each group, over channels and taps."""
    row_dims, (columns,) = dot_shape(node)
    groups = node.attrs["groups"]
    taps = tap_shape(node)
    g, m = symbol("b", below=groups), symbol("m", below=product(row_dims))
    n, k = symbol("n", below=columns), symbol("k", below=product(taps))
    image, *spatial = delinearize(m, row_dims)
    index = (image, g * columns + n, *spatial)
    letters = "dhw"[-len(spatial) :]
    names = ("image", *(f"o{c}" for c in letters))
    parts = named_parts(names, (image, *spatial))
    parts += named_parts(("ci", *(f"k{c}" for c in letters)), delinearize(k, taps))
    return _dot_space(node, index, (groups, product(row_dims), product(taps), columns), k, parts)


def _dot_space(
    node: Node,
    index: Position,
    extents: tuple[Dim, Dim, Dim, Dim],
    k: Dim,
    parts: tuple[tuple[str, Dim], ...],
) -> Space:
    batch, rows, depth, columns = extents
    axes: tuple[Axis, ...] = () if batch == 1 else (Axis("b", batch, Role.BATCH, False),)
    inner = Axis("k", depth, Role.LOOP, is_masked(depth, 32))
    axes += (
        Axis("m", rows, Role.GRID, is_masked(rows, 128)),
        inner,
        Axis("n", columns, Role.GRID, is_masked(columns, 64)),
    )
    return Space(
        "contraction",
        axes,
        parts,
        node,
        index,
        product((batch, rows, columns)),
        0,
        inner,
        k,
        depth,
        is_dot=True,
    )


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
