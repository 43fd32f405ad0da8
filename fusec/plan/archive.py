"""The zip archive of a plan: stored entries at 64-byte alignment, the same bytes for equal entries.

Layout: PKWARE's APPNOTE 6.3, with ZIP64 fields where a size or offset needs them. The data of an
entry begins at a multiple of `ALIGNMENT` in the file (an extra field of zeros fills up), so that
tensors can be mapped in place.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import BinaryIO

ALIGNMENT = 64
_DATE = (1 << 5) | 1  # 1980-01-01, the first date that the format knows
_VERSION = 45  # of the format that ZIP64 needs
_UTF8 = 0x800  # names are UTF-8
_MODE = (0o100644 << 16) & 0xFFFFFFFF  # a plain file that anyone may read
_UNIX = 3 << 8
_PADDING_ID = 0xFECA  # of the extra field of zeros
_ZIP64_ID = 1
_LIMIT = 0xFFFFFFFF
_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END64 = struct.Struct("<4sQ2H2I4Q")
_LOCATOR64 = struct.Struct("<4sIQI")
_END = struct.Struct("<4s4H2IH")


@dataclass
class _Entry:
    name: bytes
    offset: int
    size: int = 0
    crc: int = 0


class ArchiveWriter:
    """Writes entries one after another into a binary file that can seek; `finish` ends it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._entries: list[_Entry] = []

    def add(self, name: str, chunks: Iterable[bytes | memoryview]) -> None:
        """Add an entry from pieces of its data, which are written as they come."""
        entry = _Entry(name.encode(), self._file.tell())
        self._file.write(_local_header(entry))
        for chunk in chunks:
            self._file.write(chunk)
            entry.crc = zlib.crc32(chunk, entry.crc)
            entry.size += len(chunk)
        end = self._file.tell()
        self._file.seek(entry.offset)
        self._file.write(_local_header(entry))
        self._file.seek(end)
        self._entries.append(entry)

    def finish(self) -> None:
        """Write the central directory."""
        start = self._file.tell()
        for entry in self._entries:
            self._file.write(_central_header(entry))
        size = self._file.tell() - start
        self._file.write(_end_records(len(self._entries), start, size))


def _local_header(entry: _Entry) -> bytes:
    """Always of the same length for an entry: it is written again when size and crc are known."""
    zip64 = struct.pack("<2H2Q", _ZIP64_ID, 16, entry.size, entry.size)
    used = entry.offset + _LOCAL.size + len(entry.name) + len(zip64) + 4
    padding = -used % ALIGNMENT
    extra = zip64 + struct.pack("<2H", _PADDING_ID, padding) + bytes(padding)
    fields = (_VERSION, _UTF8, 0, 0, _DATE, entry.crc, _LIMIT, _LIMIT)
    return _LOCAL.pack(b"PK\3\4", *fields, len(entry.name), len(extra)) + entry.name + extra


def _central_header(entry: _Entry) -> bytes:
    size, offset, extra = min(entry.size, _LIMIT), min(entry.offset, _LIMIT), b""
    if size == _LIMIT:
        extra += struct.pack("<2Q", entry.size, entry.size)
    if offset == _LIMIT:
        extra += struct.pack("<Q", entry.offset)
    if extra:
        extra = struct.pack("<2H", _ZIP64_ID, len(extra)) + extra
    head = (_UNIX | _VERSION, _VERSION, _UTF8, 0, 0, _DATE, entry.crc, size, size)
    tail = (len(entry.name), len(extra), 0, 0, 0, _MODE, offset)
    return _CENTRAL.pack(b"PK\1\2", *head, *tail) + entry.name + extra


def _end_records(count: int, start: int, size: int) -> bytes:
    records = b""
    if count >= 0xFFFF or start >= _LIMIT or size >= _LIMIT:
        fields = (_UNIX | _VERSION, _VERSION, 0, 0, count, count, size, start)
        records += _END64.pack(b"PK\6\6", _END64.size - 12, *fields)
        records += _LOCATOR64.pack(b"PK\6\7", 0, start + size, 1)
    short = min(count, 0xFFFF)
    return records + _END.pack(
        b"PK\5\6", 0, 0, short, short, min(size, _LIMIT), min(start, _LIMIT), 0
    )
