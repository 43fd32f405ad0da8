"""Control flow that is decided at compile time: ``if`` on a constant is the branch it takes."""

from __future__ import annotations

from collections.abc import Sequence

from fusec.ir.graph import Value
from fusec.passes.inline import inline_graph
from fusec.passes.pattern import Match, scalar_of
from fusec.passes.rules import Equation, RuleBuilder


def _is_decided(match: Match) -> bool:
    return isinstance(scalar_of(match["p"]), bool)


def _branch(match: Match, b: RuleBuilder) -> Sequence[Value]:
    taken = match.root.graphs[0 if scalar_of(match["p"]) else 1]
    return inline_graph(taken, match.rest, b)


RULES = (Equation("if(p, *xs) => the branch taken, p is constant", _is_decided, _branch),)
