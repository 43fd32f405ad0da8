"""What a rule is: ``pattern``, ``check``, ``rewrite``, under a name that is an equation."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from fusec.ir.builder import GraphBuilder
from fusec.ir.constant import Constant
from fusec.ir.graph import Graph, Node, Value
from fusec.ir.op import all_ops
from fusec.ir.text import is_inline
from fusec.ir.types import Tensor
from fusec.passes.pattern import (
    Call,
    Match,
    Number,
    Pattern,
    Predicate,
    Var,
    match_node,
    needs,
    parse_pattern,
)
from fusec.tile.program import Refusal

Verdict = bool | Refusal  # a refusal is a near miss worth telling: it becomes a remark
Where = Callable[[Match], Verdict]
Rewrite = Callable[[Match, "RuleBuilder"], "Value | Sequence[Value]"]


class WeightNames:
    """Names for new weights, distinct from those of all weights of a graph, nested ones too."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph

    @cached_property
    def _taken(self) -> set[str]:
        return set(_weight_names(self._graph))

    def fresh(self, hint: str) -> str:
        """The hint, or the hint with a number."""
        name, count = hint, 0
        while name in self._taken:
            count += 1
            name = f"{hint}.{count}"
        self._taken.add(name)
        return name


def _weight_names(graph: Graph) -> Iterator[str]:
    for node in graph.nodes:
        if node.is_constant:
            yield node.attrs["data"].name or node.result.name
        for nested in node.graphs:
            yield from _weight_names(nested)


class RuleBuilder(GraphBuilder):
    """Builds what a rule puts in the place of what it matched."""

    def __init__(self, graph: Graph, before: Node, names: WeightNames) -> None:
        super().__init__(graph, before)
        self._weight_names = names

    def weight(self, array: np.ndarray[Any, Any], hint: str) -> Value:
        """A constant with a weight name of its own where it needs one; ``hint``: of what it was."""
        data = Constant(array)
        if not is_inline(data):
            data.name = self._weight_names.fresh(hint)
        return self.hint(hint)._constant(data)

    def number(self, value: bool | int | float, like: Tensor) -> Value:
        """A literal of the dtype, broadcast to the shape."""
        return self.fit(self.literal(value, like.dtype), like)

    def fit(self, value: Value, type: Tensor) -> Value:
        """The value, broadcast if the type has more elements."""
        if value.type == type:
            return value
        return self.op("broadcast", value, shape=type.shape)


class Rule(ABC):
    """One rewrite. ``name``: an equation, left side => right side."""

    name: str

    @property
    @abstractmethod
    def roots(self) -> frozenset[str]:
        """Names of the ops that `match` can succeed on."""

    @property
    def needs(self) -> tuple[frozenset[str], ...]:
        """Sets of ops, of each of which one must have made an operand: tells most nodes apart."""
        return ()

    @abstractmethod
    def match(self, node: Node) -> Match | None:
        """What the left side matches at this node."""

    def check(self, match: Match) -> Verdict:  # noqa: ARG002
        """Whether the equation holds here; a `Refusal` where the user may want to know why not."""
        return True

    @abstractmethod
    def rewrite(self, match: Match, b: RuleBuilder) -> Value | Sequence[Value]:
        """Build the right side, a value for each of ``match.replaced``, before the last of them."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"


class Equation(Rule):
    """A rule written as an equation between two terms.

    ``where``: when it holds. ``rewrite``: builds the right side; without it the right side is a
    term over the names of the left one, whose ops take the attributes of the matched op of their
    name (the outermost first). ``ops``: predicates of op variables. ``shared``: inner ops may have
    other uses (they stay if they do). ``left``: the pattern, where the name shows only a case of
    it.

    >>> rule = Equation("neg(neg(x)) => x", shared=True)
    >>> sorted(rule.roots)
    ['neg']
    """

    def __init__(
        self,
        name: str,
        where: Where | None = None,
        rewrite: Rewrite | None = None,
        *,
        ops: Mapping[str, Predicate] | None = None,
        shared: bool = False,
        left: str | None = None,
    ) -> None:
        shown, arrow, right = name.partition("=>")
        if not arrow:
            raise ValueError(f"rule {name!r} is not an equation: no =>")
        pattern = parse_pattern(shown if left is None else left, ops)
        if not isinstance(pattern, Call):
            raise ValueError(f"rule {name!r}: the left side is not an op")
        self.name = name
        self.pattern = pattern
        self.shared = shared
        self._where = where
        self._rewrite = rewrite
        self._right = None if rewrite is not None else parse_pattern(right, ops)

    @property
    def roots(self) -> frozenset[str]:
        return self.pattern.ops

    @property
    def needs(self) -> tuple[frozenset[str], ...]:
        return needs(self.pattern)

    def match(self, node: Node) -> Match | None:
        return match_node(self.pattern, node, shared=self.shared)

    def check(self, match: Match) -> Verdict:
        return self._where is None or self._where(match)

    def rewrite(self, match: Match, b: RuleBuilder) -> Value | Sequence[Value]:
        if self._rewrite is not None:
            return self._rewrite(match, b)
        assert self._right is not None
        return b.fit(_build(self._right, match, b), match.result.type)


def _build(term: Pattern, match: Match, b: RuleBuilder) -> Value:
    if isinstance(term, Var):
        return match[term.name]
    if isinstance(term, Number):
        return b.literal(term.value, match.result.type.dtype)
    operands = [_build(arg, match, b) for arg in term.args]
    op = match.ops[term.symbol].name if term.is_variable else term.symbol
    alike = next((n for n in match.nodes if n.op.name == op), None)
    return b.op(op, *operands, **(dict(alike.attrs) if alike is not None else {}))


def the_x(match: Match, b: RuleBuilder) -> Value:  # noqa: ARG001
    """The right side of rules that leave ``x`` alone."""
    return match["x"]


class RuleSet:
    """Rules by the op that their left side starts with; in each op's list, in the order given."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self.rules = tuple(rules)
        names = [rule.name for rule in self.rules]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two rules are named {twice[0]!r}")
        self._by_op = {
            op.name: tuple([(rule, rule.needs) for rule in self.rules if op.name in rule.roots])
            for op in all_ops()
        }

    def of(self, node: Node) -> Iterator[Rule]:
        """The rules to try at a node, in order."""
        rules = self._by_op[node.op.name]
        made_by = {v.node.op.name for v in node.operands if v.node is not None} if rules else ()
        for rule, needed in rules:
            if not any(ops.isdisjoint(made_by) for ops in needed):
                yield rule
