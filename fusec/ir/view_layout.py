"""Views as storages: the result of a view op as a strided window of its operand's storage."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from fusec.ir.graph import Node, Value
from fusec.ir.infer import same_dim
from fusec.ir.op import Attrs
from fusec.ir.storage import Storage
from fusec.ir.sym import Dim, contiguous_strides
from fusec.ir.types import Tensor

Strides = tuple[Dim, ...]
Layout = Callable[[Tensor, Tensor, Attrs, Storage], Storage | None]


def view_storage(node: Node, operand: Storage) -> Storage | None:
    """Where the result of a view of one operand already stands, or None if it must be copied.

    Broadcast dims have stride 0, reversed ones a negative stride. pad and concat give None, and
    reshapes whose new dims no stride can walk.
    """
    layout = _LAYOUTS.get(node.op.name)
    if layout is None:
        return None
    return layout(node.operands[0].type, node.results[0].type, node.attrs, operand)


def misplaced(node: Node, storages: Mapping[Value, Storage]) -> Value | None:
    """Of a view that is only an alias: a value whose storage is not what the view op means."""
    result = node.results[0]
    if node.op.name != "concat":
        wanted = view_storage(node, storages[node.operands[0]])
        same = wanted is not None and same_window(result.type, storages[result], wanted)
        return None if same else result
    axis, whole = node.attrs["axis"], storages[result]
    offset = whole.offset
    for part in node.operands:
        if not same_window(part.type, storages[part], Storage(whole.root, offset, whole.strides)):
            return part
        offset = offset + part.type.shape[axis] * whole.strides[axis]
    return None


def same_window(type: Tensor, a: Storage, b: Storage) -> bool:
    """Whether a value of this type has the same elements in both storages."""
    if any(dim == 0 for dim in type.shape):
        return True
    steps = zip(type.shape, a.strides, b.strides, strict=True)
    same_steps = all(dim == 1 or same_dim(s, t) for dim, s, t in steps)
    return a.root == b.root and same_dim(a.offset, b.offset) and same_steps


def is_contiguous(type: Tensor, storage: Storage) -> bool:
    """Whether the value is dense in row-major order (dims of extent 1 may have any stride)."""
    dense = contiguous_strides(type.shape)
    pairs = zip(type.shape, storage.strides, dense, strict=True)
    return all(dim == 1 or same_dim(stride, wanted) for dim, stride, wanted in pairs)


def _transpose(x: Tensor, result: Tensor, attrs: Attrs, s: Storage) -> Storage:  # noqa: ARG001
    return Storage(s.root, s.offset, tuple([s.strides[axis] for axis in attrs["perm"]]))


def _broadcast(x: Tensor, result: Tensor, attrs: Attrs, s: Storage) -> Storage:  # noqa: ARG001
    extra = result.rank - x.rank
    kept = zip(x.shape, result.shape[extra:], s.strides, strict=True)
    steps = [0 if dim == 1 and target != 1 else stride for dim, target, stride in kept]
    return Storage(s.root, s.offset, (*([0] * extra), *steps))


def _slice(x: Tensor, result: Tensor, attrs: Attrs, s: Storage) -> Storage:  # noqa: ARG001
    offset = s.offset
    for start, stride in zip(attrs["starts"], s.strides, strict=True):
        offset = offset + start * stride
    steps = [stride * step for stride, step in zip(s.strides, attrs["steps"], strict=True)]
    return Storage(s.root, offset, tuple(steps))


def _reverse(x: Tensor, result: Tensor, attrs: Attrs, s: Storage) -> Storage:  # noqa: ARG001
    offset = s.offset
    strides = list(s.strides)
    for axis in attrs["axes"]:
        offset = offset + (x.shape[axis] - 1) * strides[axis]
        strides[axis] = -strides[axis]
    return Storage(s.root, offset, tuple(strides))


def _reshape(x: Tensor, result: Tensor, attrs: Attrs, s: Storage) -> Storage | None:  # noqa: ARG001
    strides = reshape_strides(x.shape, s.strides, result.shape)
    return None if strides is None else Storage(s.root, s.offset, strides)


def reshape_strides(
    shape: Sequence[Dim], strides: Sequence[Dim], target: Sequence[Dim]
) -> Strides | None:
    """Strides that walk the elements in the same order in another shape, or None.

    Groups of dims that can be walked with one stride are merged, then split into the new dims.
    """
    if any(d == 0 for d in target):
        return contiguous_strides(target)
    merged = _merge(shape, strides)
    found: list[Dim] = []
    at = len(merged) - 1
    covered: Dim = 1  # of the current group, innermost first
    for dim in reversed(target):
        if dim == 1:
            found.append(0)
            continue
        if at >= 0 and same_dim(covered, merged[at][0]):
            at, covered = at - 1, 1
        if at < 0 or not _divides(covered * dim, merged[at][0]):
            return None
        found.append(merged[at][1] * covered)
        covered = covered * dim
    return _dense_ones(target, found[::-1])


def _divides(part: Dim, whole: Dim) -> bool:
    if same_dim(part, whole):
        return True
    if isinstance(part, int) and isinstance(whole, int):
        return whole % part == 0
    return part != 0 and same_dim(whole // part * part, whole)


def _merge(shape: Sequence[Dim], strides: Sequence[Dim]) -> list[tuple[Dim, Dim]]:
    """(extent, stride) of maximal groups of adjacent dims that one stride walks; no extent 1."""
    groups: list[tuple[Dim, Dim]] = []
    for dim, stride in zip(shape, strides, strict=True):
        if dim == 1:
            continue
        if groups and same_dim(groups[-1][1], stride * dim):
            groups[-1] = (groups[-1][0] * dim, stride)
        else:
            groups.append((dim, stride))
    return groups


def _dense_ones(shape: Sequence[Dim], strides: Sequence[Dim]) -> Strides:
    """Give dims of extent 1, whose stride is never used, the stride of a dense layout."""
    result = list(strides)
    step: Dim = 1
    for axis in reversed(range(len(shape))):
        if shape[axis] == 1:
            result[axis] = step
        else:
            step = result[axis] * shape[axis]
    return tuple(result)


_LAYOUTS: dict[str, Layout] = {
    "broadcast": _broadcast,
    "reshape": _reshape,
    "reverse": _reverse,
    "slice": _slice,
    "transpose": _transpose,
}
