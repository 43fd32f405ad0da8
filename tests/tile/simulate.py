"""Runs a tile program with torch, every axis as one whole tensor dimension: no tiles, no Triton.

Independent of code generation: it reads the statements' definitions in `fusec.tile.program` only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from fusec.ir.op import get_op
from fusec.ir.sym import Dim, evaluate, to_python
from fusec.ir.types import DType
from fusec.tile.program import (
    Apply,
    Bound,
    Dot,
    InBounds,
    Index,
    Literal,
    Load,
    Reduce,
    RunningMax,
    Statement,
    Store,
    TileProgram,
)


def torch_dtype(dtype: DType) -> torch.dtype:
    found = getattr(torch, dtype.name)
    assert isinstance(found, torch.dtype)
    return found


class Simulator:
    """State of one run: the value of each statement, shaped with one dimension per axis."""

    def __init__(self, program: TileProgram, symbols: Mapping[str, int]) -> None:
        self.program, self.symbols = program, symbols
        self.rank = len(program.axes)
        self.extents = {a.name: evaluate(a.extent, symbols) for a in program.axes}
        self.scope: dict[str, Any] = dict(symbols)
        for position, axis in enumerate(program.axes):
            shape = [1] * self.rank
            shape[position] = -1
            self.scope[axis.name] = torch.arange(self.extents[axis.name]).reshape(shape)
        self.buffers: dict[str, torch.Tensor] = {}

    def dim(self, value: Dim) -> torch.Tensor:
        """An index expression over whole axes."""
        found = eval(to_python(value), {"min": torch.minimum, "max": torch.maximum}, self.scope)
        return torch.as_tensor(found).reshape([1] * self.rank) if isinstance(found, int) else found

    def inside(self, bounds: Sequence[Bound]) -> torch.Tensor:
        result = torch.ones([1] * self.rank, dtype=torch.bool)
        for bound in bounds:
            index = self.dim(bound.index)
            if bound.test_low:
                result = result & (index >= 0)
            if bound.test_high:
                result = result & (index < self.dim(bound.extent))
        return result

    def run(self, operands: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        for buffer, tensor in zip(self.program.operands, operands, strict=True):
            self.buffers[buffer.name] = tensor.reshape(-1)
        for buffer in self.program.results:
            shape = [evaluate(d, self.symbols) for d in buffer.type.shape]
            poison = torch.zeros(shape, dtype=torch_dtype(buffer.type.dtype))
            if buffer.type.dtype.is_float:
                poison.fill_(float("nan"))
            self.buffers[buffer.name] = poison.reshape(-1)
        for statement in self.program.statements:
            self.scope[statement.name] = self.step(statement)
        shapes = [[evaluate(d, self.symbols) for d in b.type.shape] for b in self.program.results]
        return [
            self.buffers[b.name].reshape(s)
            for b, s in zip(self.program.results, shapes, strict=True)
        ]

    def step(self, s: Statement) -> Any:
        handler = getattr(self, f"_{type(s).__name__.lower()}")
        return handler(s)

    def _load(self, s: Load) -> torch.Tensor:
        buffer, offset = self.buffers[s.buffer], self.dim(s.offset)
        inside = self.inside(s.bounds)
        offset, inside = torch.broadcast_tensors(offset, inside)
        safe = torch.where(inside, offset, 0)
        assert int(safe.min()) >= 0 and int(safe.max()) < max(1, buffer.numel()), "out of bounds"
        garbage = float("nan") if s.dtype.is_float else 77
        fill = torch.tensor(s.fill if s.fill is not None else garbage).to(buffer.dtype)
        return torch.where(inside, buffer[safe], fill)

    def _literal(self, s: Literal) -> torch.Tensor:
        return torch.tensor(s.value, dtype=torch_dtype(s.dtype)).reshape([1] * self.rank)

    def _index(self, s: Index) -> torch.Tensor:
        return self.dim(s.value).to(torch_dtype(s.dtype))

    def _inbounds(self, s: InBounds) -> torch.Tensor:
        return self.inside(s.bounds)

    def _apply(self, s: Apply) -> torch.Tensor:
        op = get_op(s.op)
        assert op.evaluate is not None
        (result,) = op.evaluate([self.scope[a] for a in s.args], dict(s.attrs), ())
        if s.op == "cast":  # rounded to the dtype of the value, held in that of the tile
            result = result.to(torch_dtype(s.dtype))
        assert result.dtype == torch_dtype(s.dtype), (s, result.dtype)
        return torch.as_tensor(result)

    def _whole(self, name: str, axes: Sequence[str]) -> torch.Tensor:
        """A value with the named axes at their whole extent."""
        value: torch.Tensor = self.scope[name]
        shape = [
            self.extents[a.name] if a.name in axes else value.shape[i]
            for i, a in enumerate(self.program.axes)
        ]
        return value.expand(shape)

    def _reduce(self, s: Reduce) -> torch.Tensor:
        value = self._whole(s.arg, [s.axis])
        dim = [a.name for a in self.program.axes].index(s.axis)
        if s.kind in ("argmax", "argmin"):
            best = torch.argmax if s.kind == "argmax" else torch.argmin
            if s.last:
                return value.shape[dim] - 1 - best(value.flip(dim), dim, keepdim=True)
            return best(value, dim, keepdim=True)
        names: dict[str, Any] = {
            "sum": torch.sum,
            "prod": torch.prod,
            "max": torch.amax,
            "min": torch.amin,
        }
        found: torch.Tensor = names[s.kind](value, dim, keepdim=True)
        return found.to(torch_dtype(s.dtype))

    def _runningmax(self, s: RunningMax) -> torch.Tensor:
        dim = [a.name for a in self.program.axes].index(s.axis)
        top = self._whole(s.arg, [s.axis]).amax(dim, keepdim=True)
        return torch.where(top.isneginf(), 0.0, top)

    def _dot(self, s: Dot) -> torch.Tensor:
        dim = [a.name for a in self.program.axes].index(s.axis)
        dtype = torch_dtype(s.dtype)
        a, b = self._whole(s.a, ["m", s.axis]).to(dtype), self._whole(s.b, ["n", s.axis]).to(dtype)
        return (a * b).sum(dim, keepdim=True).to(dtype)

    def _store(self, s: Store) -> None:
        offset = self.dim(s.offset)
        value = self.scope[s.arg]
        offset, value = torch.broadcast_tensors(offset, value)
        assert int(torch.unique(offset).numel()) == offset.numel(), "an element is written twice"
        buffer = self.buffers[s.buffer]
        buffer[offset.reshape(-1)] = value.reshape(-1).to(buffer.dtype)


def simulate(
    program: TileProgram, operands: Sequence[torch.Tensor], symbols: Mapping[str, int] | None = None
) -> list[torch.Tensor]:
    """The results of a program on contiguous operands."""
    return Simulator(program, symbols or {}).run(operands)
