"""One kernel as text: what it moves and computes, where it runs, its body and its source."""

from __future__ import annotations

from typing import Any

from fusec.explain.counts import plan_launches
from fusec.explain.kernel_list import KernelRow, kernel_rows
from fusec.explain.summary import aligned
from fusec.explain.units import human_bytes, human_flops, wrap
from fusec.ir.graph import Node
from fusec.ir.text import print_graph, print_node
from fusec.plan import Plan
from fusec.tile.kernel import Kernel


def kernel_text(plan: Plan, kernel: Kernel, width: int) -> str:
    """Everything about one distinct kernel."""
    places = [i for i, (name, _) in enumerate(plan_launches(plan)) if name == kernel.name]
    row = kernel_rows(plan)[places[0]]
    node = next(node for name, node in plan_launches(plan) if name == kernel.name)
    lines = [f"kernel {kernel.name}", *aligned(_facts(plan, kernel, row, places, width))]
    lines += ["", "body:", *_body(node), "", "source:", kernel.source.rstrip()]
    return "\n".join(lines)


def _facts(
    plan: Plan, kernel: Kernel, row: KernelRow, places: list[int], width: int
) -> list[tuple[str, str]]:
    origins = sorted({o for i in places for o in kernel_rows(plan)[i].origins})
    joined = wrap(", ".join(origins), width - 14, "")
    facts = [
        ("kind", kernel.program.kind),
        ("launches", ", ".join(map(str, places))),
        ("origins", joined[0]),
        *(("", more) for more in joined[1:]),
        ("reads", human_bytes(row.bytes_read)),
        ("writes", human_bytes(row.bytes_written)),
        ("operations", human_flops(row.flops)),
        ("checked", row.checked),
    ]
    for config in kernel.configs:
        tiles = " x ".join(f"{axis} {size}" for axis, size in config.tiles)
        facts.append(
            (config.target, f"{tiles}, {config.num_warps} warps, {config.num_stages} stages")
        )
    for binary in kernel.binaries:
        r = binary.resources
        text = f"{r.registers} registers, {r.spills} spills, {r.shared_bytes} shared bytes"
        facts.append((binary.target, text))
    return facts


def _body(node: Node) -> list[str]:
    if node.graphs:
        return print_graph(node.graphs[0]).rstrip().splitlines()
    return [print_node(node)]


def kernel_json(plan: Plan, kernel: Kernel) -> dict[str, Any]:
    """The same as data."""
    launches = list(plan_launches(plan))
    places = [i for i, (name, _) in enumerate(launches) if name == kernel.name]
    rows = kernel_rows(plan)
    return {
        **rows[places[0]].as_json(),
        "launches": places,
        "origins": sorted({o for i in places for o in rows[i].origins}),
        "body": "\n".join(_body(launches[places[0]][1])),
        "source": kernel.source,
        "configs": {
            c.target: {**dict(c.tiles), "warps": c.num_warps, "stages": c.num_stages}
            for c in kernel.configs
        },
    }
