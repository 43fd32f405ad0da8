"""Element types and tensor types. A shape is a tuple of dims: integers or symbolic integers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import ml_dtypes
import numpy as np

from fusec.ir.sym import Dim, product

BOOL, INT, UINT, FLOAT, COMPLEX = "bool", "int", "uint", "float", "complex"


@dataclass(frozen=True, eq=False)
class DType:
    """An element type; each exists once. ``name`` is numpy's and torch's, ``short`` the text's."""

    name: str
    short: str
    kind: str
    bits: int

    @property
    def itemsize(self) -> int:
        """Bytes of one element as stored by fusec (sub-byte types are stored one to a byte)."""
        return max(1, self.bits // 8)

    @property
    def is_float(self) -> bool:
        return self.kind == FLOAT

    @property
    def is_integer(self) -> bool:
        """Signed or unsigned integer; bool is not one."""
        return self.kind in (INT, UINT)

    @cached_property
    def numpy(self) -> np.dtype[Any]:
        """The numpy (or ml_dtypes) dtype that holds it."""
        extension = getattr(ml_dtypes, self.name, None)
        return np.dtype(extension if extension is not None else self.name)

    def __reduce__(self) -> tuple[object, ...]:
        return dtype, (self.name,)

    def __str__(self) -> str:
        return self.short

    def __repr__(self) -> str:
        return self.short


DTYPES: tuple[DType, ...] = (
    DType("bool", "bool", BOOL, 8),
    DType("int4", "i4", INT, 4),
    DType("int8", "i8", INT, 8),
    DType("int16", "i16", INT, 16),
    DType("int32", "i32", INT, 32),
    DType("int64", "i64", INT, 64),
    DType("uint4", "u4", UINT, 4),
    DType("uint8", "u8", UINT, 8),
    DType("uint16", "u16", UINT, 16),
    DType("uint32", "u32", UINT, 32),
    DType("uint64", "u64", UINT, 64),
    DType("float16", "f16", FLOAT, 16),
    DType("bfloat16", "bf16", FLOAT, 16),
    DType("float32", "f32", FLOAT, 32),
    DType("float64", "f64", FLOAT, 64),
    DType("float8_e4m3fn", "f8e4m3fn", FLOAT, 8),
    DType("float8_e4m3fnuz", "f8e4m3fnuz", FLOAT, 8),
    DType("float8_e5m2", "f8e5m2", FLOAT, 8),
    DType("float8_e5m2fnuz", "f8e5m2fnuz", FLOAT, 8),
    DType("float8_e8m0fnu", "f8e8m0fnu", FLOAT, 8),
    DType("float4_e2m1fn", "f4e2m1fn", FLOAT, 4),
    DType("complex64", "c64", COMPLEX, 64),
    DType("complex128", "c128", COMPLEX, 128),
)

_BY_NAME = {d.name: d for d in DTYPES} | {d.short: d for d in DTYPES}
_BY_NUMPY = {d.numpy: d for d in DTYPES}

bool_ = _BY_NAME["bool"]
i8, i16, i32, i64 = (_BY_NAME[n] for n in ("i8", "i16", "i32", "i64"))
u8, u16, u32, u64 = (_BY_NAME[n] for n in ("u8", "u16", "u32", "u64"))
f16, bf16, f32, f64 = (_BY_NAME[n] for n in ("f16", "bf16", "f32", "f64"))


def dtype(name: str) -> DType:
    """The dtype of a long (``float32``) or short (``f32``) name; KeyError if there is none."""
    return _BY_NAME[name]


def from_numpy(numpy_dtype: np.dtype[Any]) -> DType:
    """The dtype of a numpy dtype; KeyError if fusec has none (strings, objects)."""
    return _BY_NUMPY[np.dtype(numpy_dtype)]


@dataclass(frozen=True)
class Tensor:
    """The type of a value: element type and shape."""

    dtype: DType
    shape: tuple[Dim, ...]

    @property
    def rank(self) -> int:
        return len(self.shape)

    @property
    def numel(self) -> Dim:
        """Number of elements."""
        return product(self.shape)

    @property
    def nbytes(self) -> Dim:
        """Bytes of a dense tensor of this type."""
        return self.numel * self.dtype.itemsize

    @property
    def is_static(self) -> bool:
        """Whether every dim is an integer."""
        return all(isinstance(d, int) for d in self.shape)

    def with_shape(self, shape: Iterable[Dim]) -> Tensor:
        return Tensor(self.dtype, tuple(shape))

    def with_dtype(self, new: DType) -> Tensor:
        return Tensor(new, self.shape)

    def __str__(self) -> str:
        return f"{self.dtype}[{', '.join(str(d) for d in self.shape)}]"
