"""Emitters of reductions.

In a loop over tiles the accumulator is a tile as wide as the loop's block, reduced once after the
loop: one exchange between threads instead of one a step, and partial sums that round less. In a
loop over single elements the accumulator is the result.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fusec.codegen.cast import cast
from fusec.codegen.emitter import Emitter
from fusec.codegen.index import Name
from fusec.codegen.literals import Scalar, highest, literal_value, lowest, typed_scalar
from fusec.codegen.names import tl
from fusec.codegen.online import followed
from fusec.ir.types import DType, bool_, i32
from fusec.tile.program import Reduce, Role
from fusec.tile.shapes import Dims


@dataclass(frozen=True)
class Kind:
    """``neutral`` element of a dtype; ``combine`` of two texts; ``helper`` for ``tl.reduce``."""

    neutral: Callable[[DType], Scalar]
    combine: Callable[[str, str], str]
    helper: str | None = None


KINDS = {
    "sum": Kind(lambda _: 0, lambda a, b: f"{a} + {b}"),
    "prod": Kind(lambda _: 1, lambda a, b: f"{a} * {b}", "multiply"),
    "max": Kind(lowest, lambda a, b: f"larger({a}, {b})", "larger"),
    "min": Kind(highest, lambda a, b: f"smaller({a}, {b})", "smaller"),
    "any": Kind(lambda _: False, lambda a, b: f"{a} | {b}"),
    "all": Kind(lambda _: True, lambda a, b: f"{a} & {b}"),
}
_OF_BOOL = {"max": "any", "sum": "any", "min": "all", "prod": "all"}
NEVER = 2**31 - 1  # the position of a masked element where the first extremum is wanted


def emit_reduce(emitter: Emitter, statement: Reduce) -> None:
    """A reduction over a FULL axis, or the step of one inside its loop."""
    if statement.kind in ("argmax", "argmin"):
        _emit_arg(emitter, statement)
        return
    target = reduced_dims(emitter, statement)
    value = _masked_value(emitter, statement, target)
    if emitter.program.axis(statement.axis).role is Role.FULL:
        result = across(emitter, kind_of(statement), value, statement.dtype, target, statement.axis)
        emitter.line(f"{emitter.declare(statement)} = {result}")
        return
    accumulator = emitter.symbols[f"{statement.name} accumulator"].text
    if statement.rescale is not None:
        so_far = followed(emitter, accumulator, target, statement.rescale)
        emitter.line(f"{accumulator} = {so_far} + {value}")
        return
    emitter.line(f"{accumulator} = {_combine(emitter, kind_of(statement), accumulator, value)}")


def kind_of(statement: Reduce) -> str:
    """The reduction's kind; over bools there is only any and all."""
    return _OF_BOOL[statement.kind] if statement.dtype == bool_ else statement.kind


def _combine(emitter: Emitter, kind: str, a: str, b: str) -> str:
    helper = KINDS[kind].helper
    if helper is not None and kind != "prod":
        emitter.helpers.use(helper)
    return KINDS[kind].combine(a, b)


def reduced_dims(emitter: Emitter, statement: Reduce) -> Dims:
    """The axes of the tile that is reduced; without a SERIAL axis, which has no dimension."""
    return emitter.dims_of((*emitter.dims[statement.arg], statement.axis))


def _masked_value(emitter: Emitter, statement: Reduce, target: Dims) -> str:
    """The operand at full shape in the accumulator's dtype, neutral outside of the axis."""
    dtype = statement.dtype
    value = emitter.full(statement.arg, target)
    value = cast(value, emitter.tiles[statement.arg].dtype, dtype, emitter.helpers)
    if not emitter.is_masked(statement.axis):
        return value
    neutral = literal_value(KINDS[kind_of(statement)].neutral(dtype), dtype)
    return f"tl.where({emitter.axis_mask(statement.axis, target)}, {value}, {neutral})"


def across(emitter: Emitter, kind: str, value: str, dtype: DType, target: Dims, axis: str) -> str:
    """``value``, a tile over ``target``, reduced over ``axis``."""
    at = target.index(axis)
    if kind in ("any", "all"):
        ints = f"{value}.to(tl.int32)"
        return f"tl.{'max' if kind == 'any' else 'min'}({ints}, axis={at}) != 0"
    helper = KINDS[kind].helper
    if helper is not None:
        return f"tl.reduce({value}, {at}, {emitter.helpers.use(helper)})"
    result = f"tl.sum({value}, axis={at})"
    return f"{result}.to({tl(dtype)})" if dtype.bits < 32 else result


# ------------------------------------------------------------------------------- loops


def start_reduce(emitter: Emitter, statement: Reduce) -> None:
    """Print accumulators before the loop."""
    dims, dtype = reduced_dims(emitter, statement), emitter.dtypes[statement.arg]
    is_tile = statement.axis in dims
    name = emitter.namer(f"{statement.name}_acc" if is_tile else statement.name)
    emitter.symbols[f"{statement.name} accumulator"] = Name(name, dims)
    if statement.kind in ("argmax", "argmin"):
        dtype = i32 if dtype == bool_ else dtype
        neutral = lowest(dtype) if statement.kind == "argmax" else highest(dtype)
        at = emitter.namer(f"{name}_at")
        emitter.symbols[f"{statement.name} position"] = Name(at, dims)
        emitter.line(f"{name} = {_filled(emitter, dims, neutral, dtype)}")
        position = -1 if statement.last else NEVER
        emitter.line(f"{at} = {_filled(emitter, dims, position, i32)}")
        return
    neutral = KINDS[kind_of(statement)].neutral(statement.dtype)
    emitter.line(f"{name} = {_filled(emitter, dims, neutral, statement.dtype)}")


def _filled(emitter: Emitter, dims: Dims, value: Scalar, dtype: DType) -> str:
    if not dims:
        return typed_scalar(value, dtype)
    if value == 0 and dtype != bool_:
        return f"tl.zeros({emitter.shape(dims)}, {tl(dtype)})"
    text = typed_scalar(value, dtype).removeprefix("tl.full((), ")
    return f"tl.full({emitter.shape(dims)}, {text}"


def finish_reduce(emitter: Emitter, statement: Reduce) -> None:
    """Print the result after the loop."""
    dims = reduced_dims(emitter, statement)
    accumulator = emitter.symbols[f"{statement.name} accumulator"].text
    if statement.kind in ("argmax", "argmin"):
        at = emitter.symbols[f"{statement.name} position"].text
        _finish_arg(emitter, statement, accumulator, at, dims)
        return
    if statement.axis not in dims:
        emitter.adopt(statement, accumulator)
        return
    result = across(emitter, kind_of(statement), accumulator, statement.dtype, dims, statement.axis)
    emitter.line(f"{emitter.declare(statement)} = {result}")


# ------------------------------------------------------------------------------- argmax, argmin


def _arg_helper(emitter: Emitter, statement: Reduce) -> str:
    which = "larger" if statement.kind == "argmax" else "smaller"
    return emitter.helpers.use(f"{'last' if statement.last else 'first'}_{which}")


def _arg_values(emitter: Emitter, statement: Reduce, target: Dims) -> tuple[str, str]:
    """Values and positions at full shape; a masked element never wins, not even a tie."""
    dtype = emitter.tiles[statement.arg].dtype
    value = emitter.full(statement.arg, target)
    if dtype == bool_:
        value, dtype = f"{value}.to(tl.int32)", i32
    position = emitter.axis_position(statement.axis, target)
    if not emitter.is_masked(statement.axis):
        return value, position
    neutral = lowest(dtype) if statement.kind == "argmax" else highest(dtype)
    inside = emitter.axis_mask(statement.axis, target)
    never = -1 if statement.last else NEVER
    return (
        f"tl.where({inside}, {value}, {literal_value(neutral, dtype)})",
        f"tl.where({inside}, {position}, {never})",
    )


def _emit_arg(emitter: Emitter, statement: Reduce) -> None:
    target = reduced_dims(emitter, statement)
    value, position = _arg_values(emitter, statement, target)
    if emitter.program.axis(statement.axis).role is Role.FULL:
        pair = emitter.namer(f"{statement.name}_best"), emitter.namer(f"{statement.name}_at")
        emitter.line(f"{pair[0]} = {value}")
        emitter.line(f"{pair[1]} = {position}")
        _finish_arg(emitter, statement, *pair, target)
        return
    accumulator = emitter.symbols[f"{statement.name} accumulator"].text
    at = emitter.symbols[f"{statement.name} position"].text
    helper = _arg_helper(emitter, statement)
    emitter.line(f"{accumulator}, {at} = {helper}({accumulator}, {at}, {value}, {position})")


def _finish_arg(emitter: Emitter, statement: Reduce, value: str, at: str, dims: Dims) -> None:
    """Print the position of the best element of two tiles over ``dims``."""
    if statement.axis in dims:
        helper = _arg_helper(emitter, statement)
        both = f"tl.reduce(({value}, {at}), {dims.index(statement.axis)}, {helper})"
        at = emitter.namer(f"{statement.name}_at")
        best = emitter.namer(f"{statement.name}_best")
        emitter.line(f"{best}, {at} = {both}")
    emitter.line(f"{emitter.declare(statement)} = {at}.to({tl(statement.dtype)})")
