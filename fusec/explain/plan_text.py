"""A plan as text: interface, memory, targets, kernels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fusec.explain.counts import count_plan
from fusec.explain.kernel_list import kernel_rows, kernel_table
from fusec.explain.summary import aligned, counts_rows, target_rows
from fusec.explain.units import shorten
from fusec.ir.sym import Symbol
from fusec.plan import Plan
from fusec.plan.plan import output_names


def interface_json(plan: Plan) -> dict[str, Any]:
    """Inputs, outputs, symbols, and who computed the golden outputs."""
    graph = plan.graph
    golden = plan.golden
    return {
        "inputs": {v.name: str(v.type) for v in graph.inputs},
        "outputs": {n: str(v.type) for n, v in zip(output_names(graph), graph.outputs)},
        "symbols": {name: symbol_text(s) for name, s in graph.symbols.items()},
        "golden": None if golden is None else f"{golden.tool} {golden.version}",
    }


def symbol_text(symbol: Symbol) -> str:
    """A symbol's range, as in ``1..64 by 8``."""
    high = "" if symbol.hi is None else str(symbol.hi)
    step = "" if symbol.divisor == 1 else f" by {symbol.divisor}"
    return f"{symbol.lo}..{high}{step}"


def plan_text(plan: Plan, width: int) -> str:
    """Everything that `fusec inspect` shows."""
    counts = count_plan(plan)
    rows = [*_interface_rows(plan), *counts_rows(counts), *target_rows(plan)]
    rows += [("runs on", _where(plan)), ("checked", _checked(plan))]
    lines = [shorten(line, width) for line in aligned(rows, "")]
    return "\n".join([*lines, "", kernel_table(kernel_rows(plan), width)])


def _interface_rows(plan: Plan) -> Iterator[tuple[str, str]]:
    data = interface_json(plan)
    for what in ("inputs", "outputs", "symbols"):
        for name, text in data[what].items():
            yield what[:-1], f"{name}: {text}"


def _where(plan: Plan) -> str:
    """The devices that can run it, binaries first."""
    gpus = ", ".join(plan.targets)
    first = f"{gpus} by its binaries; " if gpus else ""
    return (
        f"{first}any CUDA or ROCm GPU by compiling on first load; the CPU (reference, interpreter)"
    )


def _checked(plan: Plan) -> str:
    marks = sorted({k.checked.value for k in plan.kernels})
    golden = plan.golden
    stored = "no golden outputs" if golden is None else f"golden by {golden.tool} {golden.version}"
    return f"{stored}; kernels: {', '.join(marks) if marks else 'none'}"
