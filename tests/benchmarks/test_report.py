"""What the benchmarks share: limits, tables, subprocesses, and zeroed weights."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from onnx import numpy_helper

from benchmarks.report import Figure, command, run, table
from benchmarks.sensitivity import movements
from tests.golden.make_cases import ROOT, SEED, draw_inputs, relative_error, run_onnxruntime


@pytest.mark.parametrize(
    ("figure", "ok"),
    [
        (Figure("no limit", 5), True),
        (Figure("at the limit", 5, limit=5), True),
        (Figure("over it", 5.1, limit=5), False),
        (Figure("enough", 100, limit=99, at_least=True), True),
        (Figure("too little", 98, limit=99, at_least=True), False),
    ],
)
def test_a_figure_knows_whether_it_is_within_its_limit(figure: Figure, ok: bool) -> None:
    assert figure.ok is ok
    assert ("MISSED" in figure.row()[2]) is not ok


def test_numbers_are_short() -> None:
    rows = [Figure("a", v, "s").row()[1] for v in (3, 1234567, 0.1 + 0.2, 12.3456, 3.7e-6)]
    assert rows == ["3 s", "1,234,567 s", "0.3 s", "12.35 s", "3.70e-06 s"]


def test_columns_line_up() -> None:
    assert table([("name", "1"), ("a", "100")]) == "name    1\na     100"


@pytest.mark.parametrize(("value", "code"), [(1.0, 0), (3.0, 1)])
def test_the_command_prints_json_and_exits_by_the_limits(value: float, code: int) -> None:
    def figures() -> list[Figure]:
        return [Figure("a", value, "s", 2.0)]

    done = CliRunner().invoke(command(figures), ["--json"])
    assert done.exit_code == code
    (figure,) = json.loads(done.stdout)
    assert figure["name"] == "a"
    assert figure["ok"] is (code == 0)


def test_a_run_tells_output_time_and_peak() -> None:
    # From a process of its own, as benchmarks are: a child's peak starts at its parent's size.
    code = (
        "from benchmarks.report import run\n"
        "done = run('-c', 'data = bytearray(80_000_000); print(len(data))')\n"
        "print(done.stdout.strip(), done.seconds > 0, done.peak_bytes)"
    )
    shown, took_time, peak = run("-c", code).stdout.split()
    assert (shown, took_time) == ("80000000", "True")
    assert 80e6 < int(peak) < 400e6


def test_a_failed_run_ends_with_its_code() -> None:
    with pytest.raises(SystemExit) as ended:
        run("-c", "raise SystemExit(3)")
    assert ended.value.code == 3


@pytest.mark.parametrize("name", ["net_resnet", "net_old_style"])
def test_movements_are_those_of_a_model_with_the_weight_zeroed(name: str) -> None:
    path: Path = ROOT / name / "model.onnx"
    model = onnx.load(path)
    inputs = draw_inputs(model, {}, SEED, 1)
    expected = run_onnxruntime(model, inputs)
    moved = dict(movements(path, inputs))
    contractions = [n for n in model.graph.node if n.op_type in {"Conv", "Gemm"}]
    assert list(moved) == [n.input[1] for n in contractions]
    for tensor in model.graph.initializer:
        if tensor.name in moved:
            kept = tensor.SerializeToString()
            zeros = np.zeros_like(numpy_helper.to_array(tensor))
            tensor.CopyFrom(numpy_helper.from_array(zeros, tensor.name))
            outputs = run_onnxruntime(model, inputs)
            tensor.ParseFromString(kept)
            error = max(relative_error(outputs[k], expected[k]) for k in expected)
            assert moved[tensor.name] == pytest.approx(error, rel=1e-4)
