"""Tensors in the safetensors format, mapped in place and checked one by one when first read.

Format: https://huggingface.co/docs/safetensors (8 bytes length, JSON header, data without holes).
What it has no dtype for is stored in one of the same size; the manifest tells the real dtype.
Sub-byte types are stored one to a byte.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusec.ir.constant import Constant
from fusec.ir.sym import product
from fusec.ir.types import DType, Tensor, from_numpy
from fusec.plan.json_data import CodecError, check_keys, expect, from_json, to_json

Array = NDArray[Any]
Bytes = NDArray[np.uint8]

_CHUNK = 1 << 24
_HEADER_ALIGNMENT = 64
_STORED_AS = {
    "bool": "BOOL",
    "int8": "I8",
    "int16": "I16",
    "int32": "I32",
    "int64": "I64",
    "uint8": "U8",
    "uint16": "U16",
    "uint32": "U32",
    "uint64": "U64",
    "float16": "F16",
    "bfloat16": "BF16",
    "float32": "F32",
    "float64": "F64",
    "float8_e4m3fn": "F8_E4M3",
    "float8_e5m2": "F8_E5M2",
    "float8_e8m0fnu": "F8_E8M0",
    "complex64": "C64",
}


@dataclass(frozen=True)
class TensorInfo:
    """What the manifest says of one tensor."""

    dtype: DType
    shape: tuple[int, ...]
    sha256: str


def tensor_info(array: Array) -> TensorInfo:
    """The manifest's record of an array (reads all of it)."""
    digest = hashlib.sha256()
    for chunk in _chunks(array):
        digest.update(chunk)
    shape = tuple(int(d) for d in array.shape)
    return TensorInfo(from_numpy(array.dtype), shape, digest.hexdigest())


def stream_tensors(arrays: Mapping[str, Array]) -> Iterator[bytes | memoryview]:
    """The pieces of a safetensors file: its header, then the data, widest elements first."""
    names = _ordered(arrays)
    header: dict[str, Any] = {}
    at = 0
    for name in names:
        end = at + _nbytes(arrays[name])
        header[name] = _header_item(arrays[name], at, end)
        at = end
    text = to_json(header).rstrip()
    text += b" " * (-(8 + len(text)) % _HEADER_ALIGNMENT)
    yield len(text).to_bytes(8, "little") + text
    for name in names:
        yield from _chunks(arrays[name])


def _ordered(arrays: Mapping[str, Array]) -> list[str]:
    """Wide elements first: every tensor is then aligned to its element size."""
    return sorted(arrays, key=lambda name: (-from_numpy(arrays[name].dtype).itemsize, name))


def _nbytes(array: Array) -> int:
    return array.size * from_numpy(array.dtype).itemsize


def _header_item(array: Array, start: int, end: int) -> dict[str, Any]:
    kind, shape = _stored_form(from_numpy(array.dtype), array.shape)
    return {"dtype": kind, "shape": [int(d) for d in shape], "data_offsets": [start, end]}


def _stored_form(kind: DType, shape: tuple[int, ...]) -> tuple[str, tuple[int, ...]]:
    if kind.name == "complex128":
        return "F64", (*shape, 2)
    return _STORED_AS.get(kind.name, "I8" if kind.name == "int4" else "U8"), shape


def _chunks(array: Array) -> Iterator[memoryview]:
    """The bytes in row-major order; copies at most one piece of an array that is not dense."""
    if array.flags.c_contiguous:
        flat = array.reshape(-1).view(np.uint8)
        for start in range(0, flat.size, _CHUNK):
            yield flat[start : start + _CHUNK].data
        return
    if array.nbytes <= _CHUNK or array.ndim == 0:
        yield np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
        return
    for part in array:
        yield from _chunks(part)


# -- reading -------------------------------------------------------------------------------------


class StoredConstant(Constant):
    """A tensor mapped from a plan, whose hash is checked when its data is first read."""

    __slots__ = ("_checked", "_fail", "_info", "_mapped")

    def __init__(
        self, mapped: Array, name: str, info: TensorInfo, fail: Callable[[str], Exception]
    ) -> None:
        self._mapped = mapped
        self._info = info
        self._fail = fail
        self._checked = False
        self.name = name

    @property
    def array(self) -> Array:  # type: ignore[override]
        """The data; raises InvalidPlan the first time if its hash is wrong."""
        if not self._checked:
            if tensor_info(self._mapped).sha256 != self._info.sha256:
                raise self._fail(f"tensor {self.name} is damaged (its sha256 differs)")
            self._checked = True
        return self._mapped

    @property
    def type(self) -> Tensor:
        return Tensor(self._info.dtype, self._info.shape)

    @property
    def is_literal(self) -> bool:
        return not self._info.shape

    def __eq__(self, other: object) -> bool:
        return self is other or super().__eq__(other)

    def __hash__(self) -> int:
        return hash((self._mapped.dtype.name, self._mapped.shape))


def map_tensors(
    data: Bytes, infos: Mapping[str, TensorInfo], header_sha256: str
) -> dict[str, Array]:
    """The arrays of a safetensors file as views of its bytes.

    CodecError when the header is not that of ``header_sha256`` and ``infos``, or a tensor lies
    outside the data.
    """
    length = int.from_bytes(data[:8].tobytes(), "little")
    if data.size < 8 or length > data.size - 8:
        raise CodecError("$", "the header is cut off")
    head = data[: 8 + length].tobytes()
    if hashlib.sha256(head).hexdigest() != header_sha256:
        raise CodecError("$", "the header is not what the manifest says (its sha256 differs)")
    header = expect(from_json(head[8:]), dict, "$")
    check_keys(header, list(infos), "$")
    body = data[8 + length :]
    at = 0
    arrays: dict[str, Array] = {}
    for name, item in header.items():
        arrays[name], at = _map_tensor(body, item, infos[name], at, f"$.{name}")
    if at != body.size:
        raise CodecError("$", f"{body.size - at} bytes belong to no tensor")
    return arrays


def _map_tensor(body: Bytes, item: Any, info: TensorInfo, at: int, place: str) -> tuple[Array, int]:
    """One tensor, which must begin at ``at``, and where the next one begins."""
    check_keys(item, ["dtype", "shape", "data_offsets"], place)
    kind, shape = _stored_form(info.dtype, info.shape)
    count = product(info.shape)
    assert isinstance(count, int)
    end = at + count * info.dtype.itemsize
    if item != {"dtype": kind, "shape": list(shape), "data_offsets": [at, end]}:
        raise CodecError(place, "dtype, shape or offsets are not what the manifest says")
    if end > body.size:
        raise CodecError(place, "lies outside the data")
    return body[at:end].view(info.dtype.numpy).reshape(info.shape), end


def header_sha256(arrays: Mapping[str, Array]) -> str:
    """The hash of the header that `stream_tensors` writes first."""
    head = next(iter(stream_tensors(arrays)))
    return hashlib.sha256(head).hexdigest()


__all__ = [
    "StoredConstant",
    "TensorInfo",
    "header_sha256",
    "map_tensors",
    "stream_tensors",
    "tensor_info",
]
