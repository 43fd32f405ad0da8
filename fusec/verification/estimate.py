"""How long Triton's interpreter takes for a plan.

It runs every statement of every program in numpy: a fixed cost for each, a cost for each element
of its tile, and one for each product of a dot. The constants are measured on one core of a 2 to
3 GHz server, and good to a factor of about 2.
"""

from __future__ import annotations

from collections.abc import Mapping

from fusec.ir.sym import evaluate
from fusec.plan import Plan
from fusec.tile.kernel import INTERPRETER, Config, Kernel
from fusec.tile.program import Axis, Dot, Load, Loop, Role, Statement, Store

STATEMENT_SECONDS = 2e-4
ELEMENT_SECONDS = 1e-8
MEMORY_ELEMENT_SECONDS = 1.3e-7  # loads and stores by pointer, with their index arithmetic
PRODUCT_SECONDS = 1e-10


def interpreter_seconds(plan: Plan, at: Mapping[str, int]) -> float:
    """Seconds for one run, with the sizes ``at`` of symbolic dims."""
    kernels = {kernel.name: kernel_seconds(kernel, at) for kernel in plan.kernels}
    return sum(kernels[launch.kernel] for launch in plan.launches if launch.kernel is not None)


def kernel_seconds(kernel: Kernel, at: Mapping[str, int]) -> float:
    """Seconds for one launch."""
    program, config = kernel.program, kernel.config(INTERPRETER)
    counts = {axis.name: _steps(axis, config, at) for axis in program.axes}
    programs = 1
    for axis in program.axes:
        programs *= counts[axis.name] if axis.in_grid else 1
    seconds = 0.0
    for item in program.body:
        repeats = programs * (counts[item.axis] if isinstance(item, Loop) else 1)
        inner = item.body if isinstance(item, Loop) else (item,)
        seconds += repeats * sum(_statement_seconds(s, program.axes, config) for s in inner)
    return seconds


def _steps(axis: Axis, config: Config, at: Mapping[str, int]) -> int:
    extent = evaluate(axis.extent, at)
    return -(-extent // config.tile(axis.name)) if axis.is_vector else extent


def _statement_seconds(statement: Statement, axes: tuple[Axis, ...], config: Config) -> float:
    sizes = {a.name: config.tile(a.name) for a in axes if a.is_vector}
    names = set(statement.axes)
    if isinstance(statement, Dot):
        names |= {a.name for a in axes if a.role is Role.LOOP}
    elements = 1
    for name in names:
        elements *= sizes.get(name, 1)
    if isinstance(statement, Dot):
        return STATEMENT_SECONDS + elements * PRODUCT_SECONDS
    memory = isinstance(statement, Load | Store)
    return STATEMENT_SECONDS + elements * (MEMORY_ELEMENT_SECONDS if memory else ELEMENT_SECONDS)
