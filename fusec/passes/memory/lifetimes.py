"""When each arena root is in use, counted in launches."""

from __future__ import annotations

from collections.abc import Iterator

from fusec.errors import UsageError
from fusec.ir.graph import Graph, Node, Value
from fusec.ir.launches import launch_nodes
from fusec.ir.storage import ARENA, Lifetime


def arena_lifetimes(graph: Graph) -> tuple[Lifetime, ...]:
    """One for each arena root that a value lives in, in the order of ``graph.roots``.

    A root lives from the first launch that writes it to the last that touches a value in it;
    what holds a graph output lives to the end. UsageError before ``assign-storage`` ran.
    """
    missing = next((v for v in graph.values if v not in graph.storages), None)
    if missing is not None:
        raise UsageError(
            f"%{missing.name} has no storage", hint="run assign-storage before plan-memory"
        )
    clock = {node: time for time, node in enumerate(launch_nodes(graph))}
    spans: dict[str, tuple[int, int]] = {}
    for value in graph.values:
        root = graph.roots[graph.storages[value].root]
        if root.kind != ARENA:
            continue
        for time in _times(value, clock):
            first, last = spans.get(root.name, (time, time))
            spans[root.name] = (min(first, time), max(last, time))
    return tuple(
        Lifetime(name, root.nbytes, *spans[name])
        for name, root in graph.roots.items()
        if name in spans
    )


def _times(value: Value, clock: dict[Node, int]) -> Iterator[int]:
    """The launches that write or read the value."""
    if value.node in clock:
        yield clock[value.node]
    for user in value.users:
        if user in clock:
            yield clock[user]
    if value.is_output:
        yield max(0, len(clock) - 1)
