"""Splits a serialised ONNX model into its structure and its large payloads, without copying them.

A walk over the protobuf wire format finds every ``raw_data`` (and packed ``float_data`` and
``double_data``, which have the same layout) of at least `THRESHOLD` bytes in a ``TensorProto`` and
drops it from the structure; the tensor then says where the bytes stand, as an external data entry
with the key `MAPPED`. What remains is small and parses with ``onnx`` as usual.

Field numbers: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3
Wire format: https://protobuf.dev/programming-guides/encoding
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

THRESHOLD = 1024
MAPPED = "fusec.mapped"
MAX_DEPTH = 64

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_PAYLOADS = (9, 4, 10)  # raw_data, float_data, double_data

# Message -> field number -> message, for the fields on a path to a tensor.
_MODEL, _GRAPH, _NODE, _ATTRIBUTE, _TENSOR, _SPARSE, _FUNCTION = range(7)
_FIELDS: dict[int, dict[int, int]] = {
    _MODEL: {7: _GRAPH, 25: _FUNCTION},
    _GRAPH: {1: _NODE, 5: _TENSOR, 15: _SPARSE},
    _NODE: {5: _ATTRIBUTE},
    _ATTRIBUTE: {5: _TENSOR, 6: _GRAPH, 10: _TENSOR, 11: _GRAPH, 22: _SPARSE, 23: _SPARSE},
    _TENSOR: {},
    _SPARSE: {1: _TENSOR, 2: _TENSOR},
    _FUNCTION: {7: _NODE},
}


class Truncated(ValueError):
    """The bytes are not a whole protobuf message."""


@dataclass(frozen=True)
class Field:
    """One field of a message: bytes ``[start, end)`` with its tag, ``[body, end)`` without."""

    number: int
    wire_type: int
    start: int
    body: int
    end: int


def split(buffer: memoryview) -> bytes:
    """Return the serialised model without its large payloads; raises `Truncated`."""
    pieces: list[memoryview | bytes] = []
    _copy(buffer, 0, len(buffer), _MODEL, pieces, 0)
    return b"".join(pieces)


def _copy(
    buffer: memoryview,
    start: int,
    end: int,
    message: int,
    pieces: list[memoryview | bytes],
    depth: int,
) -> None:
    if depth > MAX_DEPTH:
        raise Truncated(f"messages nest deeper than {MAX_DEPTH} at byte {start}")
    kept = start  # everything before it is in pieces
    children = _FIELDS[message]
    for field in _fields(buffer, start, end):
        size = field.end - field.body
        if field.wire_type != _BYTES or size < THRESHOLD:
            continue
        child = children.get(field.number)
        if child is not None:
            pieces.append(buffer[kept : field.start])
            nested: list[memoryview | bytes] = []
            _copy(buffer, field.body, field.end, child, nested, depth + 1)
            _append(field.number, nested, pieces)
            kept = field.end
        elif message == _TENSOR and field.number in _PAYLOADS:
            pieces.append(buffer[kept : field.start])
            pieces.append(_location(field.body, size))
            kept = field.end
    pieces.append(buffer[kept:end])


def _append(
    number: int, nested: list[memoryview | bytes], pieces: list[memoryview | bytes]
) -> None:
    pieces.append(_tag(number, sum(map(len, nested))))
    pieces.extend(nested)


def _location(offset: int, size: int) -> bytes:
    """``data_location = EXTERNAL`` and the entry that names the bytes of the model file itself."""
    value = f"{offset}:{size}".encode()
    entry = _tag(1, len(MAPPED)) + MAPPED.encode() + _tag(2, len(value)) + value
    return b"\x70\x01" + _tag(13, len(entry)) + entry


def _tag(number: int, size: int) -> bytes:
    return _varint(number << 3 | _BYTES) + _varint(size)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def _fields(buffer: memoryview, start: int, end: int) -> Iterator[Field]:
    position = start
    while position < end:
        begin = position
        tag, position = _read_varint(buffer, position, end)
        wire_type = tag & 7
        if wire_type == _BYTES:
            size, position = _read_varint(buffer, position, end)
            following = position + size
        elif wire_type == _VARINT:
            following = _read_varint(buffer, position, end)[1]
        elif wire_type in (_FIXED32, _FIXED64):
            following = position + (4 if wire_type == _FIXED32 else 8)
        else:
            raise Truncated(f"unknown wire type {wire_type} at byte {begin}")
        if following > end or tag >> 3 == 0:
            raise Truncated(f"field at byte {begin} does not fit its message")
        yield Field(tag >> 3, wire_type, begin, position, following)
        position = following


def _read_varint(buffer: memoryview, position: int, end: int) -> tuple[int, int]:
    value = shift = 0
    while position < end and shift < 70:
        byte = buffer[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, position
        shift += 7
    raise Truncated(f"the message ends inside a number at byte {position}")
