from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from fusec.errors import EnvironmentProblem
from fusec.verification import reference
from fusec.verification.reference import run_reference
from fusec.verification.tensors import load_arrays, save_arrays
from tests.cli.small_model import save, small_cnn


def test_both_tools_agree(tmp_path: Path, rng: np.random.Generator) -> None:
    path = save(small_cnn(), tmp_path / "m.onnx")
    x = rng.standard_normal((1, 3, 16, 16)).astype(np.float32)
    answers = [run_reference(path, {"x": x}, tools=(tool,)) for tool in ("onnxruntime", "onnx")]
    assert [a.tool for a in answers] == ["onnxruntime", "onnx"]
    first, second = (a.outputs["logits"] for a in answers)
    np.testing.assert_allclose(first, second, rtol=1e-5, atol=1e-6)
    assert all(a.tolerances["logits"] >= 1e-5 for a in answers)
    assert all(a.notes == () for a in answers)


def test_other_shapes_than_the_model_says(tmp_path: Path, rng: np.random.Generator) -> None:
    path = save(small_cnn(), tmp_path / "m.onnx")
    x = rng.standard_normal((3, 3, 20, 24)).astype(np.float32)
    assert run_reference(path, {"x": x}).outputs["logits"].shape == (3, 5)


def test_other_shapes_with_external_data(tmp_path: Path, rng: np.random.Generator) -> None:
    path = tmp_path / "m.onnx"
    onnx.save(small_cnn(), path, save_as_external_data=True, location="w.data", size_threshold=0)
    x = rng.standard_normal((2, 3, 16, 16)).astype(np.float32)
    answer = run_reference(path, {"x": x})
    assert answer.tool == "onnxruntime"
    inside = run_reference(save(small_cnn(), tmp_path / "n.onnx"), {"x": x})
    np.testing.assert_array_equal(answer.outputs["logits"], inside.outputs["logits"])


def test_a_crash_is_reported_and_the_next_tool_tried(
    tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = subprocess.run

    def crash(command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
        folder = Path(command[-1])
        if "onnxruntime" in (folder / "request.json").read_text():
            code = "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"
            command = [sys.executable, "-c", code]
        return run(command, **options)  # type: ignore[call-overload, no-any-return]

    monkeypatch.setattr("fusec.verification.reference.subprocess.run", crash)
    path = save(small_cnn(), tmp_path / "m.onnx")
    x = rng.standard_normal((1, 3, 16, 16)).astype(np.float32)
    answer = run_reference(path, {"x": x})
    assert answer.tool == "onnx"
    assert "crashed (SIGSEGV)" in answer.notes[0]


def test_no_tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference, "find_spec", lambda name: None)
    with pytest.raises(EnvironmentProblem) as caught:
        run_reference(save(small_cnn(), tmp_path / "m.onnx"), {})
    assert "not installed" in caught.value.message
    assert caught.value.hint is not None and "fusec[verify]" in caught.value.hint


def test_tolerance_grows_with_the_reference_error(tmp_path: Path, rng: np.random.Generator) -> None:
    """A sum that cancels: the tool's own optimisations change it by more than 1e-5 / 4."""
    nodes = [
        helper.make_node("Add", ["x", "big"], ["a"]),
        helper.make_node("Sub", ["a", "big"], ["y"]),
    ]
    big = helper.make_tensor("big", TensorProto.FLOAT, [1], [1e4])
    value = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [100]) for n in ("x", "y")]
    graph = helper.make_graph(nodes, "g", value[:1], value[1:], [big])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    x = rng.standard_normal(100).astype(np.float32)
    answer = run_reference(save(model, tmp_path / "m.onnx"), {"x": x})
    assert answer.tolerances["y"] >= 1e-5
    tolerances = reference._tolerances({"y": x}, {"y": x * np.float32(1.0001)})
    assert tolerances["y"] == pytest.approx(4e-4, rel=1e-2)
    assert reference._tolerances({"y": x}, {"y": x * 2})["y"] == pytest.approx(4e-2)


def test_arrays_of_every_dtype_travel(tmp_path: Path, rng: np.random.Generator) -> None:
    import ml_dtypes

    names = ("float32", "float16", "int64", "uint8", "bool", "complex64")
    arrays = {n: rng.integers(0, 2, (3, 2)).astype(n) for n in names}
    arrays["bfloat16"] = rng.standard_normal((2, 2)).astype(ml_dtypes.bfloat16)
    arrays["scalar"] = np.array(3.5, np.float32)
    arrays["none"] = np.zeros((0, 4), np.float32)
    save_arrays(tmp_path, "inputs", arrays)
    loaded = load_arrays(tmp_path, "inputs")
    for name, array in arrays.items():
        assert loaded[name].dtype == array.dtype
        np.testing.assert_array_equal(loaded[name], array)
