"""The entries of a plan file, and the types of those that are JSON. The codec checks them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fusec.ir.graph import Graph, Value
from fusec.ir.storage import MemoryPlan, Root
from fusec.ir.sym import Symbol
from fusec.plan.plan import Launch
from fusec.plan.tensors import TensorInfo

FORMAT = 1  # of what this version writes
READER = 1  # the oldest reader that understands it

MANIFEST = "manifest.json"
GRAPH = "graph.txt"
MEMORY = "memory.json"
WEIGHTS = "weights.safetensors"
GOLDEN = "golden.json"
GOLDEN_TENSORS = "golden.safetensors"
TRACE = "trace.jsonl"

_KERNEL_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,199}")
_TARGET_NAME = re.compile(r"[a-z][a-z0-9_]{0,49}")


@dataclass(frozen=True)
class Port:
    """An input or output: name, dtype in short, dims as text over the plan's symbols."""

    name: str
    dtype: str
    shape: tuple[str, ...]


@dataclass(frozen=True)
class SymbolRange:
    """A symbol of the plan; ``below`` is a dim as text."""

    name: str
    lo: int
    hi: int | None
    divisor: int
    below: str | None


@dataclass(frozen=True)
class EntryInfo:
    """Size and hash of an entry; of a file of weights the hash covers its header only."""

    size: int
    sha256: str


@dataclass(frozen=True)
class BinaryInfo:
    """A compiled kernel in the archive: ``binaries/TARGET/NAME.FORMAT``."""

    kernel: str
    target: str
    format: str


@dataclass(frozen=True)
class Manifest:
    """``manifest.json``. ``reader``: the oldest format version that a reader must know."""

    format: int
    reader: int
    producer: Mapping[str, str]
    options: Mapping[str, Any]
    summary: Mapping[str, Any]
    targets: tuple[str, ...]
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    symbols: tuple[SymbolRange, ...]
    kernels: tuple[str, ...]
    binaries: tuple[BinaryInfo, ...]
    launches: tuple[Launch, ...]
    entries: Mapping[str, EntryInfo]
    weights: Mapping[str, TensorInfo]
    golden: Mapping[str, TensorInfo] | None


@dataclass(frozen=True)
class MemoryFile:
    """``memory.json``."""

    roots: tuple[Root, ...]
    plan: MemoryPlan


@dataclass(frozen=True)
class GoldenFile:
    """``golden.json``; the tensors are named ``input/NAME`` and ``output/NAME``."""

    tool: str
    version: str
    seed: int
    tolerances: Mapping[str, float]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def tile_entry(kernel: str) -> str:
    """The entry of a kernel's tile program."""
    return f"kernels/{kernel}.tile"


def source_entry(kernel: str) -> str:
    """The entry of a kernel's Triton source."""
    return f"kernels/{kernel}.py"


def binary_entry(info: BinaryInfo) -> str:
    """The entry of a binary's machine code."""
    return f"binaries/{info.target}/{info.kernel}.{info.format}"


def launch_entry(info: BinaryInfo) -> str:
    """The entry of a binary's launch metadata."""
    return f"binaries/{info.target}/{info.kernel}.json"


def expected_entries(manifest: Manifest) -> tuple[str, ...]:
    """Every entry but the manifest, in the order of the file."""
    names = [GRAPH, MEMORY]
    for kernel in manifest.kernels:
        names += [tile_entry(kernel), source_entry(kernel)]
    for binary in manifest.binaries:
        names += [binary_entry(binary), launch_entry(binary)]
    names += [WEIGHTS]
    names += [GOLDEN, GOLDEN_TENSORS] if manifest.golden is not None else []
    return (*names, TRACE)


def ports(values: Mapping[str, Value]) -> tuple[Port, ...]:
    """Named values as they stand in a manifest."""
    return tuple(
        Port(name, v.type.dtype.short, tuple(str(d) for d in v.type.shape))
        for name, v in values.items()
    )


def symbol_ranges(graph: Graph) -> tuple[SymbolRange, ...]:
    """The graph's symbols as they stand in a manifest."""
    return tuple(_symbol_range(s) for s in graph.symbols.values())


def _symbol_range(s: Symbol) -> SymbolRange:
    return SymbolRange(s.name, s.lo, s.hi, s.divisor, None if s.below is None else str(s.below))


def name_problem(manifest: Manifest) -> str:
    """What is wrong with a name that becomes part of a path; empty when nothing is."""
    for kernel in manifest.kernels:
        if not _KERNEL_NAME.fullmatch(kernel):
            return f"{kernel!r} is no name for a kernel"
    for binary in manifest.binaries:
        if binary.kernel not in manifest.kernels:
            return f"there is a binary of an unknown kernel {binary.kernel!r}"
        if not _TARGET_NAME.fullmatch(binary.target) or binary.format not in ("cubin", "hsaco"):
            return f"{binary.target!r}, {binary.format!r} is no binary"
    entries = expected_entries(manifest)
    if len(set(entries)) != len(entries):
        return "a kernel or binary stands twice"
    return ""
