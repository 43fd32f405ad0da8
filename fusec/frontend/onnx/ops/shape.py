"""Views: reshaping, permuting, joining and repeating."""

from __future__ import annotations

from collections.abc import Sequence

from fusec.frontend.onnx.call import Call
from fusec.frontend.onnx.registry import lowers
from fusec.ir import Value
from fusec.ir.infer import broadcast_shapes
from fusec.ir.sym import Dim, floordiv, product


def resolve_reshape(
    c: Call, shape: Sequence[Dim], target: Sequence[Dim], *, zero: bool
) -> list[Dim]:
    """The target with 0 taken from the input (unless ``zero``) and -1 worked out."""
    result: list[Dim] = []
    for axis, size in enumerate(target):
        if size == 0 and not zero:
            if axis >= len(shape):
                c.invalid(f"shape {list(target)} takes axis {axis} of rank {len(shape)}")
            size = shape[axis]
        elif isinstance(size, int) and size < -1:
            c.invalid(f"shape {list(target)} has a negative size")
        result.append(size)
    if -1 in result:
        place = result.index(-1)
        if -1 in result[place + 1 :]:
            c.invalid(f"shape {list(target)} leaves two sizes open")
        result[place] = _left_over(c, shape, result[:place] + result[place + 1 :])
    return result


def _left_over(c: Call, shape: Sequence[Dim], known: Sequence[Dim]) -> Dim:
    # Common dims cancel first: exact even where the product may be 0.
    rest, others = list(shape), []
    for dim in known:
        if dim in rest:
            rest.remove(dim)
        else:
            others.append(dim)
    total, divisor = product(rest), product(others)
    if divisor == 1:
        return total
    if divisor == 0:
        return c.invalid(f"cannot divide {total} elements by 0")
    if isinstance(total, int) and isinstance(divisor, int) and total % divisor:
        c.invalid(f"{total} elements do not split by {divisor}")
    return floordiv(total, divisor)


@lowers("Reshape")
def reshape(c: Call) -> Value:
    """0 copies a size, -1 takes what is left; ``allowzero`` makes 0 mean 0."""
    target = c.dims(1, "shape")
    return c.reshape(c.value(0), resolve_reshape(c, c.shape(), target, zero=c.flag("allowzero")))


@lowers("Flatten")
def flatten(c: Call) -> Value:
    """To two dims, split at ``axis``."""
    rank, axis = c.rank(), c.integer("axis", 1)
    if not -rank <= axis <= rank:
        c.invalid(f"axis {axis} does not fit rank {rank}")
    axis = axis + rank if axis < 0 else axis
    shape = c.shape()
    return c.reshape(c.value(0), (product(shape[:axis]), product(shape[axis:])))


@lowers("Transpose")
def transpose(c: Call) -> Value:
    """Axes reversed unless ``perm`` says otherwise."""
    rank = c.rank()
    perm = c.integers("perm", tuple(reversed(range(rank))))
    if sorted(perm) != list(range(rank)):
        c.invalid(f"perm {list(perm)} is not a permutation of {rank} axes")
    return c.transpose(c.value(0), perm)


def squeezed(c: Call, shape: Sequence[Dim]) -> list[Dim]:
    """The shape without the axes given, or without all of size 1."""
    axes = given_axes(c, len(shape))
    if axes is None:
        axes = tuple(i for i, d in enumerate(shape) if d == 1)
    for axis in axes:
        if isinstance(shape[axis], int) and shape[axis] != 1:
            c.invalid(f"axis {axis} has size {shape[axis]}, not 1")
    return [d for i, d in enumerate(shape) if i not in axes]


def unsqueezed(c: Call, shape: Sequence[Dim]) -> list[Dim]:
    """The shape with size 1 at the axes given, counted in the result."""
    count = len(c.integers("axes")) if c.has_attribute("axes") else len(c.ints_of(1, "axes"))
    axes = given_axes(c, len(shape) + count) or ()
    rest = iter(shape)
    return [1 if i in axes else next(rest) for i in range(len(shape) + len(axes))]


def given_axes(c: Call, rank: int) -> tuple[int, ...] | None:
    """Axes as an attribute (up to version 12) or as input 1."""
    if c.has_attribute("axes"):
        return c.axes(c.integers("axes"), rank)
    return c.axes(c.ints_of(1, "axes"), rank) if c.has(1) else None


@lowers("Squeeze")
def squeeze(c: Call) -> Value:
    """Drops axes of size 1."""
    return c.reshape(c.value(0), squeezed(c, c.shape()))


@lowers("Unsqueeze")
def unsqueeze(c: Call) -> Value:
    """Adds axes of size 1."""
    return c.reshape(c.value(0), unsqueezed(c, c.shape()))


@lowers("Expand")
def expand(c: Call) -> Value:
    """Broadcast with a shape, in both directions."""
    shape = broadcast_shapes([c.shape(), c.dims(1, "shape")])
    return c.broadcast(c.value(0), shape)


@lowers("Concat")
def concat(c: Call) -> Value:
    """Inputs one after the other along ``axis``."""
    axis = c.axis(c.integer("axis"), c.rank())
    return c.value(0) if len(c) == 1 else c.op("concat", *c.values, axis=axis)


@lowers("Tile")
def tile(c: Call) -> Value:
    """The input repeated along each axis: broadcast over new axes, then merged."""
    repeats, shape = c.dims(1, "repeats"), c.shape()
    if len(repeats) != len(shape):
        c.invalid(f"{len(repeats)} repeats for rank {len(shape)}")
    x = c.value(0)
    once = [d for size in shape for d in (1, size)]
    many = [d for r, size in zip(repeats, shape, strict=True) for d in (r, size)]
    wide = c.broadcast(c.reshape(x, once), many)
    return c.reshape(wide, [r * size for r, size in zip(repeats, shape, strict=True)])


@lowers("DepthToSpace", rich=True)
def depth_to_space(c: Call) -> Value:
    """Blocks of channels to blocks of pixels; ``DCR`` or ``CRD`` order of the channels."""
    size, mode = c.integer("blocksize"), c.text("mode", "DCR")
    batch, channels, height, width = _image(c)
    if isinstance(channels, int) and (size < 1 or channels % (size * size)):
        c.invalid(f"{channels} channels do not split by blocksize {size} squared")
    depth = floordiv(channels, size * size)
    if mode == "DCR":
        split: list[Dim] = [batch, size, size, depth, height, width]
        perm = (0, 3, 4, 1, 5, 2)
    else:
        split, perm = [batch, depth, size, size, height, width], (0, 1, 4, 2, 5, 3)
    moved = c.transpose(c.reshape(c.value(0), split), perm)
    return c.reshape(moved, (batch, depth, height * size, width * size))


@lowers("SpaceToDepth", rich=True)
def space_to_depth(c: Call) -> Value:
    """Blocks of pixels to blocks of channels."""
    size, mode = c.integer("blocksize"), c.text("mode", "DCR")
    batch, channels, height, width = _image(c)
    for extent in (height, width):
        if isinstance(extent, int) and (size < 1 or extent % size):
            c.invalid(f"size {extent} does not split by blocksize {size}")
    rows, columns = floordiv(height, size), floordiv(width, size)
    blocks = c.reshape(c.value(0), (batch, channels, rows, size, columns, size))
    perm = (0, 3, 5, 1, 2, 4) if mode == "DCR" else (0, 1, 3, 5, 2, 4)
    return c.reshape(c.transpose(blocks, perm), (batch, channels * size * size, rows, columns))


def _image(c: Call) -> tuple[Dim, Dim, Dim, Dim]:
    if c.rank() != 4:
        c.invalid(f"input 0 must have rank 4, not {c.rank()}")
    batch, channels, height, width = c.shape()
    return batch, channels, height, width
