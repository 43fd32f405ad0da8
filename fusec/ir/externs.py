"""The closed table of library operators that ``extern`` may call: functional, one call each.

An extern declares its result types, its meaning in torch, its workspace in bytes and, for dims
that depend on data, an upper bound. Attribute ``dims`` of the node names each such dim.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from fusec.ir import infer as t
from fusec.ir.declare import no_flops
from fusec.ir.lazy import torch
from fusec.ir.op import Attrs, Flops
from fusec.ir.reference import computable
from fusec.ir.sym import Dim, prove_le
from fusec.ir.types import Tensor, i64


@dataclass(frozen=True, eq=False)
class Extern:
    """One library operator.

    ``evaluate``: torch tensors and the node's attributes, dims as integers but for those that
    depend on data, which the results tell. ``bounds``: an upper bound for each of ``dims``.
    """

    name: str
    infer: Callable[[Sequence[Tensor], Attrs], tuple[Tensor, ...]]
    evaluate: Callable[[Sequence[Any], Attrs], tuple[Any, ...]]
    bounds: Callable[[Sequence[Tensor], Attrs], tuple[Dim, ...]]
    workspace: Callable[[Sequence[Tensor], Attrs], Dim]
    flops: Flops = no_flops
    doc: str = ""


_TABLE: dict[str, Extern] = {}


def get_extern(name: str) -> Extern:
    """The operator of that name; ValueError if the table has none."""
    if name not in _TABLE:
        raise ValueError(f"no extern function {name}")
    return _TABLE[name]


def all_externs() -> tuple[Extern, ...]:
    """Every operator of the table."""
    return tuple(_TABLE.values())


def argument(attrs: Attrs, name: str, default: Any = None) -> Any:
    """One of the call's arguments."""
    return dict(attrs["arguments"]).get(name, default)


def _add(extern: Extern) -> None:
    _TABLE[extern.name] = extern


def check_bounds(dims: Sequence[Dim], limits: Sequence[Dim]) -> None:
    """Each data-dependent dim must be known to stay within its bound."""
    t.check_length(dims, len(limits), "dims")
    for dim, limit in zip(dims, limits, strict=True):
        if not prove_le(dim, limit):
            raise ValueError(f"dim {dim} is not known to be at most {limit}")


def _numel_bound(types: Sequence[Tensor], attrs: Attrs) -> tuple[Dim, ...]:  # noqa: ARG001
    return (types[0].numel,)


def _infer_nonzero(types: Sequence[Tensor], attrs: Attrs) -> tuple[Tensor, ...]:
    (x,) = types
    check_bounds(attrs["dims"], _numel_bound(types, attrs))
    return (Tensor(i64, (x.rank, attrs["dims"][0])),)


def _nonzero(operands: Sequence[Any], attrs: Attrs) -> tuple[Any, ...]:  # noqa: ARG001
    return (torch.nonzero(computable(operands[0])).T.contiguous(),)


_add(
    Extern(
        "nonzero",
        _infer_nonzero,
        _nonzero,
        _numel_bound,
        workspace=lambda types, attrs: types[0].numel * 8,  # noqa: ARG005
        doc="x: the indices [rank, n] of its nonzero elements, in row-major order",
    )
)
