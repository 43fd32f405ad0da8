"""Bodies of fused nodes: built from a set of nodes, with names that say nothing about the
source."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

from fusec.ir.graph import Graph, Node, Value


@dataclass(frozen=True)
class Boundary:
    """The nodes of a group in graph order, the values that enter, and those that are read
    outside."""

    nodes: tuple[Node, ...]
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]


def is_literal(value: Value) -> bool:
    """A rank-0 constant: it is copied into bodies instead of being passed."""
    return value.constant is not None and value.constant.is_literal


def boundary(nodes: Sequence[Node]) -> Boundary:
    """Inputs in order of first use, outputs in order of definition."""
    inside = set(nodes)
    inputs: dict[Value, None] = {}
    outputs: list[Value] = []
    for node in nodes:
        for operand in node.operands:
            if operand.node not in inside and not is_literal(operand):
                inputs[operand] = None
        outputs += [r for r in node.results if any(u.user not in inside for u in r.uses)]
    return Boundary(tuple(nodes), tuple(inputs), tuple(outputs))


def body_key(group: Boundary) -> Hashable:
    """Equal for groups whose bodies are equal up to names and origins."""
    numbers: dict[Value, int] = {}
    for value in group.inputs:
        numbers[value] = len(numbers)
    key: list[Hashable] = [tuple([v.type for v in group.inputs])]
    for node in group.nodes:
        operands: list[Hashable] = []
        for value in node.operands:
            operands.append(numbers[value] if value in numbers else _literal_key(value))
        key.append((node.op.name, tuple(operands), tuple(node.attrs.values())))
        for value in node.results:
            numbers[value] = len(numbers)
    key.append(tuple([numbers[v] for v in group.outputs]))
    return tuple(key)


def _literal_key(value: Value) -> Hashable:
    data = value.constant
    assert data is not None
    return (data.array.dtype.name, repr(data.item()))


def build_body(group: Boundary) -> Graph:
    """A graph of copies of the nodes; inputs are ``in0..``, results are named by their op."""
    body = Graph("body")
    copies: dict[Value, Value] = {}
    for index, value in enumerate(group.inputs):
        copies[value] = body.add_input(f"in{index}", value.type)
    for node in group.nodes:
        for operand in node.operands:
            if operand not in copies:
                data = operand.constant
                assert data is not None
                copies[operand] = body.constant(data, name="literal")
        copy = body.create(
            node.op,
            [copies[v] for v in node.operands],
            node.attrs,
            graphs=node.graphs,
            names=[node.op.name] * len(node.results),
            origins=node.origins,
            region=node.region,
            types=[r.type for r in node.results],
        )
        copies.update(zip(node.results, copy.results, strict=True))
    body.set_outputs([copies[v] for v in group.outputs])
    body.output_names = [v.name for v in body.outputs]
    return body


def origins_of(nodes: Iterable[Node]) -> tuple[str, ...]:
    """The source nodes of several nodes, sorted."""
    return tuple(sorted({name for node in nodes for name in node.origins}))
