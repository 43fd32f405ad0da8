"""The rewrite driver: applies a set of rules until none applies. Linear in nodes and applications.

Each node waits once in a worklist. An application puts back only what it can have enabled: the new
nodes, their users a few levels up, and producers and users of what was removed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

from fusec.errors import InternalError
from fusec.ir.graph import Graph, Node, Value
from fusec.ir.op import Family
from fusec.passes.base import Context
from fusec.passes.changes import origins_of
from fusec.passes.pattern import Match
from fusec.passes.remarks import MISSED
from fusec.passes.rules import Rule, RuleBuilder, RuleSet, WeightNames
from fusec.tile.program import Refusal

LEVELS_UP = 2  # how far above a new node a pattern may start: its depth, less one
LIMIT = 50  # applications for each node of the graph, before we say that rules chase each other


def apply_rules(graph: Graph, rules: RuleSet, context: Context) -> bool:
    """Rewrite a graph, and the graphs of its control nodes, with the rules; whether any applied.

    InternalError when the rules do not come to an end.
    """
    return _apply(graph, rules, context, WeightNames(graph))


def _apply(graph: Graph, rules: RuleSet, context: Context, names: WeightNames) -> bool:
    changed = False
    for node in graph.nodes:
        if node.op.family is Family.CONTROL:
            for nested in node.graphs:
                changed |= _apply(nested, rules, context, names)
    return _Driver(graph, rules, context, names).run() or changed


class _Driver:
    """One graph being rewritten."""

    def __init__(self, graph: Graph, rules: RuleSet, context: Context, names: WeightNames) -> None:
        self.graph = graph
        self.rules = rules
        self.context = context
        self.names = names
        self.waiting: deque[Node] = deque(graph.nodes)
        self.queued = set(self.waiting)
        self.left = LIMIT * (len(self.queued) + 20)
        self.refusals: dict[Node, list[tuple[tuple[str, ...], Refusal]]] = {}

    def run(self) -> bool:
        changed = False
        while self.waiting:
            node = self.waiting.popleft()
            self.queued.discard(node)
            if node.graph is self.graph:
                changed |= self._visit(node)
        self._emit_refusals()
        return changed

    def _visit(self, node: Node) -> bool:
        self.refusals.pop(node, None)
        for rule in self.rules.of(node):
            match = rule.match(node)
            if match is None:
                continue
            verdict = rule.check(match)
            if isinstance(verdict, Refusal):
                self.refusals.setdefault(node, []).append((origins_of(match.nodes), verdict))
            elif verdict and self._apply(rule, match):
                return True
        return False

    def _apply(self, rule: Rule, match: Match) -> bool:
        """Build the right side, give it the name and the readers, erase what nothing reads.

        False, and nothing has changed, if the right side cannot be shown to be well-typed.
        """
        self.left -= 1
        if self.left < 0:
            raise InternalError(f"rules do not come to an end; the last: {rule.name}")
        last = match.replaced[0].node
        assert last is not None
        before = last.previous
        values = self._build(rule, match, last)
        added = _between(self.graph, before, last)
        if values is None:
            for node in reversed(added):
                self.graph.erase(node)
            return False
        readers = [user for old in match.replaced for user in old.users]
        known = []
        for old, new in zip(match.replaced, values, strict=True):
            if new.node in added:
                new.name = old.name
            elif old.is_output and new.node is not None and not new.is_output:
                known.append((old, new))
            self.graph.replace_uses(old, new)
        removed = self._erase([last, *match.nodes])
        self.context.record(rule.name, removed, added)
        for old, new in known:  # an output's name is kept; after the record, which has the old one
            new.name = old.name
        self._wake(added, removed, readers)
        return True

    def _build(self, rule: Rule, match: Match, last: Node) -> Sequence[Value] | None:
        """The right side; None where symbolic dims keep type inference from a proof."""
        b = RuleBuilder(self.graph, last, self.names)
        try:
            with b.at(origins=origins_of(match.nodes), region=last.region):
                built = rule.rewrite(match, b)
        except ValueError:
            return None
        values = [built] if isinstance(built, Value) else list(built)
        for old, new in zip(match.replaced, values, strict=True):
            if old.type != new.type:
                raise InternalError(f"rule {rule.name} puts {new!r} in the place of {old!r}")
        return values

    def _erase(self, nodes: Iterable[Node]) -> list[Node]:
        """Erase what has no use left among these nodes and, in turn, what only they used."""
        erased: list[Node] = []
        stack = list(nodes)[::-1]
        while stack:
            node = stack.pop()
            if node.graph is None or not node.op.is_pure or any(r.use_count for r in node.results):
                continue
            self.graph.erase(node)
            erased.append(node)
            stack += [v.node for v in node.operands if v.node is not None]
        return erased

    # -- worklist --------------------------------------------------------------------------------

    def _wake(
        self, added: Sequence[Node], removed: Sequence[Node], readers: Sequence[Node]
    ) -> None:
        self._push(added)
        self._push(readers)
        self._wake_users([r for n in readers for r in n.results], LEVELS_UP - 1)
        for node in removed:
            for operand in node.operands:
                if operand.node is not None:
                    self._push([operand.node])
                if operand.has_one_use:  # inner ops of a pattern want no other use
                    self._wake_users([operand], LEVELS_UP)

    def _wake_users(self, values: Iterable[Value], levels: int) -> None:
        for value in values:
            users = value.users
            self._push(users)
            if levels > 1:
                self._wake_users([r for n in users for r in n.results], levels - 1)

    def _push(self, nodes: Iterable[Node]) -> None:
        for node in nodes:
            if node.graph is self.graph and node not in self.queued:
                self.queued.add(node)
                self.waiting.append(node)

    def _emit_refusals(self) -> None:
        for node in self.graph.nodes if self.refusals else ():
            for origins, refusal in self.refusals.get(node, ()):
                args = dict(refusal.args)
                self.context.remark(MISSED, refusal.code, origins, refusal.message, **args)


def _between(graph: Graph, before: Node | None, last: Node) -> list[Node]:
    """The nodes after ``before`` (None: from the start) up to ``last``."""
    node = before.next if before is not None else next(graph.nodes)
    found = []
    while node is not None and node is not last:
        found.append(node)
        node = node.next
    return found
