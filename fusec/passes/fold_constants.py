"""``fold-constants``: what depends on constants only becomes a constant, under a budget."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fusec.ir.constant import Constant
from fusec.ir.evaluate import evaluate_node, to_numpy
from fusec.ir.graph import Graph, Node, Value
from fusec.ir.lazy import torch
from fusec.ir.op import Family
from fusec.ir.text import is_inline
from fusec.passes.base import Context, Pass
from fusec.passes.changes import origins_of
from fusec.passes.constant_expressions import Known, Selection, erase_unused, select, tree_of
from fusec.passes.pattern import uniform
from fusec.passes.remarks import MISSED
from fusec.passes.rules import WeightNames

RULE = "f(constants) => constant"
BUDGET = 1 << 20  # bytes; a few masks and index tables, never a layer's weights
EFFORT = 1 << 28  # operations of one node; a fraction of a second on one core


@dataclass(frozen=True)
class FoldConstants(Pass):
    """Replace what depends on constants only by a constant with its value.

    1. The value is what the reference evaluator computes, op by op: no more and no less rounding.
    2. Whole expressions are folded, from the values that others read; those in between never become
       constants. In one run, constants of more than 16 elements grow by at most ``budget`` bytes
       together; what would exceed it stays an expression, its parts are folded (remark
       `folding-budget`). Not evaluated: a node of more than ``effort`` operations
       (`folding-effort`), or whose result is larger than 256 MiB and no view of its operand.
    3. A value whose elements are all equal becomes a scalar and a ``broadcast``; ``broadcast`` of a
       constant stays as it is. A fill is never spelled out.
    4. ``dim`` of a number is a number; what depends on symbols is not constant. ``iota`` counts as
       constant.
    5. A constant is only read; reshapes, transposes and slices of it share its memory (memory maps
       stay mapped).
    6. Calls of libraries and nodes with graphs are not evaluated; graphs of ``if`` and ``loop`` are
       folded too.
    """

    name: ClassVar[str] = "fold-constants"
    budget: int = BUDGET
    effort: int = EFFORT

    def __post_init__(self) -> None:
        if self.budget < 0 or self.effort < 0:
            raise ValueError("budget and effort are not negative")

    def run(self, graph: Graph, context: Context) -> bool:
        names = WeightNames(graph)
        changed, _ = self._run(graph, context, names, self.budget)
        return changed

    def _run(
        self, graph: Graph, context: Context, names: WeightNames, budget: int
    ) -> tuple[bool, int]:
        changed = False
        for node in graph.nodes:
            for nested in node.graphs if node.op.family is Family.CONTROL else ():
                inside, budget = self._run(nested, context, names, budget)
                changed |= inside
        known = Known(graph, self.effort)
        chosen = select(graph, known, budget)
        _tell(chosen, known, context)
        folder = _Folder(graph, context, names)
        for root in chosen.roots:
            folder.fold(root)
        return changed or bool(chosen.roots), budget - max(0, chosen.growth)


def _tell(chosen: Selection, known: Known, context: Context) -> None:
    for node, size in chosen.refused:
        message = f"%{node.results[0].name} stays an expression: its constant takes {size} bytes"
        context.remark(MISSED, "folding-budget", node.origins, message, bytes=size)
    for node, what in known.refused:
        message = f"%{node.results[0].name} stays an expression: it takes {what}"
        context.remark(MISSED, "folding-effort", node.origins, message)


class _Folder:
    """Evaluates expressions and puts constants in their place."""

    def __init__(self, graph: Graph, context: Context, names: WeightNames) -> None:
        self.graph = graph
        self.context = context
        self.names = names
        self.values: dict[Value, Any] = {}

    def fold(self, root: Node) -> None:
        """Replace the results of a node whose value is known."""
        tree = tree_of(root)
        self._evaluate(tree)
        origins = origins_of(tree)
        added: list[Node] = []
        for old in root.results:
            array = to_numpy(self.values[old], old.type.dtype)
            new = self._constant(array, old, origins, added)
            new.name = old.name
            self.graph.replace_uses(old, new)
        removed = erase_unused(self.graph, root)
        for node in removed:
            for value in node.results:
                self.values.pop(value, None)
        self.context.record(RULE, removed, added)

    def _evaluate(self, tree: Iterable[Node]) -> None:
        with torch.inference_mode():
            for node in tree:
                if node.results[0] not in self.values:
                    operands = [self.values[v] for v in node.operands]
                    results = evaluate_node(node, operands, {})
                    self.values.update(zip(node.results, results, strict=True))

    def _constant(
        self, array: np.ndarray[Any, Any], old: Value, origins: Iterable[str], added: list[Node]
    ) -> Value:
        """A constant with this data, or a scalar broadcast to its shape."""
        array.flags.writeable = False  # it may be a view of a file
        data = Constant(array)
        if array.size > 1 and uniform(data) is not None:
            data = Constant(np.array(array[(0,) * array.ndim]))
        if not is_inline(data):
            data.name = self.names.fresh(old.name)
        value = self.graph.constant(data, name=old.name, origins=origins, before=old.node)
        if value.node is not None:
            added.append(value.node)
        if data.type == old.type:
            return value
        attrs = {"shape": old.type.shape}
        spread = self.graph.create("broadcast", [value], attrs, origins=origins, before=old.node)
        added.append(spread)
        return spread.result
