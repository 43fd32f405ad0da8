"""``TensorProto`` to numpy: views of the model file or its external data where possible.

Sub-byte types are unpacked to one element a byte, as fusec stores them.
"""

from __future__ import annotations

import math
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
from onnx import TensorProto, numpy_helper

from fusec.errors import EnvironmentProblem, InvalidModel
from fusec.frontend.onnx.wire import MAPPED
from fusec.ir.types import DType, dtype

Array = np.ndarray[Any, Any]

DTYPES: dict[int, DType] = {
    TensorProto.BOOL: dtype("bool"),
    TensorProto.INT4: dtype("i4"),
    TensorProto.INT8: dtype("i8"),
    TensorProto.INT16: dtype("i16"),
    TensorProto.INT32: dtype("i32"),
    TensorProto.INT64: dtype("i64"),
    TensorProto.UINT4: dtype("u4"),
    TensorProto.UINT8: dtype("u8"),
    TensorProto.UINT16: dtype("u16"),
    TensorProto.UINT32: dtype("u32"),
    TensorProto.UINT64: dtype("u64"),
    TensorProto.FLOAT16: dtype("f16"),
    TensorProto.BFLOAT16: dtype("bf16"),
    TensorProto.FLOAT: dtype("f32"),
    TensorProto.DOUBLE: dtype("f64"),
    TensorProto.FLOAT8E4M3FN: dtype("f8e4m3fn"),
    TensorProto.FLOAT8E4M3FNUZ: dtype("f8e4m3fnuz"),
    TensorProto.FLOAT8E5M2: dtype("f8e5m2"),
    TensorProto.FLOAT8E5M2FNUZ: dtype("f8e5m2fnuz"),
    TensorProto.COMPLEX64: dtype("c64"),
    TensorProto.COMPLEX128: dtype("c128"),
}
# Types that older releases of onnx do not have.
for _name, _short in (("FLOAT8E8M0", "f8e8m0fnu"), ("FLOAT4E2M1", "f4e2m1fn")):
    if _name in TensorProto.DataType.keys():  # noqa: SIM118  (an enum wrapper, not a dict)
        DTYPES[TensorProto.DataType.Value(_name)] = dtype(_short)

_UNPACK: dict[str, Callable[[Array], tuple[Array, Array]]] = {
    "uint4": lambda raw: (raw & 15, raw >> 4),
    "float4_e2m1fn": lambda raw: (raw & 15, raw >> 4),
    "int4": lambda raw: ((raw << 4).view(np.int8) >> 4, raw.view(np.int8) >> 4),
}


class NoSuchType(Exception):
    """The element type is valid ONNX but fusec has none (strings, 2-bit and 6-bit types)."""


def element_type(code: int, what: str) -> DType:
    """The dtype of an ONNX element type; InvalidModel or `NoSuchType` if there is none."""
    found = DTYPES.get(code)
    if found is not None:
        return found
    if code in TensorProto.DataType.values() and code != TensorProto.UNDEFINED:
        raise NoSuchType(f"element type {TensorProto.DataType.Name(code)}")
    raise InvalidModel(f"{what} has unknown element type {code}")


class Payloads:
    """Where tensor bytes stand: the mapped model file itself, and files beside it."""

    def __init__(self, model: memoryview | None, path: Path | None) -> None:
        self._model = model
        self._folders: tuple[Path, ...] = ()
        if path is not None:
            # A model may be a link into a cache, with its data files beside the link or the target.
            folders = (path.absolute().parent, path.resolve().parent)
            self._folders = tuple(dict.fromkeys(f.resolve() for f in folders))
            self._base = folders[0]
        self._files: dict[str, Array] = {}

    def array(self, tensor: TensorProto, what: str) -> Array:
        """The data of a tensor, read-only by convention; InvalidModel or `NoSuchType`."""
        kind = element_type(tensor.data_type, what)
        shape = tuple(tensor.dims)
        if any(d < 0 for d in shape):
            raise InvalidModel(f"{what} has a negative dimension: {list(shape)}")
        if tensor.HasField("segment"):
            raise InvalidModel(f"{what} is stored in segments, which no tool reads")
        if tensor.data_location == TensorProto.EXTERNAL:
            return _view(self._external(tensor, what), kind, shape, what)
        if tensor.HasField("raw_data"):
            raw = np.frombuffer(tensor.raw_data, np.uint8)
            return _view(raw, kind, shape, what)
        try:
            # Typed fields: int32_data holds bool, small integers and 16-bit floats as well.
            return np.asarray(numpy_helper.to_array(tensor)).reshape(shape)
        except (ValueError, TypeError) as error:
            raise InvalidModel(f"{what}: data does not fit shape {list(shape)}: {error}") from None

    def _external(self, tensor: TensorProto, what: str) -> Array:
        entries = {e.key: e.value for e in tensor.external_data}
        if self._model is not None and MAPPED in entries:
            start, _, length = entries[MAPPED].partition(":")
            offset, size = _window(start, length, what)
            return _slice(np.frombuffer(self._model, np.uint8), offset, size, what, "the model")
        location = entries.get("location")
        if not location:
            raise InvalidModel(f"{what} is stored outside the model but names no file")
        data = self._file(location, what)
        offset, size = _window(entries.get("offset", "0"), entries.get("length", "-1"), what)
        return _slice(data, offset, size, what, f"external data file {location!r}")

    def _file(self, location: str, what: str) -> Array:
        known = self._files.get(location)
        if known is None:
            known = self._files[location] = _map(self._resolve(location, what), location, what)
        return known

    def _resolve(self, location: str, what: str) -> Path:
        if not self._folders:
            raise InvalidModel(
                f"{what} is stored in external data file {location!r}, but the model was not "
                "read from a file",
                hint="pass the model's path",
            )
        if "\0" in location or Path(location).is_absolute() or ".." in Path(location).parts:
            raise InvalidModel(f"{what}: external data path {location!r} leaves the model's folder")
        path = (self._base / location).resolve()
        if not any(path.is_relative_to(folder) for folder in self._folders):
            raise InvalidModel(f"{what}: external data path {location!r} leaves the model's folder")
        return path


def _window(offset: str, size: str, what: str) -> tuple[int, int]:
    try:
        pair = int(offset), int(size)
    except ValueError:
        raise InvalidModel(f"{what}: external data offset or length is not a number") from None
    if pair[0] < 0 or pair[1] < -1:
        raise InvalidModel(f"{what}: external data offset {offset} or length {size} is negative")
    return pair


def _slice(data: Array, offset: int, size: int, what: str, where: str) -> Array:
    end = data.size if size < 0 else offset + size
    if offset > data.size or end > data.size:
        raise InvalidModel(
            f"{what} needs bytes {offset} to {end} of {where}, which has {data.size}",
            hint="the file is truncated or belongs to another model",
        )
    return data[offset:end]


def _map(path: Path, location: str, what: str) -> Array:
    missing = InvalidModel(
        f"{what} is stored in external data file {location!r}, which does not exist",
        hint=f"put it at {path}",
    )
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            raise InvalidModel(f"{what}: external data path {location!r} is not a file")
        if status.st_size == 0:
            return np.empty(0, np.uint8)
        # Copy on write: pages stay shared with the file and nothing can write to it.
        return np.memmap(path, np.uint8, "c")
    except FileNotFoundError:
        raise missing from None
    except OSError as error:
        raise EnvironmentProblem(f"cannot read {path}: {error.strerror}") from None


def _view(raw: Array, kind: DType, shape: tuple[int, ...], what: str) -> Array:
    count = math.prod(shape)
    unpack = _UNPACK.get(kind.name)
    expected = (count + 1) // 2 if unpack else count * kind.itemsize
    if raw.size < expected or raw.size > expected:
        raise InvalidModel(
            f"{what} has {raw.size} bytes of data, but {kind.name} of shape {list(shape)} "
            f"takes {expected}"
        )
    if unpack is None:
        return np.asarray(raw.view(np.ndarray).view(kind.numpy).reshape(shape))
    low, high = unpack(raw.view(np.ndarray))
    flat = np.stack([low, high], axis=1).reshape(-1)[:count]
    if kind.name == "float4_e2m1fn":
        return np.asarray(flat.view(ml_dtypes.float4_e2m1fn).reshape(shape))
    return np.asarray(flat.astype(kind.numpy).reshape(shape))
