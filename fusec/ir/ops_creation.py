"""Values made from attributes: constants, index ramps, the run-time value of a dim."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fusec.ir import infer as t
from fusec.ir.constant import Constant
from fusec.ir.declare import declare, no_flops
from fusec.ir.lazy import torch
from fusec.ir.op import Attribute, Attrs, Family, Kind
from fusec.ir.reference import back, to_torch, torch_dtype
from fusec.ir.types import Tensor, i64


def _constant_rule(types: Sequence[Tensor], attrs: Attrs) -> Tensor:  # noqa: ARG001
    data = attrs["data"]
    if not isinstance(data, Constant):
        raise ValueError(f"data is {type(data).__name__}, not a Constant")
    return data.type


def _evaluate_constant(operands: Sequence[Any], attrs: Attrs) -> Any:  # noqa: ARG001
    return to_torch(attrs["data"])


def _iota_rule(types: Sequence[Tensor], attrs: Attrs) -> Tensor:  # noqa: ARG001
    t.check_natural(attrs["shape"], "shape")
    t.check_axis(attrs["axis"], len(attrs["shape"]))
    t.check_kind(attrs["dtype"], t.REALS, "dtype")
    return Tensor(attrs["dtype"], attrs["shape"])


def _evaluate_iota(operands: Sequence[Any], attrs: Attrs) -> Any:  # noqa: ARG001
    shape, axis = attrs["shape"], attrs["axis"]
    ramp = torch.arange(shape[axis], dtype=torch.int64)
    view = [-1 if i == axis else 1 for i in range(len(shape))]
    return back(ramp.view(view).expand(shape).contiguous(), torch_dtype(attrs["dtype"]))


def _dim_rule(types: Sequence[Tensor], attrs: Attrs) -> Tensor:  # noqa: ARG001
    return Tensor(i64, ())


def _evaluate_dim(operands: Sequence[Any], attrs: Attrs) -> Any:  # noqa: ARG001
    return torch.tensor(attrs["value"], dtype=torch.int64)


declare(
    "constant",
    Family.CREATION,
    (),
    (Attribute("data", Kind.DATA),),
    _constant_rule,
    _evaluate_constant,
    no_flops,
    doc="data known at compile time",
)
declare(
    "iota",
    Family.CREATION,
    (),
    (Attribute("shape", Kind.DIMS), Attribute("axis", Kind.INT), Attribute("dtype", Kind.DTYPE)),
    _iota_rule,
    _evaluate_iota,
    no_flops,
    doc="each element's index along the axis",
)
declare(
    "dim",
    Family.CREATION,
    (),
    (Attribute("value", Kind.DIM),),
    _dim_rule,
    _evaluate_dim,
    no_flops,
    doc="the value of a symbolic dim at run time",
)
