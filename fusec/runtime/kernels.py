"""Kernels of a plan as this version of fusec prints them."""

from __future__ import annotations

from dataclasses import replace

from fusec.plan.plan import Plan
from fusec.tile.kernel import Checked, Kernel


def reprint_kernels(plan: Plan) -> Plan:
    """The plan with every source printed again from its tile program.

    Where it differs from the stored source (another version of fusec wrote it), how the kernel was
    checked no longer counts.
    """
    return replace(plan, kernels=tuple(reprint(kernel) for kernel in plan.kernels))


def reprint(kernel: Kernel) -> Kernel:
    """One kernel, printed again."""
    from fusec.codegen.printer import print_kernel

    source = print_kernel(kernel.program, kernel.name)
    if source == kernel.source:
        return kernel
    return replace(kernel, source=source, checked=Checked.NONE)
