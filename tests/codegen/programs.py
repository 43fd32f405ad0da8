"""Hand-made tile programs for the tests of printing, interpreting and compiling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from fusec.codegen import launch_interpreted
from fusec.ir.sym import Dim, contiguous_strides, symbol
from fusec.ir.types import DType, Tensor
from fusec.tile.candidates import interpreter_config
from fusec.tile.kernel import Config
from fusec.tile.program import (
    Apply,
    Axis,
    Buffer,
    Cost,
    Load,
    Loop,
    Role,
    Statement,
    Store,
    TileProgram,
)

COST = Cost(1000, 1000, 1000)
Scalar = bool | int | float


def torch_dtype(dtype: DType) -> torch.dtype:
    """The torch dtype of the same name."""
    found = getattr(torch, {"int4": "int8", "uint4": "uint8"}.get(dtype.name, dtype.name))
    assert isinstance(found, torch.dtype)
    return found


def buffer(name: str, dtype: DType, *shape: Dim, offset: Dim = 0) -> Buffer:
    """A contiguous buffer."""
    return Buffer(name, Tensor(dtype, shape), offset, contiguous_strides(shape))


def program(
    kind: str,
    axes: Sequence[Axis],
    body: Sequence[Statement | Loop],
    operands: Sequence[Buffer],
    results: Sequence[Buffer],
    **more: Any,
) -> TileProgram:
    """A tile program with the grid in the order of its axes and a made-up cost."""
    defaults: dict[str, Any] = {
        "grid": tuple(a.name for a in axes if a.in_grid),
        "parts": (),
        "symbols": (),
        "anchor": None,
        "cost": COST,
        "wide": False,
    }
    return TileProgram(
        kind=kind,
        axes=tuple(axes),
        body=tuple(body),
        operands=tuple(operands),
        results=tuple(results),
        **(defaults | more),
    )


def pointwise(
    op: str,
    sources: Sequence[DType],
    result: DType,
    count: int,
    attrs: Mapping[str, Any] | None = None,
) -> TileProgram:
    """``y = op(a, b, ...)`` over ``count`` elements."""
    x = symbol("x", below=count)
    names = "abc"[: len(sources)]
    loads = [Load(n, d, ("x",), n, x, (), None) for n, d in zip(names, sources, strict=True)]
    apply = Apply("y", result, ("x",), op, tuple(names), tuple((attrs or {}).items()))
    store = Store("store", result, ("x",), "out", "y", x, ())
    return program(
        "pointwise",
        [Axis("x", count, Role.GRID, True)],
        [*loads, apply, store],
        [buffer(n, d, count) for n, d in zip(names, sources, strict=True)],
        [buffer("out", result, count)],
    )


def run(
    tile_program: TileProgram,
    tensors: Mapping[str, torch.Tensor],
    config: Config | None = None,
    symbols: Mapping[str, int] | None = None,
) -> None:
    """Launch in the interpreter, with its own config if none is given."""
    config = interpreter_config(tile_program) if config is None else config
    launch_interpreted(tile_program, "kernel", config, tensors, symbols or {})


def tiles(**sizes: int) -> Config:
    """A config by axis name."""
    return Config("interpreter", tuple(sizes.items()), 4, 2)
