from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest

from fusec.plan import read_plan
from tests.cli.conftest import Invoke
from tests.cli.small_model import save, small_cnn


def test_default_output_and_summary(invoke: Invoke, small_model: Path, tmp_path: Path) -> None:
    model = tmp_path / "net.onnx"
    model.write_bytes(small_model.read_bytes())
    done = invoke("optimize", model)
    assert done.code == 0, done.stderr
    assert (tmp_path / "net.plan").is_file()
    assert "11 source nodes -> 5 kernels (5 distinct)" in done.stdout
    assert "binaries     none (no --target)" in done.stdout
    assert f"next: fusec verify {tmp_path / 'net.plan'} --against {model}" in done.stderr


def test_json_has_the_promised_keys(invoke: Invoke, small_model: Path, tmp_path: Path) -> None:
    done = invoke("optimize", small_model, "-o", tmp_path / "a.plan", "--json")
    assert done.code == 0, done.stderr
    data = json.loads(done.stdout)
    assert data["kernels"] == 5
    assert data["distinct_kernels"] == 5
    assert data["nodes_before"] == 11
    assert data["arena_bytes"] >= data["arena_lower_bound_bytes"] > 0
    assert {"import", "passes", "kernels", "write"} <= set(data["seconds"])
    # Read: x, b (the second kernel reads it once), e, f, h; written: b, e, f, h, logits.
    moved = (768 + 512) + (512 + 512) + (512 + 128) + (128 + 8) + (8 + 5)
    assert data["activation_bytes"] == 4 * moved


def test_weights_count_what_the_kernels_read(invoke: Invoke, small_plan: Path) -> None:
    data = json.loads(invoke("inspect", small_plan, "--json").stdout)
    convolutions = 8 * 3 * 3 * 3 + 8 + 8 * 8 * 3 * 3 + 8  # batch norms folded into bias
    assert data["weight_bytes"] == 4 * (convolutions + 5 * 8 + 5)


def test_two_runs_give_the_same_bytes(invoke: Invoke, small_model: Path, tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        model = tmp_path / folder / "m.onnx"
        model.write_bytes(small_model.read_bytes())
        assert invoke("-q", "optimize", model, "--golden").code == 0
    one, two = ((tmp_path / f / "m.plan").read_bytes() for f in ("one", "two"))
    assert one == two


def test_verify_and_golden_in_one_go(invoke: Invoke, small_model: Path, tmp_path: Path) -> None:
    done = invoke("optimize", small_model, "-o", tmp_path / "a.plan", "--verify", "--json")
    assert done.code == 0, done.stderr
    data = json.loads(done.stdout)
    assert data["verify"]["ok"] is True
    assert data["verify"]["device"] == "interpreter"
    golden = read_plan(tmp_path / "a.plan").golden
    assert golden is not None and golden.tool in ("onnxruntime", "onnx")


def test_emit_writes_graphs_and_kernels(invoke: Invoke, small_model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "parts"
    done = invoke("optimize", small_model, "-o", tmp_path / "a.plan", "--emit", folder)
    assert done.code == 0, done.stderr
    names = sorted(p.name for p in folder.iterdir())
    assert names[0] == "00-import.ir"
    assert any(name.endswith("-fuse.ir") for name in names)
    plan = read_plan(tmp_path / "a.plan")
    kernels = {p.stem: p.read_text() for p in (folder / "kernels").iterdir()}
    assert kernels == {k.name: k.source for k in plan.kernels}


@pytest.mark.parametrize("level", ["0", "1", "2", "3"])
def test_every_level_verifies(
    invoke: Invoke, small_model: Path, tmp_path: Path, level: str
) -> None:
    path = tmp_path / "a.plan"
    assert invoke("optimize", small_model, "-o", path, "-O", level, "--golden").code == 0
    done = invoke("verify", path, "--device", "interpreter")
    assert done.code == 0, done.stdout + done.stderr


def test_shape_overrides_the_model(invoke: Invoke, small_model: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.plan"
    done = invoke("optimize", small_model, "-o", path, "--shape", "x=2x3x24x20", "--golden")
    assert done.code == 0, done.stderr
    golden = read_plan(path).golden
    assert golden is not None
    assert golden.inputs["x"].shape == (2, 3, 24, 20)
    assert invoke("verify", path).code == 0


def test_a_symbolic_batch(invoke: Invoke, tmp_path: Path) -> None:
    model = small_cnn()
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "batch"
    model.graph.output[0].type.tensor_type.shape.dim[0].dim_param = "batch"
    path, plan = save(model, tmp_path / "m.onnx"), tmp_path / "m.plan"
    done = invoke("optimize", path, "--dim", "batch=1..64", "--golden")
    assert done.code == 0, done.stderr
    assert invoke("verify", plan, "--device", "interpreter").code == 0
    x = np.random.default_rng(0).standard_normal((5, 3, 16, 16)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    done = invoke("run", plan, "--input", f"x={tmp_path / 'x.npy'}", "-o", tmp_path / "y.npz")
    assert done.code == 0, done.stderr
    assert np.load(tmp_path / "y.npz")["logits"].shape == (5, 5)
    data = json.loads(invoke("inspect", plan, "--json").stdout)
    assert data["symbols"] == {"batch": "1..64"}
    assert data["at"] == {"batch": 64}


def test_a_fixed_model_with_a_symbolic_batch(
    invoke: Invoke, small_model: Path, tmp_path: Path
) -> None:
    plan = tmp_path / "a.plan"
    arguments = ["--shape", "x=batch,3,16,16", "--dim", "batch=1..8", "--golden"]
    done = invoke("optimize", small_model, "-o", plan, *arguments)
    assert done.code == 0, done.stderr
    assert json.loads(invoke("inspect", plan, "--json").stdout)["symbols"] == {"batch": "1..8"}
    assert invoke("verify", plan, "--device", "interpreter").code == 0
    outputs = json.loads(invoke("run", plan, "--size", "batch=7", "--json").stdout)["outputs"]
    assert outputs[0]["shape"] == [7, 5]


def test_binaries_are_the_same_in_two_runs(
    invoke: Invoke, small_model: Path, tmp_path: Path
) -> None:
    for name, jobs in (("one", "1"), ("two", "2")):
        arguments = ["-o", tmp_path / name, "--target", "a100", "--jobs", jobs]
        done = invoke("optimize", small_model, *arguments)
        assert done.code == 0, done.stderr
        assert "sm_80        5 kernels compiled, no spills" in done.stdout
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    rows = json.loads(invoke("inspect", tmp_path / "one", "--json").stdout)["kernel_list"]
    assert all(r["targets"] == ["sm_80"] and r["spills"] == 0 for r in rows)
    assert all(r["registers"] > 0 for r in rows)


def test_a_fixed_dim(invoke: Invoke, tmp_path: Path) -> None:
    model = small_cnn()
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "batch"
    path = save(model, tmp_path / "m.onnx")
    assert invoke("optimize", path, "--dim", "batch=3").code == 0
    assert json.loads(invoke("inspect", tmp_path / "m.plan", "--json").stdout)["symbols"] == {}


def test_disable_and_passes(invoke: Invoke, small_model: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.plan"
    name = "fold-affine-into-contraction"
    assert invoke("optimize", small_model, "-o", path, "--disable", name).code == 0
    assert all(record["pass"] != name for record in read_plan(path).trace)
    assert invoke("optimize", small_model, "-o", path, "--passes", "eliminate-dead-code").code == 0
    ran = [record["pass"] for record in read_plan(path).trace]
    assert ran == ["eliminate-dead-code", "fuse", "assign-storage", "plan-memory"]


def test_models_are_told_by_content(invoke: Invoke, small_model: Path, tmp_path: Path) -> None:
    odd = tmp_path / "model.txt"
    odd.write_bytes(small_model.read_bytes())
    assert invoke("optimize", odd).code == 0
    assert (tmp_path / "model.plan").exists()


def test_external_data(invoke: Invoke, tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    onnx.save(small_cnn(), path, save_as_external_data=True, location="m.data", size_threshold=0)
    assert invoke("optimize", path, "--golden").code == 0
    assert invoke("verify", tmp_path / "m.plan").code == 0
