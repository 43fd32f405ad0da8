"""Iteration spaces of contractions: matmuls, implicit-GEMM convolutions, attention."""

from __future__ import annotations

from fusec.ir.graph import Node
from fusec.ir.sym import Dim, delinearize, product, symbol
from fusec.tile.program import Axis, Role
from fusec.tile.space import (
    AxisNames,
    Position,
    Refused,
    Space,
    is_masked,
    named_parts,
    tap_shape,
    window_space,
)

HEAD_LIMIT = 256  # elements of an attention head that one tile holds


def contraction_space(node: Node, names: AxisNames) -> Space:
    """Rows by columns of a matmul or an implicit-GEMM convolution; window space for thin ones."""
    rows, columns = dot_shape(node)
    taps = product(tap_shape(node))
    thin = any(d == 1 for d in (product(rows), product(columns), taps))
    if thin or (node.op.name != "matmul" and _is_small_group(node)):
        return window_space(node, names)
    return matmul_space(node, names) if node.op.name == "matmul" else conv_space(node, names)


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
    return (shape[0], *shape[2:]), (shape[1] // groups,)


def shares_right(node: Node) -> bool:
    """Whether a matmul's right side is the same for every batch element."""
    return all(d == 1 for d in node.operands[1].type.shape[:-2])


def matmul_space(node: Node, names: AxisNames) -> Space:
    """Rows by columns for each batch element; all rows at once for a shared right side."""
    shape = node.results[0].type.shape
    row_dims, (columns,) = dot_shape(node)
    depth = node.operands[0].type.shape[-1]
    batch_dims = () if shares_right(node) else shape[:-2]
    batch = product(batch_dims)
    b, m = symbol(names("b"), below=batch), symbol(names("m"), below=product(row_dims))
    n, k = symbol(names("n"), below=columns), symbol(names("k"), below=depth)
    index = (*delinearize(b, batch_dims), *delinearize(m, row_dims), n)
    return _dot_space(node, index, (batch, product(row_dims), depth, columns), k, (), names)


def attention_space(scores: Node, node: Node, names: AxisNames) -> Space:
    """``node`` multiplies rows computed from ``scores``, which is queries (m) by keys (k).

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
    b, m = symbol(names("b"), below=batch), symbol(names("m"), below=rows)
    n, k = symbol(names("n"), below=columns), symbol(names("k"), below=keys)
    axes: tuple[Axis, ...] = () if batch == 1 else (Axis(names("b"), batch, Role.BATCH, False),)
    inner = Axis(names("k"), keys, Role.LOOP, is_masked(keys, 32))
    axes += () if rows == 1 else (Axis(names("m"), rows, Role.GRID, is_masked(rows, 128)),)
    axes += (
        Axis(names("e"), head, Role.FULL, is_masked(head, 1 << 30)),
        inner,
        Axis(names("n"), columns, Role.FULL, is_masked(columns, 1 << 30)),
    )
    index = (*delinearize(b, batch_dims), m, n)
    return Space(
        kind="attention",
        names=names,
        axes=axes,
        rows=product(shape),
        anchor=node,
        anchor_index=index,
        inner=inner,
        inner_symbol=k,
        inner_extent=keys,
        is_dot=True,
        nested=scores,
        nested_symbol=symbol(names("e"), below=head),
    )


def _fits_head(dim: Dim) -> bool:
    return isinstance(dim, int) and dim <= HEAD_LIMIT


def conv_space(node: Node, names: AxisNames) -> Space:
    """Implicit GEMM: output pixels by output channels for each group, over channels and taps."""
    row_dims, (columns,) = dot_shape(node)
    groups = node.attrs["groups"]
    taps = tap_shape(node)
    g, m = symbol(names("b"), below=groups), symbol(names("m"), below=product(row_dims))
    n, k = symbol(names("n"), below=columns), symbol(names("k"), below=product(taps))
    image, *spatial = delinearize(m, row_dims)
    index = (image, g * columns + n, *spatial)
    letters = "dhw"[-len(spatial) :]
    parts = named_parts(("image", *(f"o{c}" for c in letters)), (image, *spatial))
    parts += named_parts(("ci", *(f"k{c}" for c in letters)), delinearize(k, taps))
    extents = (groups, product(row_dims), product(taps), columns)
    return _dot_space(node, index, extents, k, parts, names)


def _dot_space(
    node: Node,
    index: Position,
    extents: tuple[Dim, Dim, Dim, Dim],
    k: Dim,
    parts: tuple[tuple[str, Dim], ...],
    names: AxisNames,
) -> Space:
    batch, rows, depth, columns = extents
    axes: tuple[Axis, ...] = () if batch == 1 else (Axis(names("b"), batch, Role.BATCH, False),)
    inner = Axis(names("k"), depth, Role.LOOP, is_masked(depth, 32))
    axes += (
        Axis(names("m"), rows, Role.GRID, is_masked(rows, 128)),
        inner,
        Axis(names("n"), columns, Role.GRID, is_masked(columns, 64)),
    )
    return Space(
        kind="contraction",
        names=names,
        axes=axes,
        rows=product((batch, rows, columns)),
        parts=parts,
        anchor=node,
        anchor_index=index,
        inner=inner,
        inner_symbol=k,
        inner_extent=depth,
        is_dot=True,
    )
