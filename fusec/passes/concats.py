"""Concats in place: their parts are written straight into slices of one buffer.

The largest concat of a family gets the buffer (the *base*). Smaller ones whose parts lie side by
side in it are windows of it, as the growing concats of a dense block are. A concat is in place only
if every part can be; the others are kernels that copy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fusec.ir.graph import Graph, Node, Value
from fusec.ir.storage import Storage
from fusec.ir.sym import Dim

WALK = 16  # pointwise nodes looked through for the contraction that a part ends


@dataclass(frozen=True)
class Window:
    """A value stands in ``base`` from ``start`` along ``axis``."""

    base: Value
    axis: int
    start: Dim

    def of(self, base: Storage) -> Storage:
        """The window of the base's storage."""
        offset = base.offset + self.start * base.strides[self.axis]
        return Storage(base.root, offset, base.strides)


@dataclass(frozen=True)
class Placement:
    """Windows of the concats in place, bases included, and of their parts; those concats."""

    windows: dict[Value, Window]
    concats: tuple[Node, ...]


def place_concats(graph: Graph, can_place: Callable[[Value], bool]) -> Placement:
    """Decide which concats are in place, the last first.

    ``can_place``: whether a value may be written into a buffer that it does not own. A concat may
    be a part of another whether or not its own parts can be placed.
    """
    windows: dict[Value, Window] = {}
    concats: list[Node] = []
    for node in graph.reversed_nodes:
        if node.op.name == "concat":
            found = _place(node, windows, can_place)
            if found is not None:
                windows.update(found)
                concats.append(node)
    return Placement(windows, tuple(concats))


def _place(
    node: Node, windows: dict[Value, Window], can_place: Callable[[Value], bool]
) -> dict[Value, Window] | None:
    """Windows of one concat and its parts; None if it has to copy."""
    parts, axis = node.operands, node.attrs["axis"]
    if len(set(parts)) < len(parts):
        return None
    here = windows.get(node.result) or _joined(node, windows)
    if here is None and any(part in windows for part in parts):
        return None
    here = here or Window(node.result, axis, 0)
    if here.axis != axis:
        return None
    found = {node.result: here}
    start = here.start
    for part in parts:
        wanted = Window(here.base, axis, start)
        if windows.get(part, wanted) != wanted:
            return None
        if part not in windows and not (_is_concat(part) or can_place(part)):
            return None
        found[part] = wanted
        start = start + part.type.shape[axis]
    return found


def _joined(node: Node, windows: dict[Value, Window]) -> Window | None:
    """The window that parts which lie in a larger concat already make up."""
    first = windows.get(node.operands[0])
    return first if first is not None and all(p in windows for p in node.operands) else None


def _is_concat(value: Value) -> bool:
    """A concat that is no graph output: a kernel or its parts will write it."""
    return value.node is not None and value.node.op.name == "concat" and not value.is_output


def is_computed(value: Value) -> bool:
    """Whether a kernel writes the value anyway, at the end of a contraction, window or reduction.

    What is only copied or cheaply computed is better read by the concat's readers themselves.
    """
    if value.is_output:
        return False
    node = value.node
    for _ in range(WALK):
        if node is None or node.op.is_view or node.is_constant:
            return False
        if not node.op.is_pointwise:
            return node.op.is_contraction or node.op.is_window or node.op.is_reduce
        computed = [v.node for v in node.operands if v.node is not None and v.constant is None]
        views = [n.operands[0].node if n.op.name == "reshape" else n for n in computed]
        node = next((n for n in views if n is not None and not n.op.is_view), None)
    return False


def is_written(value: Value) -> bool:
    """Whether a kernel writes the value and no caller needs it in a buffer of its own."""
    return value.node is not None and value.node.op.name == "fused" and not value.is_output
