from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from safetensors.numpy import save_file

from fusec.passes.registry import registered
from fusec.plan import read_plan
from tests.cli.conftest import Invoke
from tests.cli.small_model import save, small_cnn
from tests.verification.test_bisect import SPEC, PlantedMistake


def test_with_the_plans_own_golden(invoke: Invoke, small_plan: Path) -> None:
    done = invoke("verify", small_plan, "--device", "interpreter")
    assert done.code == 0, done.stderr
    assert "verified on interpreter against onnx" in done.stdout
    assert "interpreting 5 kernels on the CPU: about" in done.stderr


def test_json(invoke: Invoke, small_plan: Path) -> None:
    done = invoke("verify", small_plan, "--json")
    data = json.loads(done.stdout)
    assert data["ok"] is True
    (output,) = data["outputs"]
    assert {"name", "rel_l2", "max_abs", "tolerance", "reference"} <= set(output)
    assert output["name"] == "logits"
    assert output["rel_l2"] <= output["tolerance"]
    assert data["device"] in ("cuda", "reference")


def test_auto_says_which_device(invoke: Invoke, small_plan: Path) -> None:
    assert invoke("verify", small_plan).stderr.startswith("device: ")


def test_against_another_model_fails(invoke: Invoke, small_plan: Path, tmp_path: Path) -> None:
    other = save(small_cnn(seed=8), tmp_path / "other.onnx")
    done = invoke("verify", small_plan, "--against", other)
    assert done.code == 1
    assert "WRONG" in done.stdout
    assert "1 of 1 outputs differ: logits" in done.stderr
    assert "Traceback" not in done.stderr
    data = json.loads(invoke("verify", small_plan, "--against", other, "--json").stdout)
    assert data["ok"] is False and data["outputs"][0]["ok"] is False


def test_a_zeroed_weight_moves_the_output(invoke: Invoke, small_plan: Path, tmp_path: Path) -> None:
    """The data can fail: without one node's weights the output moves by 100 x the tolerance."""
    model = small_cnn()
    for weight in model.graph.initializer:
        if weight.name == "conv2.w":
            zero = np.zeros_like(numpy_helper.to_array(weight))
            weight.CopyFrom(numpy_helper.from_array(zero, weight.name))
    other = save(model, tmp_path / "zeroed.onnx")
    done = invoke("verify", small_plan, "--against", other, "--json")
    (output,) = json.loads(done.stdout)["outputs"]
    assert output["rel_l2"] >= 100 * output["tolerance"]


def test_rtol(invoke: Invoke, small_plan: Path, tmp_path: Path) -> None:
    other = save(small_cnn(seed=8), tmp_path / "other.onnx")
    assert invoke("verify", small_plan, "--against", other, "--rtol", "10").code == 0
    assert invoke("verify", small_plan, "--rtol", "0").code == 1


def write_golden(folder: Path, plan: Path, change: float = 0.0) -> None:
    golden = read_plan(plan).golden
    assert golden is not None
    tensors = {f"inputs/{k}": np.asarray(v) for k, v in golden.inputs.items()}
    for name, array in golden.outputs.items():
        tensors[f"outputs/{name}"] = np.asarray(array) + np.float32(change)
    save_file(tensors, folder / "golden.safetensors")
    told = {"tool": "test", "version": "1", "seed": 0, "tolerance": {"logits": 1e-5}}
    (folder / "golden.json").write_text(json.dumps(told))


def test_a_golden_folder(invoke: Invoke, small_plan: Path, tmp_path: Path) -> None:
    write_golden(tmp_path, small_plan)
    done = invoke("verify", small_plan, "--golden", tmp_path)
    assert done.code == 0, done.stderr
    assert "against test 1" in done.stdout
    write_golden(tmp_path, small_plan, change=0.01)
    assert invoke("verify", small_plan, "--golden", tmp_path).code == 1


@pytest.fixture
def planted() -> Iterator[None]:
    with registered(PlantedMistake):
        yield


def test_bisect(planted: None, invoke: Invoke, small_model: Path, tmp_path: Path) -> None:
    plan = tmp_path / "bad.plan"
    assert invoke("optimize", small_model, "-o", plan, "--passes", SPEC).code == 0
    done = invoke("verify", plan, "--against", small_model, "--bisect")
    assert done.code == 1
    assert "first wrong: pass planted-mistake" in done.stdout
    done = invoke("verify", plan, "--against", small_model, "--bisect", "--json")
    assert json.loads(done.stdout)["culprit"]["name"] == "planted-mistake"


def test_verify_each(planted: None, invoke: Invoke, small_model: Path, tmp_path: Path) -> None:
    plan = tmp_path / "bad.plan"
    arguments = ["-o", plan, "--passes", SPEC, "--verify-each"]
    done = invoke("optimize", small_model, *arguments)
    assert done.code == 1
    assert "pass planted-mistake changed what the graph computes" in done.stderr
    assert not plan.exists()
    good = invoke("optimize", small_model, "-o", plan, "--verify-each")
    assert good.code == 0, good.stderr


def test_names_of_outputs_that_are_inputs(invoke: Invoke, tmp_path: Path) -> None:
    from onnx import TensorProto, helper

    node = helper.make_node("Relu", ["x"], ["y"])
    value = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [3]) for n in ("x", "y")]
    graph = helper.make_graph([node], "g", value[:1], [value[1], value[0]])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    path = save(model, tmp_path / "m.onnx")
    assert invoke("optimize", path, "--verify").code == 0


def test_a_batch_norm_in_an_old_file(invoke: Invoke, tmp_path: Path) -> None:
    """IR version 3 lists initializers as graph inputs; they are still constants."""
    model = small_cnn()
    model.ir_version = 3
    for weight in model.graph.initializer:
        value = onnx.helper.make_tensor_value_info(weight.name, weight.data_type, weight.dims)
        model.graph.input.append(value)
    path = save(model, tmp_path / "m.onnx")
    done = invoke("optimize", path, "--verify", "--json")
    assert done.code == 0, done.stderr
    assert json.loads(done.stdout)["kernels"] == 5
