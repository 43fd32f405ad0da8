"""Which nodes of a graph run on the device, and in which order: the clock of the memory plan."""

from __future__ import annotations

from fusec.ir.graph import Graph, Node


def is_alias(node: Node) -> bool:
    """A view whose result is a window of the root of its first operand: nothing to run."""
    if not node.op.is_view or node.graph is None:
        return False
    storages = node.graph.storages
    storage, operand = storages.get(node.results[0]), storages.get(node.operands[0])
    return storage is None or operand is None or storage.root == operand.root


def is_launch(node: Node) -> bool:
    """Whether the node runs: it is neither a constant nor a view that is only an alias."""
    return not node.is_constant and not is_alias(node)


def launch_nodes(graph: Graph) -> tuple[Node, ...]:
    """The nodes that run, in order; a lifetime counts positions in this tuple."""
    return tuple(node for node in graph.nodes if is_launch(node))
