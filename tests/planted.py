"""A pass that is wrong on purpose: what `--verify-each` and `verify --bisect` have to find."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fusec.ir import Graph
from fusec.passes.base import Context, Pass
from fusec.passes.pattern import Match
from fusec.passes.rewrite import apply_rules
from fusec.passes.rules import Equation, RuleSet


@dataclass(frozen=True)
class PlantedWrongRewrite(Pass):
    """Compute a difference where a sum is asked for.

    1. Floating-point additions of two values become subtractions: all of them, or the one whose
       number in graph order is ``only``. The graph stays well-formed.
    """

    name: ClassVar[str] = "planted-wrong-rewrite"
    only: int = -1

    def run(self, graph: Graph, context: Context) -> bool:
        sums = [n for n in graph.nodes if n.op.name == "add" and n.result.type.dtype.is_float]
        chosen = sums if self.only < 0 else sums[self.only : self.only + 1]

        def is_chosen(match: Match) -> bool:
            return match.root in chosen

        wrong = Equation("add(x, y) => sub(x, y)", is_chosen)
        return apply_rules(graph, RuleSet([wrong]), context)
