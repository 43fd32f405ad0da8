"""The launches of a plan, one row each, with what the compiler reported."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from fusec.explain.counts import node_bytes, node_flops, plan_launches, sizes_of
from fusec.explain.units import human_bytes, human_flops, shorten, table
from fusec.plan import Plan
from fusec.tile.kernel import Kernel


@dataclass(frozen=True)
class KernelRow:
    """One launch. Resources are the largest over the targets, None without binaries."""

    name: str
    kind: str
    origins: tuple[str, ...]
    bytes_read: int
    bytes_written: int
    flops: int
    registers: int | None
    spills: int | None
    shared_bytes: int | None
    targets: tuple[str, ...]
    checked: str

    def as_json(self) -> dict[str, Any]:
        """The keys that `inspect --json` promises."""
        return asdict(self)


def kernel_rows(plan: Plan) -> list[KernelRow]:
    """One row for each launch, in order."""
    kernels = {k.name: k for k in plan.kernels}
    at = sizes_of(plan.graph)
    rows = []
    for name, node in plan_launches(plan):
        kernel = kernels.get(name)
        program = kernel.program if kernel is not None else None
        read, written = node_bytes(node, at)
        kind = program.kind if program is not None else node.op.name
        shown = name or str(node.attrs.get("function", node.op.name))
        flops = node_flops(node, program, at)
        rows.append(KernelRow(shown, kind, node.origins, read, written, flops, *_resources(kernel)))
    return rows


def _resources(
    kernel: Kernel | None,
) -> tuple[int | None, int | None, int | None, tuple[str, ...], str]:
    binaries = kernel.binaries if kernel is not None else ()
    found = [b.resources for b in binaries]
    checked = kernel.checked.value if kernel is not None else "none"
    return (
        max((r.registers for r in found), default=None),
        max((r.spills for r in found), default=None),
        max((r.shared_bytes for r in found), default=None),
        tuple(b.target for b in binaries),
        checked,
    )


def kernel_table(rows: list[KernelRow], width: int) -> str:
    """The rows as text, origins cut to the width."""
    head = ["", "kernel", "kind", "read", "written", "operations", "checked"]
    cells = [head]
    for index, row in enumerate(rows):
        moved = [human_bytes(row.bytes_read), human_bytes(row.bytes_written)]
        numbers = [*moved, human_flops(row.flops)]
        cells.append([str(index), shorten(row.name, 40), row.kind, *numbers, row.checked])
    lines = table(cells, right=frozenset({0, 3, 4, 5})).splitlines()
    return "\n".join(shorten(line, width) for line in lines)
