"""Writing a plan: whole or not at all, and byte for byte the same for equal plans."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fusec.errors import InternalError, InvalidText
from fusec.ir.constant import Constant
from fusec.ir.graph import Graph
from fusec.ir.parse import parse_graph
from fusec.ir.text import collect_weights, print_graph
from fusec.plan.archive import ArchiveWriter
from fusec.plan.atomic import whole_file
from fusec.plan.check import find_faults
from fusec.plan.codec import dump
from fusec.plan.json_data import to_json
from fusec.plan.kernel_data import dump_binary, dump_tile
from fusec.plan.plan import Array, Golden, Plan, output_names
from fusec.plan.schema import (
    FORMAT,
    GOLDEN,
    GOLDEN_TENSORS,
    GRAPH,
    MANIFEST,
    MEMORY,
    READER,
    TRACE,
    WEIGHTS,
    BinaryInfo,
    EntryInfo,
    GoldenFile,
    Manifest,
    MemoryFile,
    binary_entry,
    expected_entries,
    launch_entry,
    name_problem,
    ports,
    source_entry,
    symbol_ranges,
    tile_entry,
)
from fusec.plan.tensors import TensorInfo, header_sha256, stream_tensors, tensor_info

Chunks = Iterable[bytes | memoryview]


def write_plan(plan: Plan, path: str | os.PathLike[str]) -> None:
    """Write a plan file.

    InternalError when the parts do not fit together (the memory plan is audited), UsageError for a
    folder as path, EnvironmentProblem for what the disk refuses.
    """
    for entry, fault in find_faults(plan):
        raise InternalError(f"cannot write a plan that is wrong: {entry}: {fault}")
    constants = collect_weights(plan.graph)
    _check_text(plan.graph, constants)
    weights = {name: data.array for name, data in constants.items()}
    golden = _golden_tensors(plan.golden) if plan.golden is not None else {}
    small = _small_entries(plan)
    files = {WEIGHTS: weights} | ({GOLDEN_TENSORS: golden} if plan.golden is not None else {})
    manifest = _manifest(plan, small, files)
    problem = name_problem(manifest)
    if problem:
        raise InternalError(f"cannot write a plan that is wrong: {problem}")
    with whole_file(Path(path)) as file:
        archive = ArchiveWriter(file)
        archive.add(MANIFEST, [dump(manifest, Manifest)])
        for name in expected_entries(manifest):
            chunks: Chunks = stream_tensors(files[name]) if name in files else [small[name]]
            archive.add(name, chunks)
        archive.finish()


def _check_text(graph: Graph, weights: Mapping[str, Constant]) -> None:
    """The text of the graph reads back as the same graph: no plan is written that nobody reads."""
    text = print_graph(graph)
    try:
        same = print_graph(parse_graph(text, weights)) == text
    except InvalidText as error:
        raise InternalError(f"the graph cannot be stored: {error.message}") from error
    if not same:
        raise InternalError("the graph is not the same after it is stored")


def _small_entries(plan: Plan) -> dict[str, bytes]:
    """The data of every entry that is not tensors."""
    graph = plan.graph
    entries = {
        GRAPH: print_graph(graph).encode(),
        MEMORY: dump(MemoryFile(tuple(graph.roots.values()), plan.memory), MemoryFile),
        TRACE: b"".join(to_json(record) for record in plan.trace),
    }
    for kernel in plan.kernels:
        entries[tile_entry(kernel.name)] = dump_tile(kernel)
        entries[source_entry(kernel.name)] = kernel.source.encode()
        for binary in kernel.binaries:
            info = BinaryInfo(kernel.name, binary.target, binary.format)
            entries[binary_entry(info)] = binary.data
            entries[launch_entry(info)] = dump_binary(binary)
    if plan.golden is not None:
        entries[GOLDEN] = dump(_golden_file(plan.golden), GoldenFile)
    return entries


def _manifest(
    plan: Plan, small: Mapping[str, bytes], files: Mapping[str, Mapping[str, Array]]
) -> Manifest:
    graph = plan.graph
    entries = {name: _entry(data) for name, data in small.items()}
    entries |= {name: _tensor_entry(arrays) for name, arrays in files.items()}
    infos = {name: _infos(arrays) for name, arrays in files.items()}
    return Manifest(
        format=FORMAT,
        reader=READER,
        producer=dict(sorted(plan.producer.items())),
        options=_plain(plan.options),
        summary=_plain(plan.summary),
        targets=plan.targets,
        inputs=ports({v.name: v for v in graph.inputs}),
        outputs=ports(dict(zip(output_names(graph), graph.outputs, strict=True))),
        symbols=symbol_ranges(graph),
        kernels=tuple(kernel.name for kernel in plan.kernels),
        binaries=tuple(
            BinaryInfo(k.name, b.target, b.format) for k in plan.kernels for b in k.binaries
        ),
        launches=plan.launches,
        entries=dict(sorted(entries.items())),
        weights=infos[WEIGHTS],
        golden=infos.get(GOLDEN_TENSORS),
    )


def _plain(data: Mapping[str, Any]) -> dict[str, Any]:
    return dict(sorted(data.items()))


def _entry(data: bytes) -> EntryInfo:
    return EntryInfo(len(data), hashlib.sha256(data).hexdigest())


def _tensor_entry(arrays: Mapping[str, Array]) -> EntryInfo:
    head = len(next(iter(stream_tensors(arrays))))
    size = sum(array.nbytes for array in arrays.values())
    return EntryInfo(head + size, header_sha256(arrays))


def _infos(arrays: Mapping[str, Array]) -> dict[str, TensorInfo]:
    return {name: tensor_info(arrays[name]) for name in sorted(arrays)}


def _golden_tensors(golden: Golden) -> dict[str, Array]:
    arrays = {f"input/{name}": np.asarray(array) for name, array in golden.inputs.items()}
    return arrays | {f"output/{name}": np.asarray(array) for name, array in golden.outputs.items()}


def _golden_file(golden: Golden) -> GoldenFile:
    return GoldenFile(
        tool=golden.tool,
        version=golden.version,
        seed=golden.seed,
        tolerances=dict(golden.tolerances),
        inputs=tuple(golden.inputs),
        outputs=tuple(golden.outputs),
    )
