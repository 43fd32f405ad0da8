"""``canonicalize``: one spelling for what exporters spell in many ways."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import ClassVar

from fusec.ir.graph import Graph
from fusec.passes import (
    rules_arithmetic,
    rules_control,
    rules_convert,
    rules_index,
    rules_logic,
    rules_reduce,
    rules_view,
)
from fusec.passes.base import Context, Pass
from fusec.passes.rewrite import apply_rules
from fusec.passes.rules import RuleSet

FAMILIES = (
    rules_control,
    rules_view,
    rules_convert,
    rules_arithmetic,
    rules_logic,
    rules_reduce,
    rules_index,
)


@dataclass(frozen=True)
class Canonicalize(Pass):
    """Apply the canonical rules (`fusec.passes.rules_*`) until none applies.

    1. Every rule is exact: results are the same values, NaN and infinities at the same places. Not
       kept: the sign of a zero that ``x + 0`` makes positive; last bits of float32 ``pow(x, 3)``;
       the order of a float sum that was written as two.
    2. Constants stand on the right of commutative ops; ``x - c`` is ``x + (-c)``; division by a
       power of two is multiplication; small powers are products; broadcasts that an op does by
       itself go.
    3. Views over views are one view; views that change nothing go; those that only rename dims of 1
       are reshapes; gathers of constant ranges are slices.
    4. Nothing is duplicated: ops inside a pattern have no other use, unless they are free views.
    5. Graphs of ``if`` and ``loop`` are rewritten too; ``if`` on a constant becomes the branch
       taken.
    6. Near misses become ``missed`` remarks: `may-be-negative-infinity`.
    """

    name: ClassVar[str] = "canonicalize"

    def run(self, graph: Graph, context: Context) -> bool:
        return apply_rules(graph, canonical_rules(), context)


@cache
def canonical_rules() -> RuleSet:
    """All rules, families in order; the first that applies to a node is taken."""
    return RuleSet(rule for family in FAMILIES for rule in family.RULES)
