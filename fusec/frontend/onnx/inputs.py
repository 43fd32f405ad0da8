"""Input types: declared shapes, ``--shape`` and ``--dim`` overrides, symbols for open sizes."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from onnx import TensorShapeProto, TypeProto, ValueInfoProto

from fusec.errors import InvalidModel, UsageError
from fusec.frontend.onnx.tensors import NoSuchType, element_type
from fusec.ir.sym import Dim, Expr, Symbol, free_symbols
from fusec.ir.types import Tensor

Size: TypeAlias = Dim | str | None
Shapes: TypeAlias = Mapping[str, Sequence[Size]]
# A number, or (lowest, highest or None, divisor).
Range: TypeAlias = tuple[int, int | None, int]
Dims: TypeAlias = Mapping[str, int | Range]
# Data of inputs that the compiled model has built in.
Constants: TypeAlias = Mapping[str, np.ndarray[Any, Any]]


class Inputs:
    """The types of the graph inputs, and the symbols they use, in order of appearance."""

    def __init__(
        self,
        shapes: Shapes | None = None,
        dims: Dims | None = None,
        constants: Constants | None = None,
    ) -> None:
        self.constants = dict(constants or {})
        self._shapes = dict(shapes or {})
        self._dims = dict(dims or {})
        self._names: dict[str, str] = {}  # dim_param -> symbol name
        self._fixed: dict[str, Dim] = {}  # dim_param -> size given with --shape
        self._used: set[str] = set()
        self.refused: dict[str, str] = {}  # input -> reason
        self.symbols: dict[str, Symbol] = {}

    @property
    def overridden(self) -> bool:
        """Whether any declared size may have been replaced; annotations then do not bind."""
        return bool(self._shapes or self._dims)

    def types(self, inputs: Sequence[ValueInfoProto]) -> list[Tensor]:
        """The type of each input; InvalidModel or UsageError."""
        self._check_names([i.name for i in inputs], self._shapes, "a shape")
        for info in inputs:
            if info.name in self._shapes:
                self._bind(info)
        types = [self._type(info) for info in inputs]
        for name in self._dims:
            if name not in self._used:
                listed = ", ".join(sorted(self._names)) or "none"
                raise UsageError(f"no dim {name!r} in the inputs; symbolic dims: {listed}")
        return types

    def _check_names(self, names: Sequence[str], given: Iterable[str], what: str) -> None:
        for name in given:
            if name not in names:
                listed = ", ".join(names) or "none"
                raise UsageError(f"no input {name!r} to give {what} to; inputs: {listed}")

    def _is_supported(self, info: ValueInfoProto) -> bool:
        try:
            element_type(tensor_type(info).elem_type, f"input {info.name}")
        except (UnsupportedInput, NoSuchType) as error:
            self.refused[info.name] = str(error)
            return False
        return True

    def split_constants(self, inputs: Sequence[ValueInfoProto]) -> list[ValueInfoProto]:
        """The inputs that stay inputs; UsageError where given data does not fit the others."""
        self._check_names([i.name for i in inputs], self.constants, "data")
        inputs = [i for i in inputs if self._is_supported(i)]
        for info in inputs:
            data = self.constants.get(info.name)
            if data is None:
                continue
            tensor = tensor_type(info)
            sizes = [d.dim_value if d.HasField("dim_value") else None for d in tensor.shape.dim]
            fits = not tensor.HasField("shape") or (
                len(sizes) == data.ndim
                and all(s in (None, d) for s, d in zip(sizes, data.shape, strict=True))
            )
            dtype = element_type(tensor.elem_type, f"input {info.name}")
            if not fits or data.dtype != dtype.numpy:
                raise UsageError(f"data for input {info.name!r} is {data.dtype}{list(data.shape)}")
        return [i for i in inputs if i.name not in self.constants]

    def _type(self, info: ValueInfoProto) -> Tensor:
        tensor = tensor_type(info)
        dtype = element_type(tensor.elem_type, f"input {info.name}")
        given = self._shapes.get(info.name)
        if given is not None:
            return Tensor(dtype, tuple(self._given(info.name, i, s) for i, s in enumerate(given)))
        if not tensor.HasField("shape"):
            raise UsageError(
                f"the shape of input {info.name!r} is not in the model",
                hint=f"give it with --shape {info.name}=...",
            )
        return Tensor(dtype, tuple(self._declared(info.name, tensor.shape)))

    def _declared(self, name: str, shape: TensorShapeProto) -> Iterable[Dim]:
        for index, dim in enumerate(shape.dim):
            if dim.HasField("dim_value") and dim.dim_value >= 0:
                yield dim.dim_value
            elif dim.dim_param:
                yield self._param(dim.dim_param)
            else:
                # Without a name or -1: exporters' placeholder for "any".
                yield self._param(f"{name}_{index}")

    def _bind(self, info: ValueInfoProto) -> None:
        given = self._shapes[info.name]
        tensor = tensor_type(info)
        if not tensor.HasField("shape"):
            return
        if len(given) != len(tensor.shape.dim):
            rank = len(tensor.shape.dim)
            raise UsageError(f"shape of input {info.name!r} needs {rank} sizes, not {len(given)}")
        for size, dim in zip(given, tensor.shape.dim, strict=True):
            if not dim.dim_param or not isinstance(size, int | Expr):
                continue
            if self._fixed.setdefault(dim.dim_param, size) != size:
                raise UsageError(
                    f"dim {dim.dim_param!r} is both {self._fixed[dim.dim_param]} and {size}"
                )

    def _given(self, name: str, index: int, size: Size) -> Dim:
        if isinstance(size, str):
            return self._param(size)
        if size is None or size == -1:
            return self._param(f"{name}_{index}")
        if isinstance(size, int) and size < 0:
            raise UsageError(f"shape of input {name!r} has a negative size {size}")
        if isinstance(size, Expr):
            self.symbols.update({s.name: s for s in free_symbols(size)})
        return size

    def _param(self, name: str) -> Dim:
        if name in self._fixed:
            return self._fixed[name]
        symbol = self._names.get(name)
        if symbol is None:
            symbol = self._names[name] = _identifier(name, self._names.values())
        key = name if name in self._dims else symbol
        given = self._dims.get(key, (1, None, 1))
        self._used.add(key)
        if isinstance(given, int):
            if given < 0:
                raise UsageError(f"dim {name!r} cannot be {given}")
            return given
        try:
            found = Symbol(symbol, given[0], given[1], given[2])
        except ValueError as error:
            raise UsageError(f"dim {name!r}: {error}") from None
        if isinstance(found.expr, Expr):
            self.symbols[symbol] = found
        return found.expr


def tensor_type(info: ValueInfoProto) -> TypeProto.Tensor:
    """The tensor type of an input; InvalidModel without one, `UnsupportedInput` for other kinds."""
    kind = info.type.WhichOneof("value")
    if kind is None:
        raise InvalidModel(f"input {info.name} has no type")
    if kind != "tensor_type":
        raise UnsupportedInput(f"input of type {kind.removesuffix('_type')}")
    return info.type.tensor_type


class UnsupportedInput(Exception):
    """A graph input that is not a dense tensor."""


def _identifier(name: str, taken: Iterable[str]) -> str:
    base = re.sub(r"\W", "_", name, flags=re.ASCII) or "dim"
    if base[0].isdigit() or keyword.iskeyword(base) or base in ("min", "max"):
        base = f"d_{base}"
    unique, count = base, 1
    while unique in set(taken):
        count += 1
        unique = f"{base}_{count}"
    return unique
