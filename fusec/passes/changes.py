"""What a pass changed, by SSA identity: lines of IR text that went, came, or stayed but changed.

Rewriters record each application as it happens. What nobody recorded is found by comparing the
graph with a `Snapshot` taken before the pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fusec.ir.graph import Graph, Node, Value
from fusec.ir.storage import MemoryPlan, Root, Storage
from fusec.ir.text import print_node


@dataclass(frozen=True)
class Line:
    """One node as text. ``node`` numbers the nodes that one run of a pass touched."""

    node: int
    text: str


@dataclass(frozen=True)
class Change:
    """One application: ``rule`` is the equation that says why (or the name of the pass).

    ``updated``: nodes that stayed but have another operand, name, attribute or storage now.
    """

    rule: str
    removed: tuple[Line, ...] = ()
    added: tuple[Line, ...] = ()
    updated: tuple[Line, ...] = ()
    origins: tuple[str, ...] = ()

    def to_data(self) -> dict[str, Any]:
        """As JSON data."""
        lines = {"removed": self.removed, "added": self.added, "updated": self.updated}
        shown = {key: [[x.node, x.text] for x in value] for key, value in lines.items() if value}
        return {"rule": self.rule, "origins": list(self.origins), **shown}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Change:
        """The inverse of `to_data`."""
        parts = [
            tuple([Line(n, t) for n, t in data.get(key, ())])
            for key in ("removed", "added", "updated")
        ]
        return cls(data["rule"], parts[0], parts[1], parts[2], tuple(data["origins"]))


class Recorder:
    """Collects the changes of one run of a pass."""

    def __init__(self) -> None:
        self.changes: list[Change] = []
        self._numbers: dict[Node, int] = {}
        self._removed: set[Node] = set()
        self._added: set[Node] = set()

    def record(
        self,
        rule: str,
        removed: Sequence[Node] = (),
        added: Sequence[Node] = (),
        updated: Sequence[Node] = (),
        origins: Iterable[str] | None = None,
    ) -> None:
        """Note one application."""
        if origins is None:
            origins = origins_of((*removed, *added))
        gone, come, changed = (self._lines(nodes) for nodes in (removed, added, updated))
        self.changes.append(Change(rule, gone, come, changed, tuple(origins)))
        self._removed.update(removed)
        self._added.update(added)

    def _lines(self, nodes: Iterable[Node]) -> tuple[Line, ...]:
        numbers = self._numbers
        return tuple([Line(numbers.setdefault(n, len(numbers)), print_node(n)) for n in nodes])

    def complete(self, name: str, before: Snapshot, after: Snapshot) -> None:
        """Add what happened between two snapshots and nobody recorded, under the pass's name."""
        gone = [n for n in before.only_here(after) if n not in self._removed]
        come = [n for n in after.only_here(before) if n not in self._added]
        updated = list(before.updates(after))
        if gone or come or updated:
            self.record(name, gone, come, updated)
        if before.memory != after.memory and after.memory is not None:
            plan = after.memory
            text = f"arena {plan.arena_bytes} bytes, lower bound {plan.lower_bound_bytes}"
            self.changes.append(Change(name, updated=(Line(len(self._numbers), text),)))


def origins_of(nodes: Iterable[Node]) -> tuple[str, ...]:
    """The source nodes of several nodes, sorted."""
    return tuple(sorted({name for node in nodes for name in node.origins}))


def net_changes(changes: Sequence[Change]) -> list[Change]:
    """The changes without what came and went within the pass.

    Applications that hand such nodes to each other become one change, its rules joined by ``;``.
    """
    added = {x.node for c in changes for x in c.added}
    passing = {x.node for c in changes for x in c.removed if x.node in added}
    groups: dict[int, list[Change]] = {}
    for index, change in _leaders(changes, passing):
        groups.setdefault(index, []).append(change)
    joined = [_join(group, passing) for group in groups.values()]
    return [c for c in joined if c.removed or c.added or c.updated]


def _leaders(changes: Sequence[Change], passing: set[int]) -> Iterator[tuple[int, Change]]:
    """Each change with the first change that it is connected to (union-find over passing nodes)."""
    parent = list(range(len(changes)))

    def find(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    holder: dict[int, int] = {}
    for index, change in enumerate(changes):
        for line in (*change.removed, *change.added):
            if line.node in passing:
                a, b = find(holder.setdefault(line.node, index)), find(index)
                parent[max(a, b)] = min(a, b)
    return ((find(i), change) for i, change in enumerate(changes))


def _join(group: Sequence[Change], passing: set[int]) -> Change:
    def kept(lines: Iterable[Line]) -> tuple[Line, ...]:
        return tuple([x for x in lines if x.node not in passing])

    return Change(
        "; ".join(dict.fromkeys(c.rule for c in group)),
        kept(x for c in group for x in c.removed),
        kept(x for c in group for x in c.added),
        tuple([x for c in group for x in c.updated]),
        tuple(sorted({name for c in group for name in c.origins})),
    )


def diff_lines(changes: Sequence[Change]) -> list[str]:
    """The net changes as text: ``@`` the rule, ``-`` gone, ``+`` come, ``~`` changed in place."""
    lines: list[str] = []
    for change in net_changes(changes):
        lines.append(f"@ {change.rule}")
        for sign, part in (("-", change.removed), ("+", change.added), ("~", change.updated)):
            lines += [f"{sign} {x.text}" for x in part]
    return lines


# Operands, name or names, attributes, origins, region.
_State = tuple[tuple[Value, ...], object, object, tuple[str, ...], object]


class Snapshot:
    """What can change about a graph, by identity and without copying: linear and cheap."""

    def __init__(self, graph: Graph) -> None:
        self.nodes: dict[Node, _State] = {}
        self.owners: dict[Node, Node] = {}  # of nodes in nested graphs
        self.storages: dict[Value, Storage] = dict(graph.storages)
        self.roots: dict[str, Root] = dict(graph.roots)
        self.memory: MemoryPlan | None = graph.memory
        self.interfaces: list[object] = []
        self._visit(graph, None)

    def _visit(self, graph: Graph, owner: Node | None) -> None:
        self.interfaces.append((graph.outputs, tuple(graph.inputs), tuple(graph.symbols)))
        for node in graph.nodes:
            results = node.results
            names = results[0].name if len(results) == 1 else tuple([r.name for r in results])
            self.nodes[node] = (node.operands, names, node.attrs, node.origins, node.region)
            if owner is not None:
                self.owners[node] = owner
            for nested in node.graphs:
                self._visit(nested, node)

    def only_here(self, other: Snapshot) -> Iterator[Node]:
        """Nodes that the other lacks; what went or came with the node that holds it is left out."""
        for node in self.nodes:
            owner = self.owners.get(node)
            if node not in other.nodes and (owner is None or owner in other.nodes):
                yield node

    def updates(self, after: Snapshot) -> Iterator[Node]:
        """Nodes of both that differ other than by reading what replaced a removed value."""
        for node, state in self.nodes.items():
            now = after.nodes.get(node)
            if now is not None and (self._differs(state, now, after) or self._moved(node, after)):
                yield node

    def _moved(self, node: Node, after: Snapshot) -> bool:
        return any(self.storages.get(r) != after.storages.get(r) for r in node.results)

    def _differs(self, old: _State, new: _State, after: Snapshot) -> bool:
        if old[1:3] != new[1:3]:
            return True
        if old[0] is new[0]:
            return False
        pairs = zip(old[0], new[0], strict=False)
        moved = any(a is not b and (a.node is None or a.node in after.nodes) for a, b in pairs)
        return moved or len(old[0]) != len(new[0])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Snapshot):
            return NotImplemented
        if len(self.nodes) != len(other.nodes):
            return False
        pairs = zip(self.nodes.items(), other.nodes.items(), strict=True)
        if any(a is not b or s != t for (a, s), (b, t) in pairs):
            return False
        mine = (self.storages, self.roots, self.memory, self.interfaces)
        return mine == (other.storages, other.roots, other.memory, other.interfaces)

    __hash__ = None  # type: ignore[assignment]
