"""Typed access to ``AttributeProto``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from onnx import AttributeProto


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


_READ: dict[int, Callable[[AttributeProto], Any]] = {
    AttributeProto.INT: lambda a: a.i,
    AttributeProto.FLOAT: lambda a: a.f,
    AttributeProto.STRING: lambda a: _text(a.s),
    AttributeProto.TENSOR: lambda a: a.t,
    AttributeProto.GRAPH: lambda a: a.g,
    AttributeProto.INTS: lambda a: tuple(a.ints),
    AttributeProto.FLOATS: lambda a: tuple(a.floats),
    AttributeProto.STRINGS: lambda a: tuple(map(_text, a.strings)),
    AttributeProto.SPARSE_TENSOR: lambda a: a.sparse_tensor,
}

# Which field tells the kind in files of IR version 1, whose attributes have no type.
_FIELDS = (
    ("f", AttributeProto.FLOAT),
    ("i", AttributeProto.INT),
    ("s", AttributeProto.STRING),
    ("t", AttributeProto.TENSOR),
    ("g", AttributeProto.GRAPH),
)
_LISTS = (
    ("floats", AttributeProto.FLOATS),
    ("ints", AttributeProto.INTS),
    ("strings", AttributeProto.STRINGS),
)


def attribute_kind(proto: AttributeProto) -> int:
    """The declared kind, or the one of the field that is set; UNDEFINED if none is."""
    if proto.type != AttributeProto.UNDEFINED:
        return int(proto.type)
    for name, kind in _FIELDS:
        if proto.HasField(name):
            return kind
    for name, kind in _LISTS:
        if len(getattr(proto, name)):
            return kind
    return AttributeProto.UNDEFINED


def kind_name(kind: int) -> str:
    """The name of an attribute kind for a message."""
    return str(AttributeProto.AttributeType.Name(kind))


def read_attribute(proto: AttributeProto, kind: int) -> Any:
    """The value of an attribute of the given kind; ValueError if it is of another."""
    found = attribute_kind(proto)
    if found != kind:
        raise ValueError(f"attribute {proto.name} is {kind_name(found)}, not {kind_name(kind)}")
    return _READ[kind](proto)
