"""The partition behind ``fuse``: groups of nodes, merged greedily by modelled time saved.

A merge is legal when the merged group is one kernel (`fusec.tile.lower`) and no path leaves the
group and comes back. Equal bodies are lowered once. Kept incrementally: for each group, the groups
it reads and that read it, and a topological order of the groups (after Pearce and Kelly, "A dynamic
topological sort algorithm for directed acyclic graphs", 2006: only ranks between the two change).
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Hashable, Iterable, Sequence
from dataclasses import dataclass, field

from fusec.ir.graph import Graph, Node
from fusec.ir.storage import Storage
from fusec.ir.sym import Dim, bounds, contiguous_strides
from fusec.ir.view_layout import view_storage
from fusec.passes.fuse_body import Boundary, body_key, boundary
from fusec.target import Target
from fusec.tile.cost import modelled_time
from fusec.tile.lower import Body, lower_nodes
from fusec.tile.program import Refusal, TileProgram
from fusec.tile.space import find_anchors

BODY_LIMIT = 96  # nodes in one body: keeps growth linear in the graph, and kernels readable
Entry = tuple[
    int, float, int, int, int, int
]  # epilogue, chain or prologue; -seconds saved; both groups; their versions
IN_PLACE = Refusal("concat-in-place", "the parts are written where the concat is read: no kernel")
CYCLE = Refusal("cycle", "a path leaves the kernel and comes back to it")


@dataclass(eq=False)
class Group:
    """Nodes of one kernel-to-be, in graph order; ``rank`` is its place in a topological order."""

    index: int
    nodes: list[Node]
    rank: int
    version: int = 0
    boundary: Boundary | None = None
    result: TileProgram | Refusal | None = None
    seconds: float = 0.0
    producers: dict[Group, None] = field(default_factory=dict)
    consumers: dict[Group, None] = field(default_factory=dict)

    @property
    def is_view(self) -> bool:
        """Whether it holds views only (a pad, or a concat that is not in place, moves data)."""
        return all(is_pure_view(n) for n in self.nodes)


class Partition:
    """Groups of a graph's nodes under merging."""

    def __init__(self, graph: Graph, target: Target, in_place: Collection[Node] = ()) -> None:
        self.target = target
        self.in_place = frozenset(in_place)
        self.position: dict[Node, int] = {}
        self.group_of: dict[Node, Group] = {}
        self.refusals: dict[tuple[Node, Node], Refusal] = {}
        self._lowered: dict[Hashable, tuple[TileProgram | Refusal, float]] = {}
        for index, node in enumerate(n for n in graph.nodes if not n.is_constant):
            self.position[node] = index
            self._start(node, index)
        for node, group in self.group_of.items():
            for operand in node.operands:
                producer = self.group_of.get(operand.node) if operand.node is not None else None
                if producer is not None and producer is not group:
                    producer.consumers[group] = None
                    group.producers[producer] = None
        groups = list(dict.fromkeys(self.group_of.values()))
        for group in groups:
            self._evaluate(group)
        self._order: list[Group | None] = [None] * len(self.position)
        for group in groups:
            self._order[group.rank] = group

    def _start(self, node: Node, index: int) -> None:
        """A group of its own; but a view of a view joins it: only together are they an alias."""
        source = node.operands[0].node if is_pure_view(node) else None
        group = self.group_of.get(source) if source is not None else None
        if group is None or not is_pure_view(group.nodes[-1]) or source is not group.nodes[-1]:
            group = Group(index, [], index)
        group.nodes.append(node)
        group.rank = index
        self.group_of[node] = group

    @property
    def groups(self) -> list[Group]:
        """The groups in a topological order."""
        return [g for g in self._order if g is not None]

    def _evaluate(self, group: Group) -> None:
        group.boundary, group.result, group.seconds = self._lower(group.nodes)
        if group.nodes[0] in self.in_place or (group.is_view and is_alias(group.nodes)):
            group.seconds = 0.0

    def _lower(self, nodes: list[Node]) -> tuple[Boundary | None, TileProgram | Refusal, float]:
        if len(find_anchors(nodes)[0]) > 2:  # needs no body to be refused
            return None, lower_nodes(Body(tuple(nodes), (), ())), float("inf")
        border = boundary(nodes)
        key = body_key(border)
        found = self._lowered.get(key)
        if found is None:
            program: TileProgram | Refusal = lower_nodes(
                Body(border.nodes, border.inputs, border.outputs)
            )
            seconds = (
                modelled_time(program, self.target)
                if isinstance(program, TileProgram)
                else float("inf")
            )
            found = self._lowered[key] = (program, seconds)
        return border, *found

    # -- growth ----------------------------------------------------------------------------------

    def grow(self) -> None:
        """Merge the pair that saves the most modelled time, until none saves any.

        A pair that a third group stood between is tried again once other merges are done.
        """
        heap: list[Entry] = []
        for group in self.groups:
            for consumer in group.consumers:
                self._push(heap, group, consumer)
        blocked = self._drain(heap)
        while blocked:
            before = len(blocked)
            for producer, consumer in blocked:
                if consumer in producer.consumers:
                    self._push(heap, producer, consumer)
            blocked = self._drain(heap)
            if len(blocked) >= before:
                return

    def _drain(self, heap: list[Entry]) -> list[tuple[Group, Group]]:
        """Merge what is queued, the best first; returns the pairs that would close a cycle."""
        groups = {g.index: g for g in self.groups}
        blocked: list[tuple[Group, Group]] = []
        while heap:
            _, _, a, b, version_a, version_b = heapq.heappop(heap)
            producer, consumer = groups[a], groups[b]
            if consumer not in producer.consumers:
                continue  # one of them is part of another group by now
            if (producer.version, consumer.version) != (version_a, version_b):
                continue  # queued again when it changed
            after = self._between(producer, consumer)
            if after is None:
                self._refuse(producer, consumer, CYCLE)
                blocked.append((producer, consumer))
                continue
            merged = self._merge(producer, consumer, after)
            for other in merged.producers:
                self._push(heap, other, merged)
            for other in merged.consumers:
                self._push(heap, merged, other)
        return blocked

    def _push(self, heap: list[Entry], a: Group, b: Group) -> None:
        """Queue a pair if merging it is legal and saves time, else note why not.

        First epilogues, then chains of pointwise ops and views, then prologues: an epilogue is
        computed once an element, a prologue once for every tile that reads it.
        """
        saved = self._judge(a, b)
        if isinstance(saved, Refusal):
            self._refuse(a, b, saved)
            return
        kind = 2 if not self._is_light(b) else 1 if self._is_light(a) else 0
        heapq.heappush(heap, (kind, -saved, a.index, b.index, a.version, b.version))

    @staticmethod
    def _is_light(group: Group) -> bool:
        return not any(n.op.is_contraction or n.op.is_window or n.op.is_reduce for n in group.nodes)

    def _judge(self, a: Group, b: Group) -> float | Refusal:
        """Modelled seconds that one kernel saves over two, or why it must or should not be one."""
        if len(a.nodes) + len(b.nodes) > BODY_LIMIT:
            return Refusal("body-limit", f"a kernel holds at most {BODY_LIMIT} ops")
        for group in (a, b):
            if isinstance(group.result, Refusal):
                return group.result
            if group.nodes[0] in self.in_place:
                return IN_PLACE
        nodes = sorted((*a.nodes, *b.nodes), key=self.position.__getitem__)
        _, result, seconds = self._lower(nodes)
        if isinstance(result, Refusal):
            return result
        saved = a.seconds + b.seconds - seconds
        if saved > 0 or (saved == 0 and (a.is_view or b.is_view)):
            return saved
        lost = round(-saved * 1e6, 3)
        text = f"one kernel would take {lost} us longer on {self.target.name}"
        return Refusal("slower-fused", text, args=(("microseconds", lost),))

    def _refuse(self, a: Group, b: Group, refusal: Refusal) -> None:
        for node in a.nodes:
            for result in node.results:
                for user in result.users:
                    if self.group_of.get(user) is b:
                        self.refusals[node, user] = refusal

    def _between(self, a: Group, b: Group) -> set[Group] | None:
        """The groups after ``a`` that stand before ``b``; None if one of them leads to ``b``."""
        pending = [g for g in a.consumers if g is not b and g.rank < b.rank]
        seen = set(pending)
        while pending:
            for consumer in pending.pop().consumers:
                if consumer is b:
                    return None
                if consumer.rank < b.rank and consumer not in seen:
                    seen.add(consumer)
                    pending.append(consumer)
        return seen

    def _reorder(self, a: Group, b: Group, keep: Group, after: set[Group]) -> None:
        """Put the merged group behind all between that ``a`` does not lead to, before all it
        does."""
        low, high = a.rank, b.rank
        if not after:  # all between may stand before: only the merged group moves
            self._order[low], self._order[high], keep.rank = None, keep, high
            return
        middle = [g for g in self._order[low + 1 : high] if g is not None]
        placed = [g for g in middle if g not in after] + [keep] + [g for g in middle if g in after]
        self._order[low : high + 1] = [None] * (high + 1 - low)
        for rank, member in enumerate(placed, low):
            member.rank = rank
            self._order[rank] = member

    def _merge(self, a: Group, b: Group, after: set[Group]) -> Group:
        """Move the smaller group into the larger one."""
        keep, gone = (a, b) if len(a.nodes) >= len(b.nodes) else (b, a)
        self._reorder(a, b, keep, after)
        keep.nodes = list(heapq.merge(keep.nodes, gone.nodes, key=self.position.__getitem__))
        for node in gone.nodes:
            self.group_of[node] = keep
        for other in gone.producers:
            del other.consumers[gone]
            if other is not keep:
                other.consumers[keep] = None
                keep.producers[other] = None
        for other in gone.consumers:
            del other.producers[gone]
            if other is not keep:
                other.producers[keep] = None
                keep.consumers[other] = None
        gone.producers.clear()  # pairs of it that are still queued must not be found again
        gone.consumers.clear()
        gone.producers, gone.consumers = {}, {}
        keep.version += 1
        self._evaluate(keep)
        return keep


def is_pure_view(node: Node) -> bool:
    """A view that moves no data by itself."""
    return node.op.is_view and node.op.name not in ("concat", "pad")


def is_alias(nodes: Sequence[Node]) -> bool:
    """Whether a chain of views is a strided window of a contiguous operand."""
    shape = nodes[0].operands[0].type.shape
    storage: Storage | None = Storage("operand", 0, contiguous_strides(shape))
    for node in nodes:
        storage = view_storage(node, storage) if storage is not None else None
    return storage is not None


def upper_bytes(dim: Dim) -> int:
    """A byte count as a number: the largest value of a symbolic one, 0 where it has none."""
    return dim if isinstance(dim, int) else bounds(dim)[1] or 0


def distinct_edges(graph: Graph) -> Iterable[tuple[Node, Node]]:
    """The candidates: each pair of a non-constant node and a node that reads it, once."""
    for node in graph.nodes:
        if node.is_constant:
            continue
        for user in dict.fromkeys(u for r in node.results for u in r.users):
            yield node, user
