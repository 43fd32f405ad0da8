"""Every golden case through the whole compiler, compared with what an independent tool computed."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from fusec.compiler import CompileOptions, choose_passes, compile_model, run_passes
from fusec.frontend import load_model
from fusec.plan import Plan, read_plan, write_plan
from fusec.runtime import Session
from fusec.verification.case import Case, case_of_folder
from fusec.verification.evaluate import evaluate
from tests.golden.make_cases import CASES, relative_error, run_onnxruntime

ROOT = Path(__file__).resolve().parent
NETWORKS = [name for name in CASES if name.startswith("net_")]
SENSITIVITY = 100  # zeroed weights move an output by so many tolerances, at least

# The kinds of the kernels that each form compiles to, in the order of their launches.
FORMS = {
    "form_pointwise": ["pointwise"],
    "form_transpose": ["move"],
    "form_joins": ["move"],
    "form_gather": ["pointwise"],
    "form_reduce_rows": ["reduction"] * 3,
    "form_reduce_long_rows": ["reduction"],
    "form_reduce_columns": ["reduction"],
    "form_softmax": ["reduction"],
    "form_softmax_channels": ["reduction"],
    "form_softmax_long_rows": ["reduction"],
    "form_argmax": ["reduction"],
    "form_matmul": ["contraction"],
    "form_matmul_broadcast": ["contraction"],
    "form_gemm": ["contraction"],
    "form_conv": ["contraction"],
    "form_conv_prologue": ["contraction"],
    "form_conv_grouped": ["contraction"],
    "form_conv_small_groups": ["window"],
    "form_conv_depthwise": ["window"],
    "form_conv_1d": ["contraction"],
    "form_max_pool": ["window"],
    "form_average_pool": ["window"],
    "form_global_pool": ["reduction"],
    "form_resize": ["pointwise"],
    "form_symbolic": ["reduction"],
}


def model_of(name: str) -> Path:
    return ROOT / name / "model.onnx"


@cache
def plan_of(name: str) -> Plan:
    """The case compiled with default options, once for all tests of this worker."""
    return compile_model(model_of(name), CompileOptions())


@cache
def sets_of(name: str) -> tuple[Case, ...]:
    """The sets of inputs and outputs of a case."""
    folders = sorted(path.parent for path in (ROOT / name).rglob("golden.json"))
    return tuple(case_of_folder(folder) for folder in folders)


def check(case: Case, outputs: dict[str, np.ndarray]) -> None:
    """Every output within its tolerance."""
    wrong = [f"{v.name}: {v.reason}" for v in case.compare(outputs) if not v.ok]
    assert not wrong, "; ".join(wrong)


@pytest.mark.parametrize("name", CASES)
def test_import_keeps_the_meaning(name: str) -> None:
    for case in sets_of(name):
        check(case, evaluate(load_model(model_of(name)), case.inputs))


@pytest.mark.parametrize("device", ["reference", "interpreter"])
@pytest.mark.parametrize("name", CASES)
def test_outputs(name: str, device: str) -> None:
    session = Session(plan_of(name), device, poison=True)
    for case in sets_of(name):
        check(case, session.run(case.inputs))


@pytest.mark.gpu
@pytest.mark.parametrize("name", CASES)
def test_outputs_on_a_gpu(name: str) -> None:
    session = Session(plan_of(name), "cuda")
    for case in sets_of(name):
        check(case, session.run(case.inputs))


@pytest.mark.parametrize("name", FORMS)
def test_kernels_of_form(name: str) -> None:
    plan = plan_of(name)
    kernels = [plan.kernel(launch.kernel) for launch in plan.launches if launch.kernel]
    assert len(kernels) == len(plan.launches), "a launch that is no generated kernel"
    assert [k.program.kind for k in kernels] == FORMS[name]


@pytest.mark.parametrize("name", CASES)
def test_optimising_twice_changes_nothing(name: str) -> None:
    graph = load_model(model_of(name))
    options = CompileOptions()
    run_passes(graph, choose_passes(options), (), options)
    again = run_passes(graph, choose_passes(options), (), options)
    changed = [record.name for record in again.records if record.changed]
    assert not changed, f"{changed} changed an optimised graph"


@pytest.mark.parametrize("level", [0, 1, 3])
@pytest.mark.parametrize("name", ["net_resnet", "net_shufflenet", "net_linear_layers"])
def test_every_level_keeps_the_meaning(name: str, level: int) -> None:
    plan = compile_model(model_of(name), CompileOptions(level=level))
    for case in sets_of(name):
        check(case, Session(plan, "reference").run(case.inputs))


@pytest.mark.parametrize("name", ["net_resnet", "net_dynamic_batch", "net_old_style"])
def test_a_plan_read_back_gives_the_same_outputs(name: str, tmp_path: Path) -> None:
    path = tmp_path / "a.plan"
    write_plan(plan_of(name), path)
    session, original = (
        Session(read_plan(path), "interpreter"),
        Session(plan_of(name), "interpreter"),
    )
    for case in sets_of(name):
        outputs, expected = session.run(case.inputs), original.run(case.inputs)
        check(case, outputs)
        assert all(np.array_equal(outputs[key], expected[key]) for key in expected)


# -- the goldens themselves ------------------------------------------------------------------------


def test_every_folder_is_a_case() -> None:
    assert {path.parent.name for path in ROOT.glob("*/model.onnx")} == set(CASES)
    assert set(FORMS) == {name for name in CASES if name.startswith("form_")}
    for name in CASES:
        assert sum(file.stat().st_size for file in (ROOT / name).rglob("*")) < 150_000


@pytest.mark.parametrize("name", CASES)
def test_outputs_are_those_of_the_tool(name: str) -> None:
    """ONNX Runtime computes them again, now: nothing else wrote them, and models match."""
    model = onnx.load(model_of(name))
    for path in (ROOT / name).rglob("golden.json"):
        told = json.loads(path.read_text("utf-8"))
        assert told["tool"] == "onnxruntime"
        assert all(0 <= tolerance < 1e-4 for tolerance in told["tolerance"].values())
    for case in sets_of(name):
        check(case, run_onnxruntime(model, case.inputs))


@pytest.mark.parametrize("name", NETWORKS)
def test_the_data_can_fail(name: str) -> None:
    """Zeroing any one tensor of weights moves an output far beyond its tolerance."""
    model, case = onnx.load(model_of(name)), sets_of(name)[0]
    settings = {n for node in model.graph.node if node.op_type == "Resize" for n in node.input[1:]}
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.ndim == 0 or tensor.name in settings:
            continue
        kept = tensor.SerializeToString()
        tensor.CopyFrom(numpy_helper.from_array(np.zeros_like(values), tensor.name))
        outputs = run_onnxruntime(model, case.inputs)
        tensor.ParseFromString(kept)
        moved = [
            relative_error(outputs[key], want) >= SENSITIVITY * case.tolerances[key]
            for key, want in case.outputs.items()
        ]
        assert any(moved), f"zeroing {tensor.name} changes nothing"
