"""Elements of constants as text, and back; every value of every dtype survives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fusec.ir.constant import Constant
from fusec.ir.types import BOOL, COMPLEX, INT, DType, Tensor


def scalar_text(value: bool | int | float) -> str:
    """``true``, ``1``, ``1.0``, ``inf``, ``nan``."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(float(value)) if isinstance(value, float) else str(int(value))


def array_text(data: Constant) -> str:
    """A scalar as it stands, other elements in one flat list."""
    elements = data.array.reshape(-1)
    if data.is_literal:
        return _element_text(elements[0], data)
    return f"[{', '.join(_element_text(e, data) for e in elements)}]"


def _element_text(element: Any, data: Constant) -> str:
    dtype = data.type.dtype
    if dtype.kind == COMPLEX:
        return f"complex({float(element.real)!r}, {float(element.imag)!r})"
    if not dtype.is_float:
        return scalar_text(bool(element) if dtype.kind == BOOL else int(element))
    if element != element:
        return _nan_text(element)
    if dtype.bits == 64:
        return repr(float(element))
    return _shortest(np.float32(element))


def _shortest(value: np.float32) -> str:
    """The fewest digits that read back as the same float32, spelled as Python does."""
    text = str(value)
    return text if any(c in text for c in ".einf") else f"{text}.0"


def _nan_text(element: Any) -> str:
    """NaNs of other bits than the usual ones keep them."""
    bits = np.asarray(element).tobytes()
    usual = np.asarray(np.nan).astype(element.dtype).tobytes()
    return "nan" if bits == usual else f"nan(0x{bits[::-1].hex()})"


def read_array(elements: Sequence[tuple[str, ...]], type: Tensor) -> Constant:
    """The constant of a static type from its elements, each as the numbers it is written with.

    ValueError, OverflowError or KeyError when they do not fit.
    """
    shape = tuple([int(d) for d in type.shape if isinstance(d, int)])
    values = [read_element(parts, type.dtype) for parts in elements]
    return Constant(np.array(values, dtype=type.dtype.numpy).reshape(shape))


def read_element(parts: tuple[str, ...], dtype: DType) -> Any:
    """One element of the dtype, rounded once; ValueError or OverflowError if it does not fit."""
    if dtype.kind == COMPLEX:
        real, imag = map(float, parts)
        return dtype.numpy.type(complex(real, imag))
    (text,) = parts
    if dtype.kind == BOOL:
        return {"true": True, "false": False}[text]
    if not dtype.is_float:
        low = -(1 << (dtype.bits - 1)) if dtype.kind == INT else 0
        if not low <= int(text) < low + (1 << dtype.bits):
            raise OverflowError(text)
        return np.array(int(text)).astype(dtype.numpy)[()]
    if text.startswith("nan("):
        bits = bytes.fromhex(text[6:-1])[::-1]
        return np.frombuffer(bits, dtype.numpy)[0]
    wide = float(text) if dtype.bits == 64 else np.float32(text)
    return np.asarray(wide).astype(dtype.numpy)[()]
