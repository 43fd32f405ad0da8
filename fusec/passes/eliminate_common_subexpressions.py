"""``eliminate-common-subexpressions``: what is computed twice is computed once."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fusec.ir.constant import Constant
from fusec.ir.graph import Graph, Node
from fusec.ir.op import Family, Kind
from fusec.ir.structure import structural_key
from fusec.passes.base import Context, Pass
from fusec.passes.changes import origins_of

RULE = "y = f(x); z = f(x) => y = z"
_SAMPLES = 64  # elements that tell most constants apart
_CHUNK = 1 << 24  # bytes compared at a time


@dataclass(frozen=True)
class EliminateCommonSubexpressions(Pass):
    """Of nodes that compute the same, keep the first.

    1. The same: op, operands, attributes and nested graphs (names and origins do not count); ops of
       which order does not matter compare their operands as a set. 0.0 and -0.0 differ.
    2. Constants are the same when dtype, shape and bytes are. Bytes are read only when all else
       agrees, and never hashed: most constants differ in the first few elements.
    3. The node that is kept carries the origins of all. An output's name goes to the value that is
       kept.
    4. Graphs of ``if`` and ``loop`` are rewritten too, each by itself.
    """

    name: ClassVar[str] = "eliminate-common-subexpressions"

    def run(self, graph: Graph, context: Context) -> bool:
        changed = False
        known: dict[Hashable, Node] = {}
        constants = _Constants()
        for node in graph.nodes:
            if node.op.family is Family.CONTROL:
                for nested in node.graphs:
                    changed |= self.run(nested, context)
            if not node.op.is_pure:
                continue
            kept = constants.twin(node) if node.is_constant else known.setdefault(_key(node), node)
            if kept is not node:
                _merge(graph, kept, node, context)
                changed = True
        return changed


def _merge(graph: Graph, kept: Node, node: Node, context: Context) -> None:
    kept.origins = origins_of((kept, node))
    if kept.region != node.region:
        kept.region = None
    context.record(RULE, [node])
    for old, new in zip(node.results, kept.results, strict=True):
        if old.is_output and not new.is_output:
            new.name = old.name
    graph.replace_node(node, kept.results)


def _key(node: Node) -> Hashable:
    operands: Hashable = node.operands
    if node.op.is_commutative and len(node.operands) == 2:
        operands = frozenset(node.operands)
    nested = tuple([structural_key(g) for g in node.graphs]) if node.graphs else ()
    attrs = tuple([_exact(v, node.op.kinds[k]) for k, v in node.attrs.items()])
    return (node.op.name, operands, attrs, nested)


def _exact(value: Any, kind: Kind) -> Hashable:
    """A key that tells 0 from -0.0 and from false, and takes NaN for equal to NaN."""
    if kind in (Kind.SCALAR, Kind.FLOAT, Kind.MAP):
        return repr(value)
    found: Hashable = value
    return found


class _Constants:
    """The distinct constants so far: by type, and from the second of a type on by sampled bytes."""

    def __init__(self) -> None:
        self._first: dict[Hashable, Node] = {}
        self._alike: dict[Hashable, list[Node]] = {}

    def twin(self, node: Node) -> Node:
        """The first node with the same data; the node itself if it is the first."""
        array = _array(node)
        type = (array.dtype, array.shape)
        first = self._first.setdefault(type, node)
        if first is node:
            return node
        if type not in self._alike:
            self._alike[type] = []
            self._alike[type, _sample(first)] = [first]
        alike = self._alike.setdefault((type, _sample(node)), [])
        for other in alike:
            if array is _array(other) or same_bytes(array, _array(other)):
                return other
        alike.append(node)
        return node


def _array(node: Node) -> np.ndarray[Any, Any]:
    data: Constant = node.attrs["data"]
    return data.array


def _sample(node: Node) -> bytes:
    """A few elements, spread over the whole."""
    array = _array(node)
    if array.size <= _SAMPLES:
        return array.tobytes()
    places = np.linspace(0, array.size - 1, _SAMPLES).astype(np.int64)
    return array.flat[places].tobytes()


def same_bytes(a: np.ndarray[Any, Any], b: np.ndarray[Any, Any]) -> bool:
    """Whether two arrays of one dtype and shape hold the same bits; stops where they differ."""
    if a.ndim == 0:
        return a.tobytes() == b.tobytes()
    rows = max(1, _CHUNK // max(1, a.nbytes // max(1, a.shape[0])))
    return all(
        a[i : i + rows].tobytes() == b[i : i + rows].tobytes() for i in range(0, a.shape[0], rows)
    )
