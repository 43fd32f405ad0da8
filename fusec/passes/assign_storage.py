"""``assign-storage``: where every value that crosses a kernel boundary lives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from fusec.ir.constant import Constant
from fusec.ir.graph import Graph, Value
from fusec.ir.storage import ARENA, INPUT, OUTPUT, WEIGHT, Root, Storage
from fusec.ir.sym import contiguous_strides
from fusec.ir.view_layout import view_storage
from fusec.passes.base import Context, Pass
from fusec.passes.concats import is_written, place_concats


@dataclass(frozen=True)
class AssignStorage(Pass):
    """Give every value of the graph a storage.

    1. Graph inputs and outputs live in the caller's buffers; constants in weight roots, one for
       each distinct constant.
    2. The parts of a concat that `fuse` left in place are windows of one root, which is the concat.
       A view that is a strided window of its operand is an alias in the operand's root.
    3. A kernel writes a graph output, or what an output reshapes without a copy, straight into the
       output's root.
    4. Every other result has an arena root of its own, contiguous.
    5. Nested graphs have no storages: what they hold is scratch of their node.
    """

    name: ClassVar[str] = "assign-storage"

    def run(self, graph: Graph, context: Context) -> bool:  # noqa: ARG002
        before = (graph.storages, graph.roots)
        assigner = _Assigner(graph)
        assigner.run()
        graph.storages, graph.roots = assigner.storages, assigner.roots
        return before != (graph.storages, graph.roots)


def contiguous(value: Value, root: str) -> Storage:
    """The row-major storage of a value at the start of a root."""
    return Storage(root, 0, contiguous_strides(value.type.shape))


class _Assigner:
    """Storages and roots of one graph; a value gets the first placement that applies."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.storages: dict[Value, Storage] = {}
        self.roots: dict[str, Root] = {}
        self.outputs = _values_behind_outputs(graph)
        self.bases: dict[Value, Storage] = {}
        self.windows: dict[Value, Storage] = {}
        self._counts: dict[str, int] = {}
        self._weights: dict[int, str] = {}

    def run(self) -> None:
        for index, value in enumerate(self.graph.inputs):
            self.storages[value] = self.own(value, f"x{index}", INPUT)
        for value, window in place_concats(self.graph, is_written).windows.items():
            if window.base not in self.bases:
                base = _as_output(self, window.base) or _in_arena(self, window.base)
                self.bases[window.base] = base
            self.windows[value] = window.of(self.bases[window.base])
        for node in self.graph.nodes:
            for value in node.results:
                self.storages[value] = next(
                    storage for place in _PLACEMENTS if (storage := place(self, value)) is not None
                )

    def own(self, value: Value, root: str, kind: str) -> Storage:
        """A new root as large as the value."""
        self.roots[root] = Root(root, kind, value.type.nbytes)
        return contiguous(value, root)

    def fresh(self, prefix: str) -> str:
        number = self._counts[prefix] = self._counts.get(prefix, -1) + 1
        return f"{prefix}{number}"

    def weight(self, value: Value, data: Constant) -> Storage:
        root = self._weights.get(id(data))
        if root is not None:
            return contiguous(value, root)
        root = self._weights[id(data)] = self.fresh("w")
        return self.own(value, root, WEIGHT)


def _as_weight(assigner: _Assigner, value: Value) -> Storage | None:
    data = value.constant
    return None if data is None else assigner.weight(value, data)


def _as_part(assigner: _Assigner, value: Value) -> Storage | None:
    return assigner.windows.get(value)


def _as_alias(assigner: _Assigner, value: Value) -> Storage | None:
    node = value.node
    if node is None or not node.op.is_view:
        return None
    return view_storage(node, assigner.storages[node.operands[0]])


def _as_output(assigner: _Assigner, value: Value) -> Storage | None:
    index = assigner.outputs.get(value)
    return None if index is None else assigner.own(value, f"y{index}", OUTPUT)


def _in_arena(assigner: _Assigner, value: Value) -> Storage:
    return assigner.own(value, assigner.fresh("r"), ARENA)


# The first that returns a storage decides; the last always does.
_PLACEMENTS: tuple[Callable[[_Assigner, Value], Storage | None], ...] = (
    _as_weight,
    _as_part,
    _as_alias,
    _as_output,
    _in_arena,
)


def _values_behind_outputs(graph: Graph) -> dict[Value, int]:
    """The kernel results that graph outputs are, or reshape without a copy, with output indices."""
    found: dict[Value, int] = {}
    for index, output in enumerate(graph.outputs):
        value = output
        while value.node is not None and value.node.op.is_view and _is_whole(value):
            value = value.node.operands[0]
        if value.node is not None and not value.node.is_constant:
            found.setdefault(value, index)
    return found


def _is_whole(value: Value) -> bool:
    """Whether a view of a contiguous operand is all of it, in the same order."""
    assert value.node is not None
    alias = view_storage(value.node, contiguous(value.node.operands[0], ""))
    return alias == contiguous(value, "") and value.type.numel == value.node.operands[0].type.numel
