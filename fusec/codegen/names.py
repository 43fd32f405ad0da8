"""Python names for tiles, buffers and kernels; element types as Triton spells them."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable

from fusec.ir.types import DType

RESERVED = frozenset({"tl", "triton", "range", "float", "pid"})

_TRITON = {
    "bool": "int1",
    "int4": "int8",  # sub-byte integers are stored one to a byte
    "uint4": "uint8",
    "float8_e4m3fn": "uint8",  # float8 is held as its bits
    "float8_e4m3fnuz": "uint8",
    "float8_e5m2": "uint8",
    "float8_e5m2fnuz": "uint8",
}

_SIGNATURE = {
    "int1": "i1",
    "float16": "fp16",
    "bfloat16": "bf16",
    "float32": "fp32",
    "float64": "fp64",
}


def triton_name(dtype: DType) -> str:
    """The name of the element type in ``triton.language`` (``float32``, ``int1``)."""
    return _TRITON.get(dtype.name, dtype.name)


def tl(dtype: DType) -> str:
    """The element type as written in a kernel: ``tl.float32``."""
    return f"tl.{triton_name(dtype)}"


def signature_name(dtype: DType) -> str:
    """The element type in a compile signature: ``fp32``, ``i8``, ``u8``, ``i1``."""
    name = triton_name(dtype)
    return _SIGNATURE.get(name, name.replace("uint", "u").replace("int", "i"))


def identifier(text: str) -> str:
    """A Python identifier like ``text``: other characters become underscores."""
    name = re.sub(r"\W+", "_", text, flags=re.ASCII).strip("_") or "v"
    if name[0].isdigit():
        name = f"v{name}"
    return f"{name}_" if keyword.iskeyword(name) or name in RESERVED else name


class Namer:
    """Gives every thing of a kernel its own name."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = set(taken)

    def __call__(self, text: str) -> str:
        """An unused identifier like ``text``, numbered if it is taken."""
        base = identifier(text)
        name, count = base, 1
        while name in self._taken:
            count += 1
            name = f"{base}_{count}"
        self._taken.add(name)
        return name
