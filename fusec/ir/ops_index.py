"""Indexing by data: gather, scatter and one_hot.

Indices are integers already in range (``0 <= index < dim``); only one_hot takes any.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fusec.ir import infer as t
from fusec.ir.declare import declare, no_flops
from fusec.ir.lazy import torch
from fusec.ir.op import Attribute, Attrs, Family, Kind
from fusec.ir.reference import back, computable, movable, ordered, torch_dtype, unordered
from fusec.ir.sym import Dim, prove_le
from fusec.ir.types import Tensor

REDUCTIONS = ("none", "add", "mul", "max", "min")
_AXIS = Attribute("axis", Kind.INT)


def _check_indices(indices: Tensor) -> None:
    t.check_kind(indices.dtype, t.INTEGERS, "indices")


def _index(x: Any) -> Any:
    return x.to(torch.int64)


# -- gather --------------------------------------------------------------------------------------


def _gather_rule(types: Sequence[Tensor], attrs: Attrs) -> Tensor:
    x, indices = types
    _check_indices(indices)
    axis = t.check_axis(attrs["axis"], x.rank)
    return x.with_shape((*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :]))


def _gather(operands: Sequence[Any], attrs: Attrs) -> Any:
    x, indices = operands
    axis = attrs["axis"]
    taken = movable(x).index_select(axis, _index(indices).reshape(-1))
    return taken.reshape((*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :])).view(x.dtype)


def _gather_elements_rule(types: Sequence[Tensor], attrs: Attrs) -> Tensor:
    x, indices = types
    _check_elements(x, indices, attrs)
    return x.with_shape(indices.shape)


def _check_elements(x: Tensor, indices: Tensor, attrs: Attrs) -> None:
    """Indices have x's rank and, beside the axis, dims no larger than x's."""
    _check_indices(indices)
    axis = t.check_axis(attrs["axis"], x.rank)
    if indices.rank != x.rank:
        raise ValueError(f"indices {indices} and x {x} have different ranks")
    for i, (dim, limit) in enumerate(zip(indices.shape, x.shape, strict=True)):
        if i != axis and not prove_le(dim, limit):
            raise ValueError(f"indices {indices} are larger than x {x} in dim {i}")


def _gather_elements(operands: Sequence[Any], attrs: Attrs) -> Any:
    x, indices = operands
    return torch.gather(movable(x), attrs["axis"], _index(indices)).view(x.dtype)


def _check_tuples(x: Tensor, indices: Tensor, batch: int) -> int:
    """The length of the index tuples; batch dims must agree."""
    _check_indices(indices)
    if not 0 <= batch < max(indices.rank, 1) or batch > x.rank or not indices.rank:
        raise ValueError(f"batch_dims {batch} do not fit x {x} and indices {indices}")
    length = indices.shape[-1]
    if not isinstance(length, int) or not 0 <= length <= x.rank - batch:
        raise ValueError(f"index tuples of {length} do not fit x {x} with {batch} batch dims")
    if not t.same_shape(x.shape[:batch], indices.shape[:batch]):
        raise ValueError(f"x {x} and indices {indices} differ in their batch dims")
    return length


def _gather_nd_rule(types: Sequence[Tensor], attrs: Attrs) -> Tensor:
    x, indices = types
    length = _check_tuples(x, indices, attrs["batch_dims"])
    return x.with_shape((*indices.shape[:-1], *x.shape[attrs["batch_dims"] + length :]))


def _positions(shape: Sequence[int], indices: Any, batch: int) -> tuple[Any, ...]:
    """For advanced indexing: a grid for each batch dim, then the parts of the index tuples."""
    lead = indices.shape[:-1]
    grids = []
    for axis in range(batch):
        view = [-1 if i == axis else 1 for i in range(len(lead))]
        grids.append(torch.arange(shape[axis]).view(view).expand(lead))
    return (*grids, *_index(indices).unbind(-1))


def _gather_nd(operands: Sequence[Any], attrs: Attrs) -> Any:
    x, indices = operands
    positions = _positions(x.shape, indices, attrs["batch_dims"])
    if not positions:  # empty tuples: all of x for each
        return movable(x).expand((*indices.shape[:-1], *x.shape)).view(x.dtype)
    return movable(x)[positions].view(x.dtype)


declare(
    "gather",
    Family.INDEX,
    ("x", "indices"),
    (_AXIS,),
    _gather_rule,
    _gather,
    no_flops,
    doc="numpy's take: the axis of x is replaced by the dims of indices",
)
declare(
    "gather_elements",
    Family.INDEX,
    ("x", "indices"),
    (_AXIS,),
    _gather_elements_rule,
    _gather_elements,
    no_flops,
    doc="result[i, j, k] = x[i, indices[i, j, k], k] for axis 1",
)
declare(
    "gather_nd",
    Family.INDEX,
    ("x", "indices"),
    (Attribute("batch_dims", Kind.INT, 0),),
    _gather_nd_rule,
    _gather_nd,
    no_flops,
    doc="the last dim of indices holds index tuples into the dims of x after the batch dims",
)

# -- scatter -------------------------------------------------------------------------------------


def _check_reduction(x: Tensor, updates: Tensor, attrs: Attrs) -> None:
    t.check_same_dtype((x, updates))
    if attrs["reduction"] not in REDUCTIONS:
        raise ValueError(f"reduction {attrs['reduction']} is not one of {', '.join(REDUCTIONS)}")
    if attrs["reduction"] != "none":
        t.check_kind(x.dtype, t.REALS)


def _scatter_elements_rule(types: Sequence[Tensor], attrs: Attrs) -> Tensor:
    x, indices, updates = types
    _check_elements(x, indices, attrs)
    _check_reduction(x, updates, attrs)
    if not t.same_shape(indices.shape, updates.shape):
        raise ValueError(f"indices {indices} and updates {updates} have different shapes")
    return x


def _scatter_nd_rule(types: Sequence[Tensor], attrs: Attrs) -> Tensor:
    x, indices, updates = types
    length = _check_tuples(x, indices, 0)
    _check_reduction(x, updates, attrs)
    wanted = (*indices.shape[:-1], *x.shape[length:])
    if not t.same_shape(updates.shape, wanted):
        raise ValueError(f"updates must have shape {t.text(wanted)}, not {t.text(updates.shape)}")
    return x


def _update(x: Any, flat: Any, updates: Any, reduction: str) -> Any:
    """Put updates at flat positions of x; of several ``none`` updates at one place, the last."""
    if reduction == "none":
        plain, new = movable(x), movable(updates).reshape(-1)
        return plain.reshape(-1).scatter(0, flat, new).view(x.shape).view(x.dtype)
    to, fro = (ordered, unordered) if reduction in ("max", "min") else (computable, back)
    how = {"add": "sum", "mul": "prod", "max": "amax", "min": "amin"}[reduction]
    result = to(x).reshape(-1).scatter_reduce(0, flat, to(updates).reshape(-1), how)
    return fro(result.view(x.shape), x.dtype)


def _flat(positions: Sequence[Any], shape: Sequence[int]) -> Any:
    """Row-major positions from one index tensor for each dim."""
    flat: Any = 0
    for position, size in zip(positions, shape, strict=True):
        flat = flat * size + position
    return flat


def _scatter_elements(operands: Sequence[Any], attrs: Attrs) -> Any:
    x, indices, updates = operands
    grid = list(torch.meshgrid(*map(torch.arange, indices.shape), indexing="ij"))
    grid[attrs["axis"]] = _index(indices)
    return _update(x, _flat(grid, x.shape).reshape(-1), updates, attrs["reduction"])


def _scatter_nd(operands: Sequence[Any], attrs: Attrs) -> Any:
    x, indices, updates = operands
    length = indices.shape[-1]
    lead = _index(indices).reshape(int(np.prod(indices.shape[:-1], dtype=np.int64)), length)
    inner = int(np.prod(x.shape[length:], dtype=np.int64))
    first = _flat(lead.unbind(-1), x.shape[:length]) * inner
    if not length:
        first = torch.zeros(lead.shape[0], dtype=torch.int64)
    flat = (first.view(-1, 1) + torch.arange(inner)).reshape(-1)
    return _update(x, flat, updates, attrs["reduction"])


def _update_flops(types: Sequence[Tensor], results: Sequence[Tensor], attrs: Attrs) -> Dim:  # noqa: ARG001
    return 0 if attrs["reduction"] == "none" else types[2].numel


_REDUCTION = Attribute("reduction", Kind.STR, "none")
_SCATTERS: tuple[tuple[str, tuple[Attribute, ...], Callable[..., Tensor], Callable[..., Any]], ...]
_SCATTERS = (
    ("scatter_elements", (_AXIS, _REDUCTION), _scatter_elements_rule, _scatter_elements),
    ("scatter_nd", (_REDUCTION,), _scatter_nd_rule, _scatter_nd),
)
for _name, _attributes, _rule, _compute in _SCATTERS:
    declare(
        _name,
        Family.INDEX,
        ("x", "indices", "updates"),
        _attributes,
        _rule,
        _compute,
        _update_flops,
        doc="x with updates at the places that its gather reads; which of several is not defined",
    )

# -- one_hot -------------------------------------------------------------------------------------


def _one_hot_rule(types: Sequence[Tensor], attrs: Attrs) -> Tensor:
    (indices,) = types
    _check_indices(indices)
    t.check_natural([attrs["depth"]], "depth")
    axis = t.check_axis(attrs["axis"], indices.rank + 1)
    shape = indices.shape
    return Tensor(attrs["dtype"], (*shape[:axis], attrs["depth"], *shape[axis:]))


def _one_hot(operands: Sequence[Any], attrs: Attrs) -> Any:
    (indices,) = operands
    axis = attrs["axis"]
    view = [-1 if i == axis else 1 for i in range(indices.ndim + 1)]
    classes = torch.arange(attrs["depth"]).view(view)
    wide = computable(indices) if indices.dtype is torch.uint64 else _index(indices)
    hot = wide.to(torch.int64).unsqueeze(axis) == classes
    target = torch_dtype(attrs["dtype"])
    return hot if target is torch.bool else back(hot.to(torch.float32), target)


declare(
    "one_hot",
    Family.INDEX,
    ("indices",),
    (Attribute("depth", Kind.DIM), _AXIS, Attribute("dtype", Kind.DTYPE)),
    _one_hot_rule,
    _one_hot,
    no_flops,
    doc="1 where the position on the new axis is the index, else 0; out of range: all 0",
)
