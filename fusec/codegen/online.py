"""The running maximum of a softmax in one pass, and how accumulators follow it.

``top_all`` is the maximum so far, ``top`` what is subtracted from scores (0 while the maximum is
-inf, so that nothing becomes inf - inf), ``top_scale`` what older partial sums are multiplied by.
"""

from __future__ import annotations

from fusec.codegen.emitter import Emitter
from fusec.codegen.index import Name, suffix
from fusec.codegen.literals import literal_value
from fusec.codegen.names import tl
from fusec.tile.program import RunningMax
from fusec.tile.shapes import Dims

LOWEST = float("-inf")


def start_running_max(emitter: Emitter, statement: RunningMax) -> None:
    """Print the maximum of nothing before the loop."""
    dims = emitter.dims[statement.name]
    name = emitter.namer(f"{statement.name}_all")
    emitter.symbols[f"{statement.name} accumulator"] = Name(name, dims)
    shape = emitter.shape(dims) if dims else "()"
    emitter.line(f'{name} = tl.full({shape}, float("-inf"), {tl(statement.dtype)})')


def emit_running_max(emitter: Emitter, statement: RunningMax) -> None:
    """One step: the new maximum, the value to subtract, the factor for what was summed before."""
    dims = emitter.dims[statement.name]
    joint = emitter.dims_of((*dims, statement.axis))
    value = emitter.full(statement.arg, joint)
    if emitter.is_masked(statement.axis):
        lowest = literal_value(LOWEST, statement.dtype)
        value = f"tl.where({emitter.axis_mask(statement.axis, joint)}, {value}, {lowest})"
    larger = emitter.helpers.use("larger")
    before = emitter.symbols[f"{statement.name} accumulator"].text
    grown = emitter.namer(f"{statement.name}_grown")
    at = joint.index(statement.axis)
    emitter.line(f"{grown} = {larger}({before}, tl.reduce({value}, {at}, {larger}))")
    now = emitter.declare(statement)
    emitter.line(f'{now} = tl.where({grown} == float("-inf"), 0.0, {grown})')
    scale = emitter.namer(f"{statement.name}_scale")
    emitter.symbols[f"{statement.name} scale"] = Name(scale, dims)
    emitter.line(f"{scale} = tl.exp({before} - {now})")
    emitter.line(f"{before} = {grown}")


def followed(emitter: Emitter, accumulator: str, dims: Dims, rescale: str | None) -> str:
    """An accumulator as it counts in this step: scaled, if it follows a running maximum."""
    if rescale is None:
        return accumulator
    scale = emitter.symbols[f"{rescale} scale"]
    return f"{accumulator} * {scale.text}{suffix(scale.dims, dims)}"
