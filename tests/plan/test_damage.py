"""Damaged and hostile plan files: exit code 3 and the name of the entry, always."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusec.errors import FusecError, InvalidPlan, UsageError, exit_code
from fusec.ir.text import collect_weights, print_graph
from fusec.plan import Plan, read_plan, write_plan
from tests.plan.sample import with_everything

Entries = dict[str, bytes]
ENTRIES = [
    "manifest.json",
    "graph.txt",
    "memory.json",
    "kernels/k0.tile",
    "kernels/k0.py",
    "binaries/sm_80/k0.cubin",
    "binaries/sm_80/k0.json",
    "weights.safetensors",
    "golden.json",
    "golden.safetensors",
    "trace.jsonl",
]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("plan") / "whole.plan"
    write_plan(with_everything(), path)
    return path


def entries_of(path: Path) -> Entries:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def pack(path: Path, entries: Mapping[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return path


def read_all(path: Path) -> Plan:
    """Read a plan and all of its weights."""
    plan = read_plan(path)
    for data in collect_weights(plan.graph).values():
        assert data.array is not None
    return plan


def error_of(path: Path) -> FusecError:
    with pytest.raises(InvalidPlan) as caught:
        read_all(path)
    assert exit_code(caught.value) == 3
    assert caught.value.hint
    return caught.value


def _truncated(entries: Entries, name: str) -> None:
    entries[name] = entries[name][: len(entries[name]) // 2]


def _flipped(entries: Entries, name: str) -> None:
    data = bytearray(entries[name])
    data[len(data) * 3 // 4] ^= 0x20
    entries[name] = bytes(data)


def _renamed(entries: Entries, name: str) -> None:
    entries[name + "x"] = entries.pop(name)


def _removed(entries: Entries, name: str) -> None:
    del entries[name]


def _emptied(entries: Entries, name: str) -> None:
    entries[name] = b""


def _garbage(entries: Entries, name: str) -> None:
    entries[name] = b"\xff\x00" * (len(entries[name]) // 2 + 1)


@pytest.mark.parametrize("name", ENTRIES)
@pytest.mark.parametrize(
    "change",
    [_truncated, _flipped, _renamed, _removed, _emptied, _garbage],
    ids=lambda f: f.__name__,
)
def test_each_altered_entry_is_named(
    whole: Path, tmp_path: Path, name: str, change: Callable[[Entries, str], None]
) -> None:
    entries = entries_of(whole)
    assert set(ENTRIES) <= set(entries)
    change(entries, name)
    assert name in error_of(pack(tmp_path / "a.plan", entries)).message


@pytest.mark.parametrize("name", ENTRIES)
def test_a_flipped_byte_in_the_file_names_the_entry(whole: Path, tmp_path: Path, name: str) -> None:
    data = bytearray(whole.read_bytes())
    with zipfile.ZipFile(whole) as archive:
        content, info = archive.read(name), archive.getinfo(name)
    data[data.index(content, info.header_offset) + len(content) // 2] ^= 0x10
    path = tmp_path / "a.plan"
    path.write_bytes(data)
    assert name in error_of(path).message


@pytest.mark.parametrize("name", ENTRIES)
def test_an_entry_that_stands_twice_is_named(whole: Path, tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.plan"
    with zipfile.ZipFile(path, "w") as archive:
        for entry, data in entries_of(whole).items():
            archive.writestr(entry, data)
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr(name, b"again")
    assert name in error_of(path).message


@lru_cache(maxsize=1)
def _bytes(whole: Path) -> bytes:
    return whole.read_bytes()


@settings(max_examples=150)
@given(at=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_no_flipped_bit_goes_unseen(
    whole: Path, tmp_path_factory: pytest.TempPathFactory, at: float, bit: int
) -> None:
    data = bytearray(_bytes(whole))
    data[int(at * len(data))] ^= 1 << bit
    path = tmp_path_factory.getbasetemp() / "flipped.plan"
    path.write_bytes(data)
    try:
        plan = read_all(path)
    except InvalidPlan:
        return
    assert print_graph(plan.graph) == print_graph(read_plan(whole).graph)  # padding or a date


@pytest.mark.parametrize("share", [0.0, 0.001, 0.1, 0.5, 0.9, 0.99, 0.9999])
def test_a_truncated_file_is_refused(whole: Path, tmp_path: Path, share: float) -> None:
    data = _bytes(whole)
    path = tmp_path / "a.plan"
    path.write_bytes(data[: int(len(data) * share)])
    message = error_of(path).message
    assert str(path) in message
    if 0.1 <= share <= 0.9:
        assert "cut off" in message


@pytest.mark.parametrize(
    "content", [b"hello\n" * 100, b"PK\3\4", b"\x08\x07" * 50, b"PK\5\6" + bytes(18)]
)
def test_what_is_no_plan_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.plan"
    path.write_bytes(content)
    error_of(path)


def test_no_file_and_a_folder_are_usage_errors(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.plan"):
        with pytest.raises(UsageError, match=str(path)):
            read_plan(path)


# -- hostile ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["../evil", "/etc/passwd", "kernels/../../evil.py", "a\\b", "x" * 5000]
)
def test_paths_that_leave_the_archive_are_refused(whole: Path, tmp_path: Path, name: str) -> None:
    entries = entries_of(whole) | {name: b"evil"}
    message = error_of(pack(tmp_path / "a.plan", entries)).message
    assert repr(name) in message
    assert "not an entry of a plan" in message
    assert [p.name for p in tmp_path.iterdir()] == ["a.plan"]


def edited(whole: Path, path: Path, entry: str, edit: Callable[[Any], None]) -> Path:
    """The plan with one JSON entry edited; the manifest says the right hash of it."""
    import hashlib

    entries = entries_of(whole)
    document = json.loads(entries[entry])
    edit(document["value"])
    entries[entry] = json.dumps(document).encode()
    if entry != "manifest.json":
        manifest = json.loads(entries["manifest.json"])
        info = manifest["value"]["entries"][entry]
        info["size"] = len(entries[entry])
        info["sha256"] = hashlib.sha256(entries[entry]).hexdigest()
        entries["manifest.json"] = json.dumps(manifest).encode()
    return pack(path, entries)


def _kernel_path(manifest: Any) -> None:
    manifest["kernels"][0] = "../../evil"


def _target_path(manifest: Any) -> None:
    manifest["binaries"][0]["target"] = "../evil"


def _unknown_key(manifest: Any) -> None:
    manifest["surprise"] = 1


def _wrong_type(manifest: Any) -> None:
    manifest["targets"] = "sm_80"


def _negative_shape(manifest: Any) -> None:
    manifest["weights"]["layer0/bias"]["shape"] = [-8]


def _other_output(manifest: Any) -> None:
    manifest["outputs"][0]["name"] = "other"


def _missing_entry(manifest: Any) -> None:
    del manifest["entries"]["graph.txt"]


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (_kernel_path, "is no name for a kernel"),
        (_target_path, "is no binary"),
        (_unknown_key, "surprise is not expected"),
        (_wrong_type, "a list is expected"),
        (_negative_shape, "weights.safetensors"),
        (_other_output, "outputs are not those of the graph"),
        (_missing_entry, "graph.txt"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_manifest_that_lies_is_refused(
    whole: Path, tmp_path: Path, edit: Callable[[Any], None], words: str
) -> None:
    path = edited(whole, tmp_path / "a.plan", "manifest.json", edit)
    assert words in error_of(path).message


def test_a_newer_format_asks_for_a_newer_fusec(whole: Path, tmp_path: Path) -> None:
    def newer(manifest: Any) -> None:
        manifest["reader"] = manifest["format"] = 2
        manifest["what is this"] = {}

    error = error_of(edited(whole, tmp_path / "a.plan", "manifest.json", newer))
    assert "manifest.json: needs a reader of format 2" in error.message
    assert "upgrade" in str(error.hint)


def _overlapping(memory: Any) -> None:
    for pair in memory["plan"]["offsets"]:
        pair[1] = 0


def _huge_dim(memory: Any) -> None:
    memory["plan"]["arena_bytes"] = "(" * 1000 + "n" + ")" * 1000


@pytest.mark.parametrize("edit", [_overlapping, _huge_dim], ids=lambda f: f.__name__)
def test_a_memory_plan_that_lies_is_refused(
    whole: Path, tmp_path: Path, edit: Callable[[Any], None]
) -> None:
    assert (
        "memory.json" in error_of(edited(whole, tmp_path / "a.plan", "memory.json", edit)).message
    )


def test_a_kernel_of_other_types_is_refused(whole: Path, tmp_path: Path) -> None:
    def other(tile: Any) -> None:
        tile["program"]["operands"][0]["type"]["shape"] = [400, 8]

    path = edited(whole, tmp_path / "a.plan", "kernels/k0.tile", other)
    assert "kernels/k0.tile: does not fit the types" in error_of(path).message


def test_json_nested_without_end_is_refused(whole: Path, tmp_path: Path) -> None:
    entries = entries_of(whole)
    entries["manifest.json"] = b"[" * 200_000 + b"]" * 200_000
    assert "manifest.json" in error_of(pack(tmp_path / "a.plan", entries)).message


def test_a_zip_bomb_is_refused(whole: Path, tmp_path: Path) -> None:
    entries = entries_of(whole)
    entries["trace.jsonl"] = bytes(100 << 20)
    path = pack(tmp_path / "a.plan", entries, zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 1 << 20
    error_of(path)


def test_text_entries_may_be_compressed_but_not_tensors(whole: Path, tmp_path: Path) -> None:
    path = pack(tmp_path / "a.plan", entries_of(whole), zipfile.ZIP_DEFLATED)
    assert "weights.safetensors: is compressed" in error_of(path).message
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in entries_of(whole).items():
            stored = name.endswith(".safetensors")
            archive.writestr(name, data, zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED)
    assert print_graph(read_all(path).graph) == print_graph(read_plan(whole).graph)
