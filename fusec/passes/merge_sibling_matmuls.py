"""``merge-sibling-matmuls``: projections of one input become one matmul.

    x @ A + a,  x @ B + b,  ...   =>   y = x @ [A B ...] + [a b ...], sliced

The input is read once and one launch does the work of several. It is worth it where the results go
on to contractions, as queries, keys and values do: an epilogue of their own would be lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fusec.ir.constant import Constant
from fusec.ir.graph import Graph, Node, Value
from fusec.passes.base import Context, Pass

RULE = "x @ A + a, x @ B + b => slices of x @ [A B] + [a b]"
WALK = 8  # views and scales looked through on the way to a contraction


@dataclass(frozen=True)
class Projection:
    """A matmul with constant weights, the add of its constant bias if it has one, its result."""

    matmul: Node
    add: Node | None

    @property
    def result(self) -> Value:
        """What the rest of the graph reads."""
        return (self.add or self.matmul).results[0]

    @property
    def weight(self) -> Constant:
        """The right side, [K, N]."""
        data = self.matmul.operands[1].constant
        assert data is not None
        return data

    @property
    def bias(self) -> Constant | None:
        """The added vector, [N]."""
        return None if self.add is None else self.add.operands[1].constant


@dataclass(frozen=True)
class MergeSiblingMatmuls(Pass):
    """Merge matmuls of one value with constant weights.

    1. Siblings share the left operand, the dtypes and the depth; their right sides are constants
       of rank 2 that nothing else reads.
    2. All have a constant bias, a vector over columns added to the matmul alone, or none has.
    3. Each result reaches only contractions, through views and scales by a literal.
    4. The weights and biases are joined along columns; each old result becomes a slice.
    """

    name: ClassVar[str] = "merge-sibling-matmuls"

    def run(self, graph: Graph, context: Context) -> bool:
        changed = False
        for value in list(graph.values):
            for group in siblings(value):
                _merge(graph, group, context)
                changed = True
        return changed


def siblings(value: Value) -> list[list[Projection]]:
    """Groups of two or more projections of a value that can be merged."""
    groups: dict[tuple[object, ...], list[Projection]] = {}
    for node in value.users:
        found = projection(node, value)
        if found is not None:
            key = (
                found.weight.type.dtype,
                found.weight.type.shape[0],
                tuple(node.attrs.values()),
                found.add is None,
            )
            groups.setdefault(key, []).append(found)
    return [group for group in groups.values() if len(group) > 1]


def projection(node: Node, value: Value) -> Projection | None:
    """The projection that a reader of ``value`` starts, if clauses 1 to 3 hold for it alone."""
    if node.op.name != "matmul" or node.operands[0] is not value or node.operands[1] is value:
        return None
    weight = node.operands[1].constant
    if weight is None or weight.array.ndim != 2 or not node.operands[1].has_one_use:
        return None
    found = Projection(node, _bias_add(node))
    return found if reaches_contractions(found.result, WALK) else None


def _bias_add(node: Node) -> Node | None:
    """The only reader of a matmul, if it adds a constant vector over its columns."""
    users, columns = node.results[0].users, node.results[0].type.shape[-1]
    if len(users) != 1 or users[0].op.name != "add" or node.results[0].is_output:
        return None
    left, right = users[0].operands
    data = right.constant
    is_vector = data is not None and data.type.shape == (columns,) and right.has_one_use
    return users[0] if left is node.results[0] and is_vector else None


def reaches_contractions(value: Value, depth: int) -> bool:
    """Whether views and literal scales of a value are read by contractions, and by nothing else."""
    if depth == 0 or value.is_output or not value.uses:
        return False
    for user in value.users:
        if user.op.is_contraction:
            continue
        scales = user.op.name == "mul" and any(
            v.constant is not None and v.constant.is_literal for v in user.operands
        )
        if not (user.op.is_view or scales):
            return False
        if not reaches_contractions(user.results[0], depth - 1):
            return False
    return True


def _merge(graph: Graph, group: Sequence[Projection], context: Context) -> None:
    first = group[0].matmul
    nodes = [n for p in group for n in (p.matmul, p.add) if n is not None]
    origins = [name for n in nodes for name in n.origins]
    weights = np.concatenate([p.weight.array for p in group], axis=1)
    joined = graph.constant(
        Constant(weights, f"{group[0].weight.name or 'weight'}.joined"),
        origins=origins,
        before=first,
    )
    merged = graph.create(
        "matmul",
        [first.operands[0], joined],
        first.attrs,
        names=[f"{group[0].result.name}.joined"],
        origins=origins,
        before=first,
    )
    assert joined.node is not None
    added = [joined.node, merged, *_add_biases(graph, group, merged.result, origins, first)]
    slices = _slices(graph, group, added[-1].result, first)
    context.record(RULE, nodes, [*added, *slices])
    for old, new in zip(group, slices, strict=True):
        graph.replace_uses(old.result, new.result)
    for node in reversed(nodes):
        graph.erase(node)


def _add_biases(
    graph: Graph, group: Sequence[Projection], value: Value, origins: Sequence[str], before: Node
) -> list[Node]:
    biases = [p.bias.array for p in group if p.bias is not None]
    if not biases:
        return []
    data = Constant(np.concatenate(biases), f"{value.name}.bias")
    bias = graph.constant(data, origins=origins, before=before)
    total = graph.create(
        "add", [value, bias], names=[f"{value.name}.sum"], origins=origins, before=before
    )
    assert bias.node is not None
    return [bias.node, total]


def _slices(graph: Graph, group: Sequence[Projection], value: Value, before: Node) -> list[Node]:
    made: list[Node] = []
    start = 0
    for one in group:
        width = one.weight.array.shape[1]
        lead = value.type.shape[:-1]
        attrs = {
            "starts": (*(0 for _ in lead), start),
            "sizes": (*lead, width),
            "steps": (1,) * value.type.rank,
        }
        source = one.add or one.matmul
        made.append(
            graph.create(
                "slice",
                [value],
                attrs,
                names=[one.result.name],
                origins=source.origins,
                region=source.region,
                before=before,
            )
        )
        start += width
    return made
