"""`run`, `bench`, `check`, `opt`, `doctor`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fusec.plan import read_plan
from tests.cli.conftest import Invoke

TEXT = """graph main(%x: f32[2, 3]) {
  %a = neg(%x) : f32[2, 3]
  %unused = exp(%x) : f32[2, 3]
  return %a
}
"""


def test_run_gives_the_golden_outputs(invoke: Invoke, small_plan: Path, tmp_path: Path) -> None:
    golden = read_plan(small_plan).golden
    assert golden is not None
    np.save(tmp_path / "x.npy", golden.inputs["x"])
    np.savez(tmp_path / "x.npz", x=golden.inputs["x"])
    for given in (f"x={tmp_path / 'x.npy'}", f"x={tmp_path / 'x.npz'}", str(tmp_path / "x.npz")):
        out = tmp_path / "y.npz"
        done = invoke("run", small_plan, "--input", given, "-o", out)
        assert done.code == 0, done.stderr
        with np.load(out) as arrays:
            np.testing.assert_allclose(arrays["logits"], golden.outputs["logits"], rtol=1e-5)


def test_devices_agree(invoke: Invoke, small_plan: Path, tmp_path: Path) -> None:
    arrays = []
    for device in ("reference", "interpreter"):
        out = tmp_path / f"{device}.npz"
        done = invoke("run", small_plan, "--device", device, "--seed", "5", "-o", out)
        assert done.code == 0, done.stderr
        arrays.append(np.load(out)["logits"])
    np.testing.assert_allclose(arrays[0], arrays[1], rtol=1e-5, atol=1e-6)


def test_seeds_and_ranges(invoke: Invoke, small_plan: Path) -> None:
    def numbers(*arguments: str) -> object:
        return json.loads(invoke("run", small_plan, "--json", *arguments).stdout)["outputs"]

    assert numbers() == numbers("--seed", "0")
    assert numbers() != numbers("--seed", "1")
    assert numbers() != numbers("--input-range", "x=0..1")


def test_run_describes_outputs(invoke: Invoke, small_plan: Path) -> None:
    done = invoke("run", small_plan)
    assert done.stdout.startswith("logits: float32 1x5, ")
    assert done.stderr.startswith("device: ")
    data = json.loads(invoke("run", small_plan, "--json").stdout)
    assert data["device"] in ("cuda", "reference")
    assert data["outputs"][0]["shape"] == [1, 5]


def test_bench(invoke: Invoke, small_plan: Path, small_model: Path) -> None:
    arguments = ["--seconds", "0.05", "--device", "reference", "--json"]
    done = invoke("bench", small_plan, *arguments)
    assert done.code == 0, done.stderr
    assert json.loads(done.stdout)[0]["engine"] == "fusec (reference)"
    pytest.importorskip("onnxruntime")
    against = ["--against", "onnxruntime", "--model", small_model]
    rows = json.loads(invoke("bench", small_plan, *arguments, *against).stdout)
    assert [r["engine"] for r in rows] == ["fusec (reference)", "onnxruntime"]
    assert all(r["median"] > 0 and r["runs"] >= 3 for r in rows)


def test_check(invoke: Invoke, small_model: Path) -> None:
    done = invoke("check", small_model)
    assert done.code == 0
    assert "BatchNormalization" in done.stdout and "decomposed" in done.stdout
    data = json.loads(invoke("check", small_model, "--json").stdout)
    assert data["ok"] is True
    assert sum(row["count"] for row in data["operators"]) == 11


def test_opt(invoke: Invoke, tmp_path: Path) -> None:
    path, out = tmp_path / "g.txt", tmp_path / "after.txt"
    path.write_text(TEXT)
    assert invoke("opt", path).stdout == TEXT
    done = invoke("opt", path, "--passes", "eliminate-dead-code")
    assert done.code == 0, done.stderr
    assert "unused" not in done.stdout and "neg" in done.stdout
    assert invoke("opt", path, "--passes", "eliminate-dead-code", "-o", out).stdout == ""
    assert out.read_text() == done.stdout
    assert invoke("opt", path, "-o", path).code == 2


def test_opt_reads_stdin(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "fusec", "opt", "-", "--passes", "eliminate-dead-code"]
    done = subprocess.run(command, input=TEXT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "unused" not in done.stdout


def test_doctor(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    done = invoke("doctor")
    assert done.code == 0, done.stderr
    names = {row["name"]: row for row in json.loads(invoke("doctor", "--json").stdout)}
    assert {"python", "torch", "triton", "gpu", "C compiler", "cache"} <= set(names)
    assert names["torch"]["status"] == "ok"
    monkeypatch.setattr("fusec.commands.doctor.find_spec", lambda name: None)
    done = invoke("doctor")
    assert done.code == 4
    assert "not ready: torch" in done.stderr
