"""Reading a plan's zip archive: every entry is checked before use, and an error names it."""

from __future__ import annotations

import hashlib
import struct
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fusec.errors import EnvironmentProblem, InvalidPlan, UsageError

Bytes = NDArray[np.uint8]

AGAIN = "write the plan again with `fusec optimize`"
_LOCAL = struct.Struct("<4s5H3I2H")
_MOST_ENTRIES = 1 << 16
_MOST_INFLATED = 1 << 26  # bytes of a compressed entry: text of a plan that another tool packed
_ENCRYPTED = 0x1


@dataclass(frozen=True)
class Span:
    """Where the data of an entry stands in the file; ``size`` is that of the data unpacked."""

    name: str
    start: int
    stored: int
    size: int
    crc: int
    is_packed: bool


class Container:
    """The entries of an archive, mapped. InvalidPlan names the entry that is wrong."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.data = _map_file(path)
        self.spans = _spans(path, self.data)

    def error(self, entry: str, reason: object) -> InvalidPlan:
        """The error for an entry."""
        return InvalidPlan(f"{self.path}: {entry}: {reason}", hint=AGAIN)

    def mapped(self, name: str) -> Bytes:
        """The bytes of a stored entry, mapped from the file; not checked."""
        span = self._span(name)
        if span.is_packed:
            raise self.error(name, "is compressed, and cannot be mapped")
        return self.data[span.start : span.start + span.size]

    def read(self, name: str, sha256: str | None = None) -> bytes:
        """The bytes of an entry, checked against the archive's crc and, where given, its hash."""
        span = self._span(name)
        data = self.data[span.start : span.start + span.stored].tobytes()
        if span.is_packed:
            data = self._inflate(span, data)
        if len(data) != span.size or zlib.crc32(data) != span.crc:
            raise self.error(name, "is damaged (its checksum is wrong)")
        if sha256 is not None and hashlib.sha256(data).hexdigest() != sha256:
            raise self.error(name, "is not what the manifest says (its sha256 differs)")
        return data

    def check_entries(self, sizes: Mapping[str, int]) -> None:
        """The archive holds exactly these entries, of these sizes."""
        missing = [name for name in sizes if name not in self.spans]
        unknown = [name for name in self.spans if name not in sizes]
        if missing:
            also = f" (and {unknown[0]!r} is not expected)" if unknown else ""
            raise self.error(missing[0], f"is missing{also}")
        if unknown:
            raise self.error(repr(unknown[0]), "is not an entry of a plan")
        for name, size in sizes.items():
            if self.spans[name].size != size:
                raise self.error(name, f"has {self.spans[name].size} bytes, not {size}")

    def _span(self, name: str) -> Span:
        if name not in self.spans:
            raise self.error(name, "is missing")
        return self.spans[name]

    def _inflate(self, span: Span, data: bytes) -> bytes:
        if span.size > _MOST_INFLATED:
            raise self.error(span.name, f"is compressed and larger than {_MOST_INFLATED} bytes")
        try:
            return zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, span.size + 1)
        except zlib.error as error:
            raise self.error(span.name, f"is damaged ({error})") from None


def _map_file(path: Path) -> Bytes:
    if path.is_dir():
        raise UsageError(f"{path} is a directory", hint="give a plan file")
    try:
        if path.stat().st_size == 0:
            raise InvalidPlan(f"{path} is empty", hint=AGAIN)
        mapped: Bytes = np.memmap(path, np.uint8, mode="r")
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file") from None
    except OSError as error:
        raise EnvironmentProblem(f"cannot read {path}: {error.strerror or error}") from error
    return mapped


def _spans(path: Path, data: Bytes) -> dict[str, Span]:
    infos = _directory(path, data)
    spans: dict[str, Span] = {}
    for info in infos:
        if info.filename in spans:
            raise InvalidPlan(f"{path}: {info.filename!r} stands twice", hint=AGAIN)
        spans[info.filename] = _span(path, data, info)
    previous = None
    for span in sorted(spans.values(), key=lambda s: s.start):
        if previous is not None and span.start < previous.start + previous.stored:
            raise InvalidPlan(f"{path}: {span.name}: overlaps {previous.name}", hint=AGAIN)
        previous = span
    return spans


def _directory(path: Path, data: Bytes) -> list[zipfile.ZipInfo]:
    """The central directory. `zipfile` raises many things for one that is damaged."""
    try:
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
    except OSError as error:
        raise EnvironmentProblem(f"cannot read {path}: {error.strerror or error}") from error
    except Exception as error:
        raise InvalidPlan(f"{path}: {_where_cut(data)} ({error})", hint=AGAIN) from None
    if len(infos) > _MOST_ENTRIES:
        raise InvalidPlan(f"{path}: {len(infos)} entries are too many for a plan", hint=AGAIN)
    return infos


def _span(path: Path, data: Bytes, info: zipfile.ZipInfo) -> Span:
    """Where the data of an entry is, from its local header, which must agree with the directory."""
    name = info.filename
    problem = _unsupported(info)
    if problem:
        raise InvalidPlan(f"{path}: {name!r}: {problem}", hint=AGAIN)
    header = data[info.header_offset : info.header_offset + _LOCAL.size].tobytes()
    if len(header) < _LOCAL.size or header[:4] != b"PK\3\4":
        raise InvalidPlan(f"{path}: {name!r}: has no header where it should be", hint=AGAIN)
    *_, name_size, extra_size = _LOCAL.unpack(header)
    name_at = info.header_offset + _LOCAL.size
    start = name_at + name_size + extra_size
    if data[name_at : name_at + name_size].tobytes() != info.orig_filename.encode():
        raise InvalidPlan(f"{path}: {name!r}: has another name in its header", hint=AGAIN)
    if start + info.compress_size > len(data):
        raise InvalidPlan(f"{path}: {name!r}: is cut off", hint=AGAIN)
    packed = info.compress_type == zipfile.ZIP_DEFLATED
    return Span(name, start, info.compress_size, info.file_size, info.CRC, packed)


def _unsupported(info: zipfile.ZipInfo) -> str:
    """Why an entry cannot be read; empty when it can."""
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return "is compressed in a way that plans do not use"
    if info.flag_bits & _ENCRYPTED:
        return "is encrypted"
    if info.compress_type == zipfile.ZIP_STORED and info.compress_size != info.file_size:
        return "has two different sizes"
    return ""


def _where_cut(data: Bytes) -> str:
    """Walk the entries from the front and name the one in which a file without directory ends."""
    at, last = 0, ""
    while data[at : at + 4].tobytes() == b"PK\3\4" and at + _LOCAL.size <= len(data):
        fields = _LOCAL.unpack(data[at : at + _LOCAL.size].tobytes())
        size, name_size, extra_size = fields[8:]
        name_at = at + _LOCAL.size
        last = data[name_at : name_at + name_size].tobytes().decode(errors="replace")
        extra = data[name_at + name_size : name_at + name_size + extra_size].tobytes()
        if size == 0xFFFFFFFF and extra[:2] == b"\1\0" and len(extra) >= 20:
            size = struct.unpack_from("<Q", extra, 4)[0]
        at = name_at + name_size + extra_size + size
        if at > len(data):
            return f"{last}: is cut off"
    if not last:
        return "is not a plan"
    cut = at + _LOCAL.size > len(data) or data[at : at + 2].tobytes() == b"PK"
    return f"the archive is {'cut off' if cut else 'damaged'} after entry {last}"
