"""Which nodes of a graph run on the device, and in which order: the clock of the memory plan."""

from __future__ import annotations

from fusec.ir.graph import Graph, Node
from fusec.ir.overlap import is_alias


def is_launch(node: Node) -> bool:
    """Whether the node runs: it is neither a constant nor a view that is only an alias.

    Before storages are assigned every view counts as an alias.
    """
    if node.is_constant or node.graph is None:
        return False
    storages = node.graph.storages
    placed = node.op.is_view and node.results[0] in storages
    return not (is_alias(node, storages) if placed else node.op.is_view)


def launch_nodes(graph: Graph) -> tuple[Node, ...]:
    """The nodes that run, in order; a lifetime counts positions in this tuple."""
    return tuple(node for node in graph.nodes if is_launch(node))
