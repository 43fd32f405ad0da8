"""`structural_key`: what a graph computes, up to the names of values and where nodes came from."""

from __future__ import annotations

from collections.abc import Hashable, Iterable

from fusec.ir.graph import Graph, Node, Value


def structural_key(graph: Graph) -> Hashable:
    """Equal for graphs of the same ops in the same order, of equal types, attributes and wiring.

    Names of values and outputs, origins, regions and storages do not count; data of constants
    counts by value. Symbols are compared with their ranges.
    """
    return nodes_key(graph.inputs, graph.nodes, graph.outputs)


def nodes_key(inputs: Iterable[Value], nodes: Iterable[Node], outputs: Iterable[Value]) -> Hashable:
    """The key of some nodes of a graph, given the values that enter and leave them."""
    numbers: dict[Value, int] = {}
    parts: list[Hashable] = []
    for value in inputs:
        numbers[value] = len(numbers)
        parts.append((value.type.dtype.name, value.type.shape))
    for node in nodes:
        operands = tuple([numbers[v] for v in node.operands])
        nested = tuple([structural_key(g) for g in node.graphs]) if node.graphs else ()
        attrs = tuple(node.attrs.values()) if node.attrs else ()
        parts.append((node.op.name, operands, _typed(attrs), nested))
        for value in node.results:
            numbers[value] = len(numbers)
    parts.append(tuple([numbers[v] for v in outputs]))
    return tuple(parts)


def _typed(attrs: tuple[Hashable, ...]) -> tuple[Hashable, ...]:
    """Attributes such that 0, 0.0, -0.0 and False differ, and NaN equals NaN."""
    return tuple([repr(a) if isinstance(a, float | bool) else a for a in attrs])
