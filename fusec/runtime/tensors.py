"""Values as bytes in torch buffers: how each dtype is held, loaded and stored.

One element takes ``dtype.itemsize`` bytes. int4 and uint4 are held as int8 and uint8; of float4,
which torch cannot hold, the codes are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fusec.ir.evaluate import array_to_torch, to_numpy, torch_dtype
from fusec.ir.lazy import torch
from fusec.ir.reference import movable
from fusec.ir.types import DType

if TYPE_CHECKING:
    import torch as _torch

    TorchTensor = _torch.Tensor
    TorchDType = _torch.dtype

Array = NDArray[Any]


def held_dtype(dtype: DType) -> TorchDType:
    """The torch dtype of one element in memory."""
    held = torch_dtype(dtype)
    if held.itemsize == dtype.itemsize:
        return held
    plain: TorchDType = torch.uint8
    return plain


def bytes_of(array: Array, dtype: DType) -> TorchTensor:
    """The bytes of an array in row-major order; shares its memory where it can."""
    dense = np.ascontiguousarray(array)
    if held_dtype(dtype) is torch_dtype(dtype):
        return array_to_torch(dense, dtype).reshape(-1).view(torch.uint8)
    codes: TorchTensor = torch.from_numpy(dense.reshape(-1).view(np.uint8).copy())
    return codes


def flat(data: TorchTensor, dtype: DType) -> TorchTensor:
    """A buffer of bytes as elements of ``dtype``; a rest smaller than one element is left out."""
    whole = data.numel() // dtype.itemsize * dtype.itemsize
    return data[:whole].view(held_dtype(dtype))


def strided(
    elements: TorchTensor, shape: Sequence[int], strides: Sequence[int], offset: int
) -> TorchTensor:
    """A window of a flat buffer. A dim of negative stride is copied; ValueError outside it."""
    steps = list(zip(shape, strides, strict=True))
    backwards = [axis for axis, (_, stride) in enumerate(steps) if stride < 0]
    start = offset + sum((size - 1) * stride for size, stride in steps if stride < 0)
    last = start + sum((size - 1) * abs(stride) for size, stride in steps)
    if 0 not in shape and not (start >= 0 and last < elements.numel()):
        raise ValueError(f"elements {start} to {last} of a buffer of {elements.numel()}")
    plain = movable(elements)
    if 0 in shape:
        return plain.new_empty(tuple(shape)).view(elements.dtype)
    at = plain.storage_offset() + start  # torch counts from the start of the allocation
    window = plain.as_strided(tuple(shape), tuple(abs(stride) for stride in strides), at)
    return (window.flip(backwards) if backwards else window).view(elements.dtype)


def load(window: TorchTensor, dtype: DType) -> TorchTensor:
    """What memory holds, as the evaluator holds it."""
    if window.dtype is torch_dtype(dtype):
        return window
    codes = window.cpu().contiguous().numpy().view(dtype.numpy)
    return array_to_torch(codes, dtype).to(window.device)


def store(window: TorchTensor, value: TorchTensor, dtype: DType) -> None:
    """Write what the evaluator holds into memory."""
    if window.dtype is not torch_dtype(dtype):
        codes = np.asarray(to_numpy(value, dtype), order="C").view(np.uint8)
        value = torch.from_numpy(codes)
    movable(window).copy_(movable(value))


def array_of(window: TorchTensor, dtype: DType) -> Array:
    """What memory holds, as a dense numpy array of its own."""
    array = to_numpy(load(window, dtype).contiguous(), dtype)
    return np.array(array, order="C")
