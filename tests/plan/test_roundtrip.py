"""Plans written and read again: equal, aligned, mapped, byte for byte the same."""

from __future__ import annotations

import json
import struct
import tracemalloc
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fusec.errors import InternalError, InvalidPlan
from fusec.ir import Constant, Graph, GraphBuilder, Symbol, Tensor, f32
from fusec.ir.text import collect_weights, print_graph
from fusec.plan import Plan, archive, read_plan, write, write_plan
from fusec.plan.schema import WEIGHTS
from tests.plan.sample import mlp, place, plan_of, with_everything, wrap


def test_a_plan_reads_back_equal(tmp_path: Path) -> None:
    plan = with_everything()
    write_plan(plan, tmp_path / "a.plan")
    again = read_plan(tmp_path / "a.plan")
    assert print_graph(again.graph) == print_graph(plan.graph)
    assert again.memory == plan.memory
    assert again.kernels == plan.kernels
    assert again.launches == plan.launches
    assert again.targets == plan.targets
    assert again.producer == plan.producer
    assert again.summary == plan.summary
    assert again.trace == plan.trace
    assert json.dumps(again.options) == json.dumps(plan.options, sort_keys=True)
    assert again.golden is not None
    assert plan.golden is not None
    assert again.golden.tolerances == plan.golden.tolerances
    np.testing.assert_array_equal(again.golden.outputs["total"], plan.golden.outputs["total"])
    for name, data in collect_weights(plan.graph).items():
        np.testing.assert_array_equal(collect_weights(again.graph)[name].array, data.array)


def test_equal_plans_are_the_same_bytes(tmp_path: Path) -> None:
    first, second = tmp_path / "a" / "x.plan", tmp_path / "b" / "y.plan"
    for path in (first, second):
        path.parent.mkdir()
        write_plan(with_everything(), path)
    assert first.read_bytes() == second.read_bytes()
    write_plan(read_plan(first), second)
    assert first.read_bytes() == second.read_bytes()


def test_a_plan_replaces_itself(tmp_path: Path) -> None:
    path = tmp_path / "a.plan"
    write_plan(with_everything(), path)
    before = path.read_bytes()
    write_plan(read_plan(path), path)
    assert path.read_bytes() == before


def test_other_tools_read_the_archive(tmp_path: Path) -> None:
    path = tmp_path / "a.plan"
    write_plan(with_everything(), path)
    with zipfile.ZipFile(path) as opened:
        assert opened.testzip() is None
        for info in opened.infolist():
            assert info.compress_type == zipfile.ZIP_STORED
            assert info.date_time == (1980, 1, 1, 0, 0, 0)
            name_size, extra_size = struct.unpack(
                "<2H", path.read_bytes()[info.header_offset + 26 : info.header_offset + 30]
            )
            assert (info.header_offset + 30 + name_size + extra_size) % 64 == 0
        names = opened.namelist()
    assert names[0] == "manifest.json"
    assert names[-1] == "trace.jsonl"


def test_sizes_beyond_32_bits_take_zip64_fields(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "_LIMIT", 200)
    path = tmp_path / "a.zip"
    data = {"small": b"abc", "large": bytes(range(256)) * 3, "last": b"z" * 300}
    with path.open("wb") as file:
        writer = archive.ArchiveWriter(file)
        for name, content in data.items():
            writer.add(name, [content[:100], content[100:]])
        monkeypatch.setattr(archive, "_LIMIT", 0xFFFFFFFF)
        for entry in writer._entries:
            assert archive._central_header(entry).startswith(b"PK\1\2")
        writer.finish()
    with zipfile.ZipFile(path) as opened:
        assert {n: opened.read(n) for n in opened.namelist()} == data
    monkeypatch.setattr(archive, "_LIMIT", 200)
    assert len(archive._end_records(3, 900, 100)) == 56 + 20 + 22


def big_plan() -> Plan:
    graph = Graph()
    build = GraphBuilder(graph)
    x = graph.add_input("x", Tensor(f32, (1, 2048)))
    weight = np.random.default_rng(0).standard_normal((2048, 4096), np.float32)
    y = build.op("matmul", x, graph.constant(Constant(weight, "weight")))
    graph.set_outputs([y])
    wrap(graph, [n for n in graph.nodes if not n.is_constant])
    return plan_of(place(graph))


def test_weights_are_mapped_not_copied(tmp_path: Path) -> None:
    path = tmp_path / "a.plan"
    write_plan(big_plan(), path)
    assert path.stat().st_size > 32 << 20
    tracemalloc.start()
    try:
        plan = read_plan(path)
        weight = collect_weights(plan.graph)["weight"].array
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4 << 20
    base: Any = weight
    while base is not None and not isinstance(base, np.memmap):
        base = base.base
    assert isinstance(base, np.memmap)
    assert not weight.flags.writeable


def test_a_damaged_tensor_is_found_when_it_is_first_read(tmp_path: Path) -> None:
    path = tmp_path / "a.plan"
    write_plan(with_everything(), path)
    data = bytearray(path.read_bytes())
    weight = collect_weights(with_everything().graph)["layer1/bias"].array.tobytes()
    data[data.index(weight) + 5] ^= 1
    path.write_bytes(data)
    plan = read_plan(path)
    weights = collect_weights(plan.graph)
    assert weights["layer0/bias"].array.shape == (8,)
    with pytest.raises(InvalidPlan, match=f"{WEIGHTS}: tensor layer1/bias is damaged"):
        _ = weights["layer1/bias"].array


def test_symbols_read_back(tmp_path: Path) -> None:
    batch = Symbol("batch", 2, 64, 2)
    plan = plan_of(place(mlp(batch)))
    write_plan(plan, tmp_path / "a.plan")
    again = read_plan(tmp_path / "a.plan")
    assert again.graph.symbols == {"batch": batch}
    assert again.kernels == plan.kernels
    assert again.kernels[0].program.axes[0].extent is plan.kernels[0].program.axes[0].extent


def test_a_plan_that_is_wrong_is_not_written(tmp_path: Path) -> None:
    plan = with_everything()
    path = tmp_path / "a.plan"
    for wrong, words in (
        (replace(plan, launches=plan.launches[1:]), "launches are not those"),
        (replace(plan, kernels=plan.kernels[1:]), "unknown kernel 'k0'"),
        (replace(plan, targets=()), "no target of the plan"),
        (replace(plan, kernels=(*plan.kernels[:6], plan.kernels[0])), "two kernels"),
        (replace(plan, kernels=(*plan.kernels, replace(plan.kernels[1], name="k9"))), "k9.tile"),
    ):
        with pytest.raises(InternalError, match=words):
            write_plan(wrong, path)
    assert plan.graph.memory is not None
    plan.graph.memory = replace(plan.graph.memory, arena_bytes=0)
    with pytest.raises(InternalError, match="outside the arena"):
        write_plan(plan, path)
    assert list(tmp_path.iterdir()) == []


def test_a_graph_whose_text_nobody_can_read_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write, "print_graph", lambda graph: print_graph(graph) + "more")
    with pytest.raises(InternalError, match="the graph cannot be stored: line"):
        write_plan(with_everything(), tmp_path / "a.plan")
    assert list(tmp_path.iterdir()) == []
