"""Do the parts of a plan fit together? Asked before it is written and after it is read."""

from __future__ import annotations

from collections.abc import Iterator

from fusec.ir.graph import Node
from fusec.ir.launches import launch_nodes
from fusec.plan.audit import audit
from fusec.plan.plan import Launch, LaunchKind, Plan
from fusec.plan.schema import GRAPH, MANIFEST, MEMORY, tile_entry
from fusec.tile.kernel import Kernel

Fault = tuple[str, str]  # the entry, and what is wrong with it


def find_faults(plan: Plan) -> Iterator[Fault]:
    """Every fault, with the entry that holds it."""
    if plan.graph.memory is None:
        yield MEMORY, "there is no memory plan"
        return
    for fault in audit(plan.graph, plan.graph.memory):
        yield MEMORY, fault
    yield from _launches(plan)
    for kernel in plan.kernels:
        yield from _binaries(plan, kernel)


def _launches(plan: Plan) -> Iterator[Fault]:
    nodes = launch_nodes(plan.graph)
    if [launch.node for launch in plan.launches] != [n.results[0].name for n in nodes]:
        yield MANIFEST, "the launches are not those of the graph"
        return
    kernels = {kernel.name: kernel for kernel in plan.kernels}
    if len(kernels) != len(plan.kernels):
        yield MANIFEST, "two kernels have one name"
    for launch, node in zip(plan.launches, nodes, strict=True):
        yield from _launch(launch, node, kernels)
    unused = sorted(set(kernels) - {launch.kernel for launch in plan.launches})
    if unused:
        yield tile_entry(unused[0]), "no launch uses this kernel"


def _launch(launch: Launch, node: Node, kernels: dict[str, Kernel]) -> Iterator[Fault]:
    is_fused = node.op.name == "fused"
    if (launch.kind is LaunchKind.KERNEL) != is_fused or (launch.kernel is None) == is_fused:
        yield MANIFEST, f"launch %{launch.node} is of another kind than its node"
    elif launch.kernel is not None:
        kernel = kernels.get(launch.kernel)
        if kernel is None:
            yield MANIFEST, f"launch %{launch.node} names an unknown kernel {launch.kernel!r}"
        elif not _fits(kernel, node):
            yield tile_entry(kernel.name), f"does not fit the types of launch %{launch.node}"
    if not set(node.graphs) and launch.kind is LaunchKind.CONTROL:
        yield GRAPH, f"launch %{launch.node} has no nested graphs to control"


def _fits(kernel: Kernel, node: Node) -> bool:
    buffers = (*kernel.program.operands, *kernel.program.results)
    values = (*node.operands, *node.results)
    if len(kernel.program.operands) != len(node.operands) or len(buffers) != len(values):
        return False
    return all(b.type == v.type for b, v in zip(buffers, values, strict=True))


def _binaries(plan: Plan, kernel: Kernel) -> Iterator[Fault]:
    for binary in kernel.binaries:
        if binary.target not in plan.targets:
            yield MANIFEST, f"{kernel.name} has a binary for {binary.target}, no target of the plan"
    for target in plan.targets:
        if sum(b.target == target for b in kernel.binaries) > 1:
            yield MANIFEST, f"{kernel.name} has two binaries for {target}"
