"""Emitters of contractions: ``tl.dot`` of matrices, else multiply and sum.

``tl.dot`` takes float16, bfloat16, float32 and int8 matrices with at least 16 (8-bit: 32) elements
along the contracted axis. The others (float64, wide integers, vectors, short axes) multiply tiles
at the joint shape and sum.
"""

from __future__ import annotations

from fusec.codegen.cast import cast
from fusec.codegen.emitter import Emitter, Tile
from fusec.codegen.index import Name, suffix
from fusec.codegen.literals import literal_value, typed_scalar
from fusec.codegen.names import tl
from fusec.codegen.online import followed
from fusec.ir.op import get_op
from fusec.tile.program import Apply, Dot, Literal, Load, Role
from fusec.tile.shapes import Dims, dot_uses_unit


def joint_dims(emitter: Emitter, statement: Dot) -> Dims:
    """The axes of the products, the contracted one included if it is a vector."""
    sides = (*emitter.dims[statement.a], *emitter.dims[statement.b])
    return emitter.dims_of((*sides, statement.axis))


def start_dot(emitter: Emitter, statement: Dot) -> None:
    """Print the accumulator before the loop."""
    dims = emitter.dims[statement.name]
    name = emitter.namer(statement.name)
    emitter.symbols[f"{statement.name} accumulator"] = Name(name, dims)
    if dims:
        emitter.line(f"{name} = tl.zeros({emitter.shape(dims)}, {tl(statement.dtype)})")
    else:
        emitter.line(f"{name} = tl.full((), 0, {tl(statement.dtype)})")


def finish_dot(emitter: Emitter, statement: Dot) -> None:
    """The accumulator is the result."""
    emitter.adopt(statement, emitter.symbols[f"{statement.name} accumulator"].text)


def emit_dot(emitter: Emitter, statement: Dot) -> None:
    """The whole contraction over a FULL axis, or one step inside its loop."""
    full = emitter.program.axis(statement.axis).role is Role.FULL
    accumulator = None if full else emitter.symbols[f"{statement.name} accumulator"].text
    if dot_uses_unit(emitter.program, statement, emitter.dims):
        text = _unit(emitter, statement, _followed(emitter, statement, accumulator))
    else:
        text = _multiply_sum(emitter, statement)
        so_far = _followed(emitter, statement, accumulator)
        text = text if so_far is None else f"{so_far} + {text}"
    if accumulator is None:
        accumulator = emitter.declare(statement)
    emitter.line(f"{accumulator} = {text}")


def _followed(emitter: Emitter, statement: Dot, accumulator: str | None) -> str | None:
    if accumulator is None:
        return None
    return followed(emitter, accumulator, emitter.dims[statement.name], statement.rescale)


def _unit(emitter: Emitter, statement: Dot, accumulator: str | None) -> str:
    a, b = emitter.tiles[statement.a], emitter.tiles[statement.b]
    m, n = emitter.dims[statement.name]
    # The result lies (m, n) in program order, so swap the operands if n's side comes first.
    first, second = (a, b) if m in a.dims else (b, a)
    left = _operand(emitter, first, statement, (m, statement.axis))
    right = _operand(emitter, second, statement, (statement.axis, n))
    arguments = [left, right] + ([accumulator] if accumulator is not None else [])
    if a.dtype.name == "float32":
        arguments.append(f'input_precision="{emitter.program.precision}"')
    if statement.dtype.name != "float32":
        arguments.append(f"out_dtype={tl(statement.dtype)}")
    return f"tl.dot({', '.join(arguments)})"


def _operand(emitter: Emitter, tile: Tile, statement: Dot, order: Dims) -> str:
    """One side, zero outside of the contracted axis, with its axes in ``order``."""
    text = _zero_outside(emitter, tile, statement.axis)
    return text if tile.dims == order else f"tl.trans({text})"


def _zero_outside(emitter: Emitter, tile: Tile, axis: str) -> str:
    if not emitter.is_masked(axis) or axis not in tile.dims or is_zero_outside(emitter, tile, axis):
        return tile.text
    mask = emitter.axis_mask(axis, tile.dims)
    return f"tl.where({mask}, {tile.text}, {literal_value(0, tile.dtype)})"


def is_zero_outside(emitter: Emitter, tile: Tile, axis: str) -> bool:
    """Whether a tile is 0 past the extent of ``axis``: loaded so, or computed from such tiles."""
    statement = tile.statement
    if isinstance(statement, Literal):
        return statement.value == 0
    if isinstance(statement, Load):
        return axis in tile.dims and not statement.fill  # no fill is printed as 0
    if isinstance(statement, Apply) and get_op(statement.op).preserves_zero:
        return all(is_zero_outside(emitter, emitter.tiles[a], axis) for a in statement.args)
    return False


def _repeated(
    emitter: Emitter, statement: Dot, product: str, joint: Dims, *, is_scalar: bool
) -> str:
    """A product that is the same all along the contracted axis, as often as that is long."""
    shape = emitter.shape(joint)
    if is_scalar:
        product = f"tl.full({shape}, {product}, {tl(statement.dtype)})"
    else:
        product = f"tl.broadcast_to({product}, {shape})"
    if not emitter.is_masked(statement.axis):
        return product
    mask = emitter.axis_mask(statement.axis, joint)
    return f"tl.where({mask}, {product}, {literal_value(0, statement.dtype)})"


def _multiply_sum(emitter: Emitter, statement: Dot) -> str:
    """Products at the joint shape, summed over the axis if it is a vector."""
    joint = joint_dims(emitter, statement)
    sides = []
    for name in (statement.a, statement.b):
        tile = emitter.tiles[name]
        if tile.value is None:
            text = _zero_outside(emitter, tile, statement.axis) + suffix(tile.dims, joint)
        else:
            text = typed_scalar(tile.value, tile.dtype)
        sides.append(cast(text, tile.dtype, statement.dtype, emitter.helpers))
    product = f"{sides[0]} * {sides[1]}"
    if statement.axis not in joint:
        return product
    dims = {d for name in (statement.a, statement.b) for d in emitter.tiles[name].dims}
    if statement.axis not in dims:
        product = _repeated(emitter, statement, product, joint, is_scalar=not dims)
    return f"tl.sum({product}, axis={joint.index(statement.axis)})"
