"""Constant data: a numpy array, memory-mapped wherever it came from a file."""

from __future__ import annotations

import hashlib
from functools import cached_property
from typing import Any

import numpy as np

from fusec.ir.types import DType, Tensor, from_numpy

_SMALL = 16  # elements up to which the data itself is hashed and compared


class Constant:
    """Data of a ``constant`` node. Treat the array as read-only; it may be a memory map.

    ``name`` is the weight's name in text and plan (None for rank-0 literals, which print inline).
    Two constants are equal when dtype, shape and bytes are.
    """

    __slots__ = ("__dict__", "array", "name")

    def __init__(self, array: np.ndarray[Any, Any], name: str | None = None) -> None:
        self.array = array
        self.name = name

    @classmethod
    def scalar(cls, value: bool | int | float | complex, dtype: DType) -> Constant:
        """A rank-0 literal."""
        return cls(np.asarray(value).astype(dtype.numpy))

    @property
    def type(self) -> Tensor:
        return Tensor(from_numpy(self.array.dtype), tuple(int(d) for d in self.array.shape))

    @property
    def is_literal(self) -> bool:
        """Rank 0: printed inline, and allowed inside fused bodies."""
        return self.array.ndim == 0

    def item(self) -> Any:
        """The Python value of a one-element constant."""
        value = self.array.reshape(()).item()
        return value if isinstance(value, bool | int | float | complex) else float(value)

    @cached_property
    def digest(self) -> str:
        """sha256 over dtype, shape and bytes (reads the whole array once)."""
        digest = hashlib.sha256(f"{self.array.dtype.name}{self.array.shape}".encode())
        data = np.ascontiguousarray(self.array).reshape(-1).view(np.uint8)
        for start in range(0, data.nbytes, 1 << 24):
            digest.update(data[start : start + (1 << 24)].data)
        return digest.hexdigest()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Constant):
            return NotImplemented
        if self.array is other.array:
            return True
        if self.array.dtype != other.array.dtype or self.array.shape != other.array.shape:
            return False
        if self.array.size <= _SMALL:
            return self.array.tobytes() == other.array.tobytes()
        return self.digest == other.digest

    def __hash__(self) -> int:
        data = self.array.tobytes() if self.array.size <= _SMALL else b""
        return hash((self.array.dtype.name, self.array.shape, data))

    def __repr__(self) -> str:
        return f"Constant({self.type}, name={self.name!r})"
