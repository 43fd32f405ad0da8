"""``eliminate-dead-code``: what no output needs is not computed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from fusec.ir.graph import Graph, Node, Value
from fusec.passes.base import Context, Pass

UNUSED = "f(x) => nothing, no use"
UNUSED_RESULTS = "f(x) with unused results or captures => f(x) without them"


@dataclass(frozen=True)
class EliminateDeadCode(Pass):
    """Remove what has no use.

    1. Nodes without side effects, none of whose results is used, go; and in turn what only they
       used.
    2. Of ``if``, ``loop`` and ``fused``: results that are not used go, and what their graphs
       computed for them; captures that no graph reads go. A carried value of a loop goes when
       nothing but itself depends on it.
    3. Graph inputs and outputs stay: they are the interface.
    """

    name: ClassVar[str] = "eliminate-dead-code"

    def run(self, graph: Graph, context: Context) -> bool:
        dead: list[Node] = []
        changed = self._sweep(graph, context, dead)
        if dead:
            context.record(UNUSED, dead[::-1])
        return changed

    def _sweep(self, graph: Graph, context: Context, dead: list[Node]) -> bool:
        changed = False
        for node in graph.reversed_nodes:
            if node.op.is_pure and not any(r.use_count for r in node.results):
                graph.erase(node)
                dead.append(node)
                changed = True
            elif node.graphs:
                changed |= self._shrink(graph, node, context, dead)
        return changed

    def _shrink(self, graph: Graph, node: Node, context: Context, dead: list[Node]) -> bool:
        changed = False
        while True:
            for nested in node.graphs:
                changed |= self._sweep(nested, context, dead)
            shrunk = _SHRINK[node.op.name](node) if node.op.name in _SHRINK else None
            if shrunk is None:
                return changed
            context.record(UNUSED_RESULTS, [node], [shrunk])
            _hand_over(graph, node, shrunk)
            node, changed = shrunk, True


def _hand_over(graph: Graph, node: Node, shrunk: Node) -> None:
    """Give the readers of the old node's results the new ones, which bear their names."""
    new = {value.name: value for value in shrunk.results}
    for value in node.results:
        if value.use_count:
            graph.replace_uses(value, new[value.name])
    graph.erase(node)


def _rebuild(
    node: Node, operands: Sequence[Value], attrs: dict[str, Any], results: Sequence[Value]
) -> Node:
    """The node with fewer operands and results; its graphs, edited already, move over."""
    assert node.graph is not None
    shrunk = node.graph.create(
        node.op,
        operands,
        attrs,
        graphs=node.graphs,
        names=[v.name for v in results],
        origins=node.origins,
        region=node.region,
        before=node,
    )
    for old, new in zip(results, shrunk.results, strict=True):
        new.name = old.name
    return shrunk


# -- if, fused -------------------------------------------------------------------------------------


def _shrink_branches(node: Node) -> Node | None:
    """``if`` and ``fused``: results are the outputs of each graph, captures its inputs."""
    fixed = 1 if node.op.name == "if" else 0
    live = [r for r in node.results if r.use_count]
    _keep_outputs(node.graphs, [r.index for r in live])
    read = _read_inputs(node.graphs, len(node.operands) - fixed)
    if len(live) == len(node.results) and all(read):
        return None
    for graph in node.graphs:
        _keep_inputs(graph, read)
    captures = [v for v, keep in zip(node.operands[fixed:], read, strict=True) if keep]
    return _rebuild(node, [*node.operands[:fixed], *captures], dict(node.attrs), live)


def _keep_outputs(graphs: Sequence[Graph], indices: Sequence[int]) -> None:
    for graph in graphs:
        if len(indices) == len(graph.outputs):
            continue
        if graph.output_names:
            graph.output_names = [graph.output_names[i] for i in indices]
        graph.set_outputs([graph.outputs[i] for i in indices])
        _erase_dead(graph)


def _read_inputs(graphs: Sequence[Graph], count: int) -> list[bool]:
    return [any(graph.inputs[i].use_count for graph in graphs) for i in range(count)]


def _keep_inputs(graph: Graph, keep: Sequence[bool]) -> None:
    graph.inputs = [v for v, kept in zip(graph.inputs, keep, strict=True) if kept]
    for index, value in enumerate(graph.inputs):
        value.index = index


def _erase_dead(graph: Graph) -> None:
    for node in graph.reversed_nodes:
        if node.op.is_pure and not any(r.use_count for r in node.results):
            graph.erase(node)


# -- loop ------------------------------------------------------------------------------------------

_FIRST = 2  # trip and cond; in the body: iteration and cond


def _shrink_loop(node: Node) -> Node | None:
    (body,) = node.graphs
    carried: int = node.attrs["carried"]
    scans = [r for r in node.results[carried:] if r.use_count]
    live_scans = [r.index for r in scans]
    stays = _live_carried(node, body, carried, live_scans)
    kept = [i for i in range(carried) if stays[i]]
    _keep_outputs([body], [0, *[1 + i for i in kept], *[1 + i for i in live_scans]])
    total = len(node.operands) - _FIRST
    captures = body.inputs[_FIRST + carried : _FIRST + total]
    read = [*stays, *[bool(v.use_count) for v in captures]]
    if all(read) and len(scans) == len(node.results) - carried:
        return None
    _keep_inputs(body, [True] * _FIRST + read)
    operands = [v for v, keep in zip(node.operands[_FIRST:], read, strict=True) if keep]
    results = [node.results[i] for i in kept] + scans
    length = node.attrs["length"] if scans else None
    attrs = {"carried": len(kept), "length": length}
    return _rebuild(node, [*node.operands[:_FIRST], *operands], attrs, results)


def _live_carried(node: Node, body: Graph, carried: int, scans: Sequence[int]) -> list[bool]:
    """Which carried values some used result, the condition, or another such value depends on."""
    reaches = [_outputs_behind(body.inputs[_FIRST + i]) for i in range(carried)]
    wanted = {0, *[1 + i for i in scans]}
    wanted |= {1 + i for i in range(carried) if node.results[i].use_count}
    grown = True
    while grown:
        new = {1 + i for i in range(carried) if reaches[i] & wanted} - wanted
        wanted |= new
        grown = bool(new)
    return [1 + i in wanted for i in range(carried)]


def _outputs_behind(value: Value) -> set[int]:
    """The indices of the graph's outputs that depend on a value; 0, the first, for an effect."""
    seen, waiting, found = {value}, [value], set()
    while waiting:
        for use in waiting.pop().uses:
            if use.user is None:
                found.add(use.index)
                continue
            if not use.user.op.is_pure:
                found.add(0)
            new = [r for r in use.user.results if r not in seen]
            seen.update(new)
            waiting += new
    return found


_SHRINK = {"if": _shrink_branches, "fused": _shrink_branches, "loop": _shrink_loop}
