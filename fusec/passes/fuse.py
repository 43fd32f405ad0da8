"""``fuse``: every computing node into a kernel."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

from fusec.ir.graph import Graph, Node, Value
from fusec.ir.storage import Storage
from fusec.ir.sym import contiguous_strides
from fusec.ir.view_layout import view_storage
from fusec.passes.base import Context, Pass
from fusec.passes.concats import Window, is_computed, is_written, place_concats
from fusec.passes.fuse_body import boundary, build_body, origins_of
from fusec.passes.fuse_groups import (
    Group,
    Partition,
    distinct_edges,
    is_pure_view,
    upper_bytes,
)
from fusec.target import Target
from fusec.tile.lower import lower
from fusec.tile.program import Refusal, TileProgram

RULE = "f(g(x)) => one kernel"


@dataclass(frozen=True)
class Fuse(Pass):
    """Partition the graph into kernels.

    1. Every computing node ends up in a ``fused`` node whose body is one kernel: `tile.lower`
       returns a program for it. What has no tile form stays itself: one library call of the op.
    2. Groups grow by the modelled time that a merge saves on the tightest target; a merge that is
       illegal or slower is refused with a reason.
    3. Views are repeated for each reader, so that each can be absorbed; what is left is aliases.
    4. Each graph output is written by a kernel (or is a contiguous reshape of what one wrote).
    5. Each candidate (a pair of a non-constant node and a reader of it, or of two adjacent readers
       of one value) gets one remark: its verdict in the final partition.
    """

    name: ClassVar[str] = "fuse"

    def run(self, graph: Graph, context: Context) -> bool:
        if _is_fused(graph):
            return _materialize_outputs(graph)
        candidates = list(distinct_edges(graph))
        siblings = list(adjacent_siblings(graph))
        _materialize_outputs(graph)
        clones = sink_views(graph)
        placement = place_concats(graph, is_computed)
        partition = Partition(graph, tightest(context.targets), placement.concats)
        partition.grow()
        _Remarks(context, partition, clones).emit(candidates, siblings)
        rewrite(graph, partition, placement.windows, context)
        return True


def tightest(targets: tuple[Target, ...]) -> Target:
    """The target that decides fusion: the one with the least memory bandwidth; sm_80 if there is
    none."""
    from fusec.target import resolve

    return min(targets, key=lambda t: (t.bandwidth, t.name)) if targets else resolve("sm_80")


def _is_fused(graph: Graph) -> bool:
    """Whether an earlier run of this pass left nothing to do."""
    layouts: dict[Value, Storage] = {}
    for node in graph.nodes:
        if node.is_constant or node.op.name in ("fused", "extern") or node.graphs:
            continue
        if node.op.name == "concat" and all(is_written(v) or _is_concat(v) for v in node.operands):
            continue
        if is_pure_view(node):
            if not _stay_views([node], layouts):
                return False
        elif not isinstance(lower(build_body(boundary([node]))), Refusal):
            return False
    return True


def _is_concat(value: Value) -> bool:
    return value.node is not None and value.node.op.name == "concat"


def contiguous(value: Value) -> Storage:
    """The row-major layout of a value, in any root."""
    return Storage("r", 0, contiguous_strides(value.type.shape))


# -- before ----------------------------------------------------------------------------------------


def sink_views(graph: Graph) -> dict[Node, Node]:
    """Give every reader of a view its own copy of it; returns copy -> original."""
    clones: dict[Node, Node] = {}
    for node in graph.reversed_nodes:
        if not (is_pure_view(node) or node.op.name in ("iota", "dim")):
            continue
        for use in node.results[0].uses[1:]:
            copy = graph.create(
                node.op,
                node.operands,
                node.attrs,
                names=[node.results[0].name],
                origins=node.origins,
                region=node.region,
                before=node,
            )
            clones[copy] = node
            if use.user is None:
                outputs = list(graph.outputs)
                outputs[use.index] = copy.results[0]
                graph.set_outputs(outputs)
            else:
                graph.set_operand(use.user, use.index, copy.results[0])
    return clones


def _materialize_outputs(graph: Graph) -> bool:
    """Put a copy (a full reshape) behind outputs that are inputs, constants or named twice."""
    outputs = list(graph.outputs)
    seen: set[Value] = set()
    for index, value in enumerate(outputs):
        node = value.node
        if node is None or node.is_constant or value in seen:
            outputs[index] = _copy(graph, value)
        seen.add(outputs[index])
    changed = tuple(outputs) != graph.outputs
    if changed:
        graph.set_outputs(outputs)
    return changed


def _copy(graph: Graph, value: Value) -> Value:
    body = Graph("body")
    source = body.add_input("in0", value.type)
    body.set_outputs(
        [body.create("reshape", [source], {"shape": value.type.shape}, names=["copy"]).result]
    )
    origins = value.node.origins if value.node is not None else ()
    return graph.create(
        "fused", [value], {}, graphs=[body], names=[f"{value.name}.copy"], origins=origins
    ).result


# -- after -----------------------------------------------------------------------------------------


def rewrite(
    graph: Graph, partition: Partition, windows: Mapping[Value, Window], context: Context
) -> None:
    """Replace each group by its node, in the order of the partition."""
    shared: dict[tuple[object, ...], Value] = {}
    layouts = {v: w.of(contiguous(w.base)) for v, w in windows.items()}
    for group in partition.groups:
        if group.nodes[0] in partition.in_place:
            graph.move_before(group.nodes[0], None)
        elif group.is_view and _stay_views(group.nodes, layouts):
            for node in group.nodes:
                _keep_view(graph, node, shared)
        elif isinstance(group.result, Refusal):
            for node in group.nodes:
                graph.move_before(node, None)
        else:
            context.record(RULE, group.nodes, [_emit(graph, group, layouts)])
            for dead in reversed(group.nodes):
                graph.erase(dead)


def _stay_views(nodes: Sequence[Node], layouts: dict[Value, Storage]) -> bool:
    """Whether views are windows of what they read; notes their layouts if so.

    A graph output must be laid out as a whole tensor that a kernel wrote.
    """
    found: dict[Value, Storage] = {}
    for node in nodes:
        source = node.operands[0]
        before = found.get(source) or layouts.get(source) or contiguous(source)
        alias = view_storage(node, before)
        if alias is None:
            return False
        if node.result.is_output and not _is_whole_kernel_result(node, alias):
            return False
        found[node.result] = alias
    layouts.update(found)
    return True


def _is_whole_kernel_result(node: Node, alias: Storage) -> bool:
    value = node.operands[0]
    while value.node is not None and value.node.op.is_view:
        value = value.node.operands[0]
    written = value.node is not None and not value.node.is_constant
    same_size = value.type.numel == node.result.type.numel
    return written and same_size and alias == contiguous(node.result)


def _keep_view(graph: Graph, node: Node, shared: dict[tuple[object, ...], Value]) -> None:
    key = (node.op.name, node.operands, tuple(node.attrs.values()))
    twin = None if node.result.is_output else shared.get(key)
    if twin is not None:
        graph.replace_node(node, [twin])
        return
    shared.setdefault(key, node.result)
    graph.move_before(node, None)


def _emit(graph: Graph, group: Group, layouts: dict[Value, Storage]) -> Node:
    """A fused node that computes what the group's nodes did for everything outside."""
    border = boundary(group.nodes)
    node = graph.create(
        "fused",
        border.inputs,
        {},
        graphs=[build_body(border)],
        names=[v.name for v in border.outputs],
        origins=origins_of(group.nodes),
        types=[v.type for v in border.outputs],
    )
    for old, new in zip(border.outputs, node.results, strict=True):
        graph.replace_uses(old, new)
        if old in layouts:
            layouts[new] = layouts[old]
    return node


# -- remarks ---------------------------------------------------------------------------------------


def adjacent_siblings(graph: Graph) -> Iterator[tuple[Value, Node, Node]]:
    """Each pair of neighbouring readers of one non-constant value."""
    for value in graph.values:
        if value.constant is None:
            users = value.users
            for left, right in pairwise(users):
                yield value, left, right


class _Remarks:
    """One remark for each candidate."""

    def __init__(self, context: Context, partition: Partition, clones: dict[Node, Node]) -> None:
        self.context, self.partition = context, partition
        self.copies: dict[Node, list[Node]] = {}
        for copy, original in clones.items():
            while original in clones:
                original = clones[original]
            self.copies.setdefault(original, [original]).append(copy)

    def emit(
        self, edges: list[tuple[Node, Node]], siblings: list[tuple[Value, Node, Node]]
    ) -> None:
        for producer, user in edges:
            self._edge(producer, user)
        for value, left, right in siblings:
            self._sibling(value, left, right)

    def _pairs(self, producer: Node, user: Node) -> list[tuple[Node, Node]]:
        users = set(self.copies.get(user, [user]))
        return [
            (p, u)
            for p in self.copies.get(producer, [producer])
            for u in dict.fromkeys(u for r in p.results for u in r.users)
            if u in users
        ]

    def _edge(self, producer: Node, user: Node) -> None:
        group_of, stake = self.partition.group_of, edge_bytes(producer, user)
        origins = origins_of((producer, user))
        title = f"{producer.op.name} -> {user.op.name}"
        for p, u in self._pairs(producer, user):
            if group_of[p] is group_of[u]:
                continue
            if any(
                group_of[n].is_view and isinstance(group_of[n].result, TileProgram) for n in (p, u)
            ):
                continue
            refusal = self.partition.refusals.get((p, u)) or Refusal(
                "not-tried", "no merge was tried"
            )
            self.context.remark(
                "missed",
                refusal.code,
                origins,
                f"{title}: {refusal.message}",
                bytes=stake,
                **dict(refusal.args),
            )
            return
        self.context.remark("passed", "fused", origins, f"{title}: one kernel", bytes=stake)

    def _sibling(self, value: Value, left: Node, right: Node) -> None:
        group_of, origins = self.partition.group_of, origins_of((left, right))
        stake = upper_bytes(value.type.nbytes)
        title = f"{left.op.name} and {right.op.name} read %{value.name}"
        together = any(
            group_of[a] is group_of[b]
            for a in self.copies.get(left, [left])
            for b in self.copies.get(right, [right])
        )
        if together:
            self.context.remark(
                "passed", "fused-siblings", origins, f"{title}: one kernel", bytes=stake
            )
        else:
            self.context.remark(
                "missed", "siblings-apart", origins, f"{title}: each reads it again", bytes=stake
            )


def edge_bytes(producer: Node, user: Node) -> int:
    """Bytes that pass from one node to another."""
    return sum(upper_bytes(r.type.nbytes) for r in producer.results if user in r.users)
