"""How the reference semantics hold data in torch.

torch computes on fewer dtypes than fusec has. Each value has one torch dtype (`torch_dtype`);
where torch cannot compute on it, ops compute on a wider dtype and round or wrap once at the end:

- floats below 32 bits compute as float32, as torch itself does for halves;
- uint16 and uint32 compute as int64; uint64 as int64 of the same bits or in numpy;
- int4 and uint4 are held in int8 and uint8, float4 in float32; `settle` keeps them in range.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import ml_dtypes
import numpy as np

from fusec.ir.constant import Constant
from fusec.ir.lazy import torch
from fusec.ir.op import Attrs
from fusec.ir.types import DType

if TYPE_CHECKING:
    import torch as _torch

    TorchTensor = _torch.Tensor
    TorchDType = _torch.dtype

_HELD_IN = {"int4": "int8", "uint4": "uint8", "float4_e2m1fn": "float32"}


@cache
def torch_dtype(dtype: DType) -> TorchDType:
    """The torch dtype that holds values of ``dtype``."""
    found: TorchDType = getattr(torch, _HELD_IN.get(dtype.name, dtype.name))
    return found


@cache
def _moved_as() -> dict[TorchDType, TorchDType]:
    """dtypes that torch only stores, and the plain dtype of the same size to move their bits in."""
    table = {torch.uint16: torch.int16, torch.uint32: torch.int32, torch.uint64: torch.int64}
    for name in ("e4m3fn", "e4m3fnuz", "e5m2", "e5m2fnuz", "e8m0fnu"):
        table[getattr(torch, f"float8_{name}")] = torch.uint8
    return table


@cache
def _computed_as() -> dict[TorchDType, TorchDType]:
    table = {dtype: torch.float32 for dtype in _moved_as() if dtype.is_floating_point}
    table |= {torch.float16: torch.float32, torch.bfloat16: torch.float32}
    table |= {torch.uint16: torch.int64, torch.uint32: torch.int64}
    return table


def movable(x: TorchTensor) -> TorchTensor:
    """The same bits in a dtype that every torch data movement supports."""
    plain = _moved_as().get(x.dtype)
    return x if plain is None else x.view(plain)


def computable(x: TorchTensor) -> TorchTensor:
    """The values in a dtype that torch computes on; uint64 becomes int64 of the same bits."""
    if x.dtype is torch.uint64:
        return x.view(torch.int64)
    wide = _computed_as().get(x.dtype)
    return x if wide is None else x.to(wide)


def ordered(x: TorchTensor) -> TorchTensor:
    """Values that compare as those of ``x`` do, in a dtype that torch compares; see `unordered`."""
    if x.dtype is torch.uint64:
        return x.view(torch.int64) ^ torch.iinfo(torch.int64).min
    if x.dtype is torch.bool:
        return x.to(torch.uint8)
    wide = _computed_as().get(x.dtype)
    return x if wide is None else x.to(wide)


def unordered(x: TorchTensor, dtype: TorchDType) -> TorchTensor:
    """The inverse of `ordered`."""
    if dtype is torch.uint64:
        return (x ^ torch.iinfo(torch.int64).min).view(torch.uint64)
    return x.to(dtype)


def back(x: TorchTensor, dtype: TorchDType) -> TorchTensor:
    """A computed result in the dtype that holds it: floats round, integers wrap."""
    if x.dtype is dtype:
        return x
    if dtype is torch.uint64 and x.dtype is torch.int64:
        return x.view(torch.uint64)
    if dtype.is_floating_point and dtype.itemsize == 1:
        return round_float8(x, dtype)
    return x.to(dtype)


def round_float8(x: TorchTensor, dtype: TorchDType) -> TorchTensor:
    """Round to nearest even; what overflows becomes infinity or, where there is none, NaN.

    torch saturates some of these casts (and not in every version), ml_dtypes none.
    """
    name = str(dtype).removeprefix("torch.")
    wide = x if x.dtype is torch.float64 else x.to(torch.float32)
    rounded = wide.contiguous().numpy().astype(getattr(ml_dtypes, name))
    return torch.from_numpy(np.asarray(rounded).view(np.uint8)).view(dtype)


def lowest(dtype: TorchDType) -> Any:
    """The identity of max: minus infinity, or the smallest integer."""
    if dtype is torch.bool:
        return False
    return float("-inf") if dtype.is_floating_point else torch.iinfo(dtype).min


def highest(dtype: TorchDType) -> Any:
    """The identity of min: infinity, or the largest integer."""
    if dtype is torch.bool:
        return True
    return float("inf") if dtype.is_floating_point else torch.iinfo(dtype).max


def settle(x: TorchTensor, dtype: DType) -> TorchTensor:
    """Bring a result into the range of a 4-bit dtype; others are returned as they are."""
    if dtype.bits >= 8:
        return x
    if dtype.name == "int4":
        return ((x & 15) ^ 8) - 8
    if dtype.name == "uint4":
        return x & 15
    array = x.to(torch.float32).numpy().astype(dtype.numpy).astype(np.float32)
    return torch.from_numpy(np.asarray(array))


_CONVERTED = {"int4": np.int8, "float4_e2m1fn": np.float32}
_VIEWED_AS = {
    "bfloat16": np.int16,
    "uint4": np.uint8,
    "float8_e4m3fn": np.uint8,
    "float8_e4m3fnuz": np.uint8,
    "float8_e5m2": np.uint8,
    "float8_e5m2fnuz": np.uint8,
    "float8_e8m0fnu": np.uint8,
}


def to_torch(constant: Constant) -> TorchTensor:
    """The constant as a CPU tensor on the same memory (but for 4-bit types). Do not write to it."""
    return array_to_torch(constant.array, constant.type.dtype)


def array_to_torch(array: np.ndarray[Any, Any], dtype: DType) -> TorchTensor:
    """A numpy array as a tensor that shares its memory where strides and dtype allow."""
    if dtype.name in _CONVERTED:
        return torch.from_numpy(np.array(array, dtype=_CONVERTED[dtype.name]))
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    if any(s < 0 or s % array.itemsize for s in array.strides):
        array = array.copy()
    plain = _VIEWED_AS.get(dtype.name)
    viewed = array if plain is None else array.view(plain)
    return _from_numpy(viewed).view(torch_dtype(dtype))


def _from_numpy(array: np.ndarray[Any, Any]) -> TorchTensor:
    """`torch.from_numpy` without its warning about read-only memory (memory maps)."""
    if array.flags.writeable or array.size == 0:
        return torch.from_numpy(array if array.size else np.array(array))
    interface = dict(array.__array_interface__)
    interface["data"] = (interface["data"][0], False)
    return torch.from_numpy(np.asarray(_Holder(interface, array)))


class _Holder:
    """Keeps the owner of borrowed memory alive."""

    def __init__(self, interface: dict[str, Any], owner: object) -> None:
        self.__array_interface__ = interface
        self.owner = owner


def to_numpy(x: TorchTensor, dtype: DType) -> np.ndarray[Any, Any]:
    """The inverse of `array_to_torch`: an array of ``dtype`` that shares memory where it can."""
    x = x.detach().cpu()
    if dtype.name in _CONVERTED:
        return np.asarray(x.numpy()).astype(dtype.numpy)
    plain = _VIEWED_AS.get(dtype.name)
    if plain is None:
        return np.asarray(x.numpy())
    bits = x.contiguous().view(getattr(torch, np.dtype(plain).name))
    return np.asarray(bits.numpy()).view(dtype.numpy)


def flat_padding(pairs: Sequence[Sequence[int]]) -> list[int]:
    """Padding in the order of `torch.nn.functional.pad`: the last dim first."""
    return [side for pair in reversed(pairs) for side in pair]


def windows(x: TorchTensor, kernel: Sequence[int], attrs: Attrs, fill: Any) -> TorchTensor:
    """A view [N, C, *out, *kernel] of x[N, C, *S], padded, at each place of a sliding window.

    ``attrs``: padding, strides, dilations.
    """
    padded = torch.nn.functional.pad(x, flat_padding(attrs["padding"]), value=fill).contiguous()
    steps = padded.stride()[2:]
    strides, dilations = attrs["strides"], attrs["dilations"]
    settings = zip(padded.shape[2:], kernel, strides, dilations, strict=True)
    out = [(size - d * (k - 1) - 1) // s + 1 for size, k, s, d in settings]
    moving = [step * s for step, s in zip(steps, strides, strict=True)]
    inside = [step * d for step, d in zip(steps, dilations, strict=True)]
    return padded.as_strided(
        [*x.shape[:2], *out, *kernel], [*padded.stride()[:2], *moving, *inside]
    )
