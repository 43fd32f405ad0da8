"""Bad input: exit code 2, 3 or 4, one clear message on stderr, no traceback, no partial file."""

from __future__ import annotations

import errno
import io
import os
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from tests.cli.conftest import Answer, Invoke
from tests.cli.small_model import save, small_cnn

USAGE, INVALID, ENVIRONMENT = 2, 3, 4


def assert_refused(done: Answer, code: int, *words: str) -> None:
    """The right code, one error, every word in it, nothing that looks like a crash."""
    assert done.code == code, done.stderr
    assert "Traceback" not in done.stderr
    assert "bug in fusec" not in done.stderr
    errors = [x for x in done.stderr.splitlines() if x.startswith(("fusec: error:", "Error:"))]
    assert len(errors) == 1, done.stderr
    for word in words:
        assert word in done.stderr
    assert done.stdout == ""


# -- models


def truncated(path: Path) -> None:
    data = small_cnn().SerializeToString()
    path.write_bytes(data[: len(data) // 2])


def corrupt(path: Path) -> None:
    data = bytearray(small_cnn().SerializeToString())
    data[20:4000:7] = bytes(0xFF for _ in data[20:4000:7])
    path.write_bytes(data)


def text_file(path: Path) -> None:
    path.write_text("this is not a model\n" * 10)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def missing_external_data(path: Path) -> None:
    onnx.save(small_cnn(), path, save_as_external_data=True, location="w.data", size_threshold=0)
    (path.parent / "w.data").unlink()


def zip_of(name: str) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(name, b"x")

    return make


def folder(path: Path) -> None:
    path.mkdir()


def nothing(path: Path) -> None:
    pass


MODELS: dict[str, tuple[Callable[[Path], None], int, str]] = {
    "truncated": (truncated, INVALID, "m.onnx"),
    "corrupt": (corrupt, INVALID, "m.onnx"),
    "text": (text_file, INVALID, "text"),
    "empty": (empty, INVALID, "empty"),
    "external": (missing_external_data, INVALID, "w.data"),
    "torchscript": (zip_of("net/constants.pkl"), INVALID, "TorchScript"),
    "torch.export": (zip_of("net/models/model.json"), INVALID, "torch.export"),
    "other zip": (zip_of("readme.txt"), INVALID, "m.onnx"),
    "folder": (folder, USAGE, "directory"),
    "no file": (nothing, USAGE, "no such file"),
}


@pytest.mark.parametrize("case", MODELS)
@pytest.mark.parametrize("command", ["optimize", "check", "explain"])
def test_bad_models(invoke: Invoke, tmp_path: Path, case: str, command: str) -> None:
    make, code, word = MODELS[case]
    path = tmp_path / "m.onnx"
    make(path)
    before = sorted(os.listdir(tmp_path))
    assert_refused(invoke(command, path), code, word)
    assert sorted(os.listdir(tmp_path)) == before


def test_unknown_operators_are_all_listed(invoke: Invoke, tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Frobnicate", ["x"], ["y"], name="first", domain="com.example"),
        helper.make_node("Relu", ["y"], ["z"], name="relu"),
        helper.make_node("Transmogrify", ["z"], ["out"], name="second", domain="com.example"),
    ]
    value = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [2]) for n in ("x", "out")]
    graph = helper.make_graph(nodes, "g", value[:1], value[1:])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.example", 1)]
    path = save(helper.make_model(graph, opset_imports=opsets, ir_version=9), tmp_path / "m.onnx")
    done = invoke("optimize", path)
    assert_refused(done, INVALID, "first", "Frobnicate", "second", "Transmogrify")
    assert not (tmp_path / "m.plan").exists()
    assert invoke("check", path).code == INVALID


# -- outputs


def test_output_is_a_directory(invoke: Invoke, small_model: Path, tmp_path: Path) -> None:
    assert_refused(invoke("optimize", small_model, "-o", tmp_path), USAGE, "directory")


def test_output_in_no_folder(invoke: Invoke, small_model: Path, tmp_path: Path) -> None:
    path = tmp_path / "none" / "a.plan"
    assert_refused(invoke("optimize", small_model, "-o", path), USAGE, "does not exist")


def test_output_onto_the_model(invoke: Invoke, small_model: Path, tmp_path: Path) -> None:
    model = tmp_path / "m.plan"  # its default output has the same name
    model.write_bytes(small_model.read_bytes())
    for arguments in (["optimize", model], ["optimize", model, "-o", model]):
        assert_refused(invoke(*arguments), USAGE, "overwrite")
    link = tmp_path / "link"
    link.symlink_to(model)
    assert_refused(invoke("optimize", model, "-o", link), USAGE, "overwrite")
    assert model.read_bytes() == small_model.read_bytes()


class FullDisk(io.FileIO):
    """Takes a thousand bytes, then there is no space left."""

    taken = 0

    def write(self, data: Any) -> int:
        self.taken += memoryview(data).nbytes
        if self.taken > 1000:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().write(data)


def test_full_disk(
    invoke: Invoke, small_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fusec.plan.atomic.os.fdopen", lambda handle, *_: FullDisk(handle, "w+"))
    done = invoke("optimize", small_model, "-o", tmp_path / "a.plan")
    assert_refused(done, ENVIRONMENT, "a.plan", "No space left")
    assert os.listdir(tmp_path) == []


def test_unwritable_folder(
    invoke: Invoke, small_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr("fusec.plan.atomic.tempfile.mkstemp", refuse)
    done = invoke("optimize", small_model, "-o", tmp_path / "a.plan")
    assert_refused(done, ENVIRONMENT, "a.plan", "Permission denied")


def test_out_of_memory(
    invoke: Invoke, small_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise MemoryError("cannot allocate 4 TB")

    monkeypatch.setattr("fusec.frontend.load_model", refuse)
    assert_refused(invoke("optimize", small_model), ENVIRONMENT, "memory")


# -- options

OPTIONS: dict[str, tuple[Sequence[str], str]] = {
    "shape": (["--shape", "x=1xtwo"], "not a shape"),
    "no such input": (["--shape", "image=1x3x16x16"], "image"),
    "dim": (["--dim", "batch=9..3"], "empty range"),
    "no such dim": (["--dim", "batch=4"], "batch"),
    "target": (["--target", "sm_999"], "sm_999"),
    "pass": (["--passes", "fuze"], "fuse"),
    "spec": (["--passes", "fuse{"], "fuse{"),
    "pass option": (["--passes", "fuse{depth=3}"], "depth"),
    "disable": (["--disable", "nothing"], "nothing"),
    "required": (["--disable", "fuse"], "cannot be disabled"),
    "level": (["-O", "7"], "7"),
    "precision": (["--fp32", "fp8"], "fp8"),
    "option": (["--frobnicate"], "--frobnicate"),
}


@pytest.mark.parametrize("case", OPTIONS)
def test_bad_options(invoke: Invoke, small_model: Path, tmp_path: Path, case: str) -> None:
    arguments, word = OPTIONS[case]
    done = invoke("optimize", small_model, "-o", tmp_path / "a.plan", *arguments)
    assert_refused(done, USAGE, word)
    assert os.listdir(tmp_path) == []


# -- run


def array_file(folder: Path, shape: tuple[int, ...], dtype: str) -> Path:
    path = folder / "x.npy"
    np.save(path, np.zeros(shape, dtype))
    return path


RUNS: dict[str, tuple[str, tuple[int, ...], str, str]] = {
    "shape": ("x", (1, 3, 16, 17), "float32", "shape"),
    "rank": ("x", (3, 16, 16), "float32", "shape"),
    "dtype": ("x", (1, 3, 16, 16), "float64", "float32"),
    "name": ("image", (1, 3, 16, 16), "float32", "image"),
}


@pytest.mark.parametrize("case", RUNS)
def test_bad_inputs_to_run(invoke: Invoke, small_plan: Path, tmp_path: Path, case: str) -> None:
    name, shape, dtype, word = RUNS[case]
    path = array_file(tmp_path, shape, dtype)
    done = invoke("-q", "run", small_plan, "--input", f"{name}={path}", "-o", tmp_path / "y.npz")
    assert_refused(done, USAGE, word)
    assert not (tmp_path / "y.npz").exists()


def test_input_files(invoke: Invoke, small_plan: Path, tmp_path: Path) -> None:
    text = tmp_path / "x.npy"
    text.write_text("hello")
    assert_refused(invoke("run", small_plan, "--input", f"x={text}"), USAGE, "x.npy")
    objects = tmp_path / "o.npy"
    np.save(objects, np.array([{}], dtype=object), allow_pickle=True)
    assert_refused(invoke("run", small_plan, "--input", f"x={objects}"), USAGE, "object")
    gone = tmp_path / "gone.npy"
    assert_refused(invoke("run", small_plan, "--input", f"x={gone}"), USAGE, "no such file")
    assert_refused(invoke("run", small_plan, "--input", f"x={tmp_path}"), USAGE, "directory")
    assert_refused(invoke("run", small_plan, "--input-range", "y=0..1"), USAGE, "'y'")
    assert_refused(invoke("run", small_plan, "--size", "batch=3"), USAGE, "batch")


# -- plans


def test_every_truncation_is_refused(invoke: Invoke, small_plan: Path, tmp_path: Path) -> None:
    data = small_plan.read_bytes()
    for part in (0, 1, 10, len(data) // 3, len(data) - 100, len(data) - 1):
        path = tmp_path / f"{part}.plan"
        path.write_bytes(data[:part])
        assert_refused(invoke("inspect", path), INVALID, path.name)


def entries() -> list[str]:
    return [
        "manifest.json",
        "graph.txt",
        "memory.json",
        "kernels/{kernel}.tile",
        "kernels/{kernel}.py",
        "weights.safetensors",
        "golden.safetensors",
        "golden.json",
        "trace.jsonl",
    ]


@pytest.mark.parametrize("entry", entries())
def test_an_altered_entry_is_named(
    invoke: Invoke, small_plan: Path, tmp_path: Path, entry: str
) -> None:
    with zipfile.ZipFile(small_plan) as archive:
        kernel = next(n for n in archive.namelist() if n.endswith(".tile"))
        name = entry.format(kernel=kernel.removeprefix("kernels/").removesuffix(".tile"))
        parts = {n: archive.read(n) for n in archive.namelist()}
        offset = archive.getinfo(name).header_offset
    data = bytearray(small_plan.read_bytes())
    at = data.index(parts[name], offset) + len(parts[name]) // 2
    data[at] ^= 1
    path = tmp_path / "bad.plan"
    path.write_bytes(data)
    done = invoke("-q", "verify", path)
    assert_refused(done, INVALID, name)


def test_a_model_is_not_a_plan(invoke: Invoke, small_model: Path, small_plan: Path) -> None:
    for command in ("inspect", "run", "verify", "bench"):
        done = invoke(command, small_model)
        assert_refused(done, INVALID, "not a plan", "fusec optimize")
    assert_refused(invoke("optimize", small_plan), USAGE, "plan")


# -- verify, bench, opt


def test_nothing_to_compare_with(invoke: Invoke, small_model: Path, tmp_path: Path) -> None:
    plan = tmp_path / "a.plan"
    assert invoke("optimize", small_model, "-o", plan).code == 0
    assert_refused(invoke("verify", plan), USAGE, "--against", "--golden")
    assert_refused(invoke("verify", plan, "--golden", tmp_path), USAGE, "golden.json")
    assert_refused(invoke("verify", plan, "--bisect"), USAGE, "--against")


def test_a_malformed_golden_folder(invoke: Invoke, small_plan: Path, tmp_path: Path) -> None:
    (tmp_path / "golden.json").write_text("{}")
    assert_refused(invoke("verify", small_plan, "--golden", tmp_path), INVALID, "malformed")


def test_no_gpu(invoke: Invoke, small_plan: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert_refused(invoke("run", small_plan, "--device", "cuda"), ENVIRONMENT, "cuda", "doctor")


def test_engines(
    invoke: Invoke, small_plan: Path, small_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert_refused(invoke("bench", small_plan, "--against", "tensorrt"), USAGE, "tensorrt")
    assert_refused(invoke("bench", small_plan, "--against", "onnxruntime"), USAGE, "--model")
    monkeypatch.setattr("fusec.commands.bench.find_spec", lambda name: None)
    done = invoke("bench", small_plan, "--against", "onnxruntime", "--model", small_model)
    assert_refused(done, ENVIRONMENT, "onnxruntime is not installed", "pip install")


def test_bad_text(invoke: Invoke, tmp_path: Path) -> None:
    path = tmp_path / "g.txt"
    path.write_text("graph main(%x: f32[2]) {\n  %y = frobnicate(%x) : f32[2]\n  return %y\n}\n")
    assert_refused(invoke("opt", path, "--passes", "canonicalize"), INVALID, "frobnicate", "2")
    path.write_bytes(b"\xff\xfe\x00")
    assert_refused(invoke("opt", path), INVALID, "not text")
    assert_refused(invoke("opt", tmp_path / "none.txt"), USAGE, "no such file")


def test_unknown_names_in_explain(invoke: Invoke, small_plan: Path) -> None:
    assert_refused(invoke("explain", small_plan, "--node", "nobody"), USAGE, "nobody")
    assert_refused(invoke("explain", small_plan, "--kernel", "nobody"), USAGE, "nobody")
    assert_refused(invoke("explain", small_plan, "--pass", "nobody"), USAGE, "nobody")
    assert_refused(invoke("explain", small_plan, "--diff"), USAGE, "--pass")
    assert_refused(invoke("passes", "nobody"), USAGE, "nobody")
