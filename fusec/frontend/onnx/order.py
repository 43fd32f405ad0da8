"""Execution order and names of the nodes of a source graph."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence

from onnx import AttributeProto, NodeProto

from fusec.errors import InvalidModel


def node_names(nodes: Sequence[NodeProto], prefix: str = "") -> list[str]:
    """One distinct name a node: its own, or operator and position, such as ``Conv_12``."""
    taken: set[str] = {n.name for n in nodes if n.name}
    seen: set[str] = set()
    names = []
    for index, node in enumerate(nodes):
        name = node.name or f"{node.op_type}_{index}"
        if name in seen or (not node.name and name in taken):
            name = f"{name}_{index}"
        while name in seen:
            name = f"{name}_"
        seen.add(name)
        names.append(prefix + name)
    return names


def reads(node: NodeProto) -> Iterator[str]:
    """Every name a node needs, those its nested graphs take from outside included."""
    yield from (name for name in node.input if name)
    for attribute in node.attribute:
        for graph in _graphs(attribute):
            yield from captured(graph)


def _graphs(attribute: AttributeProto) -> Iterator:  # type: ignore[type-arg]
    if attribute.type == AttributeProto.GRAPH:
        yield attribute.g
    elif attribute.type == AttributeProto.GRAPHS:
        yield from attribute.graphs


def captured(graph: object) -> Iterator[str]:
    """Names that a nested graph reads from outside."""
    inner = {i.name for i in graph.input}  # type: ignore[attr-defined]
    inner.update(t.name for t in graph.initializer)  # type: ignore[attr-defined]
    inner.update(t.values.name for t in graph.sparse_initializer)  # type: ignore[attr-defined]
    for node in graph.node:  # type: ignore[attr-defined]
        inner.update(node.output)
    for node in graph.node:  # type: ignore[attr-defined]
        yield from (name for name in reads(node) if name not in inner)
    yield from (o.name for o in graph.output if o.name not in inner)  # type: ignore[attr-defined]


def execution_order(
    nodes: Sequence[NodeProto],
    names: Sequence[str],
    outputs: Iterable[str],
    is_defined: Callable[[str], bool],
) -> list[int]:
    """Indices of the nodes that the outputs need, each after what it reads; file order otherwise.

    InvalidModel for a name made twice or by nothing, and for a cycle.
    """
    makers = _makers(nodes, names, is_defined)
    inputs = [
        _inputs(node, name, makers, is_defined) for node, name in zip(nodes, names, strict=True)
    ]
    needed = _needed(inputs, [makers[o] for o in outputs if o in makers])
    order = [i for i in range(len(nodes)) if needed[i]]
    if all(j < i for i in order for j in inputs[i]):
        return order
    return _sorted(order, inputs, names)


def _makers(
    nodes: Sequence[NodeProto], names: Sequence[str], is_defined: Callable[[str], bool]
) -> dict[str, int]:
    makers: dict[str, int] = {}
    for index, node in enumerate(nodes):
        for output in node.output:
            if output and (output in makers or is_defined(output)):
                raise InvalidModel(f"node {names[index]}: value {output!r} is defined twice")
            if output:
                makers[output] = index
    return makers


def _inputs(
    node: NodeProto, name: str, makers: dict[str, int], is_defined: Callable[[str], bool]
) -> list[int]:
    found = []
    for value in reads(node):
        maker = makers.get(value)
        if maker is not None:
            found.append(maker)
        elif not is_defined(value):
            raise InvalidModel(
                f"node {name} ({node.op_type}) reads {value!r}, which nothing defines"
            )
    return found


def _needed(inputs: Sequence[Sequence[int]], roots: Iterable[int]) -> list[bool]:
    needed = [False] * len(inputs)
    stack = list(roots)
    while stack:
        index = stack.pop()
        if not needed[index]:
            needed[index] = True
            stack.extend(inputs[index])
    return needed


def _sorted(order: list[int], inputs: list[list[int]], names: Sequence[str]) -> list[int]:
    missing = {i: len(set(inputs[i])) for i in order}
    users: dict[int, list[int]] = {i: [] for i in order}
    for i in order:
        for j in set(inputs[i]):
            users[j].append(i)
    ready = [i for i in order if missing[i] == 0]
    result = []
    while ready:
        index = heapq.heappop(ready)
        result.append(index)
        for user in users[index]:
            missing[user] -= 1
            if missing[user] == 0:
                heapq.heappush(ready, user)
    if len(result) < len(order):
        stuck = next(i for i in order if missing[i] > 0)
        raise InvalidModel(f"node {names[stuck]} is part of a cycle, or behind one")
    return result
