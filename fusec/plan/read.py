"""Reading a plan: every entry is checked before use; a weight tensor when it is first read."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from fusec.errors import InvalidPlan, InvalidText, VerificationError
from fusec.ir.constant import Constant
from fusec.ir.graph import Graph
from fusec.ir.parse import parse_graph
from fusec.ir.verify import verify_graph
from fusec.plan.check import find_faults
from fusec.plan.codec import load
from fusec.plan.container import Container
from fusec.plan.json_data import CodecError, expect, from_json
from fusec.plan.kernel_data import load_binary, load_tile
from fusec.plan.plan import Array, Golden, Plan, output_names
from fusec.plan.schema import (
    FORMAT,
    GOLDEN,
    GOLDEN_TENSORS,
    GRAPH,
    MANIFEST,
    MEMORY,
    TRACE,
    WEIGHTS,
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
from fusec.plan.tensors import StoredConstant, TensorInfo, map_tensors, tensor_info
from fusec.tile.kernel import Binary, Kernel

T = TypeVar("T")
_INPUT, _OUTPUT = "input/", "output/"


def read_plan(path: str | os.PathLike[str]) -> Plan:
    """The plan of a file. InvalidPlan names the entry that is damaged, missing or not understood.

    Weights stay in the file, mapped; keep it in place while the plan is in use.
    """
    return _Reader(Container(Path(path))).plan()


class _Reader:
    """One plan file whose manifest is known to be sound."""

    def __init__(self, container: Container) -> None:
        self.container = container
        data = container.read(MANIFEST)
        _check_version(container, data)
        self.manifest = self._decoded(MANIFEST, lambda: load(data, Manifest))
        problem = name_problem(self.manifest)
        if problem:
            raise container.error(MANIFEST, problem)
        entries = self.manifest.entries
        wrong = sorted(set(entries) ^ set(expected_entries(self.manifest)))
        if wrong:
            raise container.error(MANIFEST, f"lists or lacks an entry {wrong[0]!r}")
        sizes = {MANIFEST: len(data)} | {name: info.size for name, info in entries.items()}
        container.check_entries(sizes)

    def plan(self) -> Plan:
        manifest = self.manifest
        small = {
            name: self.container.read(name, info.sha256)
            for name, info in manifest.entries.items()
            if name not in (WEIGHTS, GOLDEN_TENSORS)
        }
        plan = Plan(
            graph=self._graph(small),
            kernels=tuple(self._kernel(name, small) for name in manifest.kernels),
            launches=manifest.launches,
            options=manifest.options,
            targets=manifest.targets,
            golden=self._golden(small) if manifest.golden is not None else None,
            trace=tuple(self._decoded(TRACE, partial(_records, small[TRACE]))),
            producer=manifest.producer,
            summary=manifest.summary,
        )
        self._check_ports(plan.graph)
        for entry, fault in find_faults(plan):
            raise self.container.error(entry, fault)
        return plan

    def _decoded(self, entry: str, decode: Callable[[], T]) -> T:
        try:
            return decode()
        except (CodecError, UnicodeDecodeError) as error:
            raise self.container.error(entry, error) from None

    def _graph(self, small: Mapping[str, bytes]) -> Graph:
        weights = self._weights()
        try:
            graph = parse_graph(small[GRAPH].decode(), weights)
            verify_graph(graph)
        except (InvalidText, VerificationError) as error:
            raise self.container.error(GRAPH, error.message) from None
        except (UnicodeDecodeError, RecursionError) as error:
            raise self.container.error(GRAPH, error) from None
        memory = self._decoded(MEMORY, lambda: load(small[MEMORY], MemoryFile))
        if memory.roots != tuple(graph.roots.values()):
            raise self.container.error(MEMORY, "the roots are not those of the graph")
        graph.memory = memory.plan
        return graph

    def _weights(self) -> dict[str, Constant]:
        infos = self.manifest.weights
        arrays = self._arrays(WEIGHTS, infos)
        return {
            name: StoredConstant(array, name, infos[name], partial(self.container.error, WEIGHTS))
            for name, array in arrays.items()
        }

    def _arrays(self, entry: str, infos: Mapping[str, TensorInfo]) -> dict[str, Array]:
        data = self.container.mapped(entry)
        sha256 = self.manifest.entries[entry].sha256
        return self._decoded(entry, lambda: map_tensors(data, infos, sha256))

    def _kernel(self, name: str, small: Mapping[str, bytes]) -> Kernel:
        binaries = []
        for info in self.manifest.binaries:
            if info.kernel == name:
                metadata, code = small[launch_entry(info)], small[binary_entry(info)]
                binaries.append(
                    self._decoded(launch_entry(info), partial(load_binary, metadata, code))
                )
                if (binaries[-1].target, binaries[-1].format) != (info.target, info.format):
                    raise self.container.error(launch_entry(info), "is that of another binary")
        source = self._decoded(source_entry(name), small[source_entry(name)].decode)
        return self._tile(name, small, source, tuple(binaries))

    def _tile(
        self, name: str, small: Mapping[str, bytes], source: str, binaries: tuple[Binary, ...]
    ) -> Kernel:
        entry = tile_entry(name)
        return self._decoded(entry, lambda: load_tile(name, small[entry], source, binaries))

    def _golden(self, small: Mapping[str, bytes]) -> Golden:
        infos = self.manifest.golden
        assert infos is not None
        file = self._decoded(GOLDEN, lambda: load(small[GOLDEN], GoldenFile))
        arrays = self._arrays(GOLDEN_TENSORS, infos)
        for name, array in arrays.items():
            if tensor_info(array).sha256 != infos[name].sha256:
                raise self.container.error(
                    GOLDEN_TENSORS, f"tensor {name} is damaged (its sha256 differs)"
                )
        wanted = [_INPUT + n for n in file.inputs] + [_OUTPUT + n for n in file.outputs]
        if sorted(wanted) != sorted(arrays):
            raise self.container.error(GOLDEN, "the tensors are not those it names")
        return Golden(
            inputs={n: arrays[_INPUT + n] for n in file.inputs},
            outputs={n: arrays[_OUTPUT + n] for n in file.outputs},
            tool=file.tool,
            version=file.version,
            seed=file.seed,
            tolerances=file.tolerances,
        )

    def _check_ports(self, graph: Graph) -> None:
        """The manifest says of inputs, outputs and symbols what the graph says."""
        manifest = self.manifest
        inputs = ports({v.name: v for v in graph.inputs})
        outputs = ports(dict(zip(output_names(graph), graph.outputs, strict=True)))
        for what, said, found in (
            ("inputs", manifest.inputs, inputs),
            ("outputs", manifest.outputs, outputs),
            ("symbols", manifest.symbols, symbol_ranges(graph)),
        ):
            if said != found:
                raise self.container.error(MANIFEST, f"the {what} are not those of the graph")


def _check_version(container: Container, data: bytes) -> None:
    """Refuse what a newer version wrote before anything else is looked at."""
    try:
        document = expect(from_json(data), dict, "$")
        needed = expect(expect(document.get("value"), dict, "$").get("reader"), int, "$.reader")
    except (CodecError, UnicodeDecodeError) as error:
        raise container.error(MANIFEST, error) from None
    if not 1 <= needed <= FORMAT:
        raise InvalidPlan(
            f"{container.path}: {MANIFEST}: needs a reader of format {needed}, "
            f"this fusec reads up to {FORMAT}",
            hint="upgrade fusec, or write the plan again with this version",
        )


def _records(data: bytes) -> list[Mapping[str, Any]]:
    return [expect(from_json(line), dict, "$") for line in data.splitlines()]
