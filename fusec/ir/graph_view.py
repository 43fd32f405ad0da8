"""A graph for networkx: analyses, and export to the formats it writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fusec.ir.graph import Graph, Node, Value

if TYPE_CHECKING:
    import networkx


def graph_view(graph: Graph) -> networkx.DiGraph[Any]:
    """Nodes and graph inputs as vertices, an edge for each operand.

    A vertex is the `Node` itself, or the `Value` of an input. Vertex attributes: ``op``, ``name``
    (of the first result), ``origins``; edge attributes: ``values``, the names of what passes.
    Constants are vertices too. Nested graphs are not entered.
    """
    import networkx

    view: networkx.DiGraph[Any] = networkx.DiGraph(name=graph.name)
    for value in graph.inputs:
        view.add_node(value, op="input", name=value.name, origins=())
    for node in graph.nodes:
        view.add_node(node, op=node.op.name, name=_label(node), origins=node.origins)
        for operand in node.operands:
            _add_edge(view, operand, node)
    return view


def _label(node: Node) -> str:
    return node.results[0].name if node.results else node.op.name


def _add_edge(view: networkx.DiGraph[Any], operand: Value, node: Node) -> None:
    source: Node | Value = operand if operand.node is None else operand.node
    if view.has_edge(source, node):
        names = view.edges[source, node]["values"]
        if operand.name not in names:
            view.edges[source, node]["values"] = (*names, operand.name)
    else:
        view.add_edge(source, node, values=(operand.name,))


def named_view(graph: Graph) -> networkx.DiGraph[str]:
    """The same with strings as vertices and attributes, as file formats need."""
    import networkx

    view = graph_view(graph)
    names = {vertex: _vertex_name(vertex) for vertex in view}
    result: networkx.DiGraph[str] = networkx.relabel_nodes(view, names)
    for _, data in result.nodes(data=True):
        data["origins"] = ", ".join(data["origins"])
    for *_, data in result.edges(data=True):
        data["values"] = ", ".join(data["values"])
    return result


def _vertex_name(vertex: Node | Value) -> str:
    return vertex.name if isinstance(vertex, Value) else _label(vertex)
