"""The networks that fusec is measured on, from ONNX file to outputs, at 224x224.

`make test` runs ResNet-50, MobileNetV3-Large and four light models; the others are slow.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from benchmarks.bench_verify import NAMES, SENSITIVITY
from benchmarks.models import build
from benchmarks.sensitivity import movements
from fusec.compiler import CompileOptions, choose_passes, compile_model, run_passes
from fusec.explain.counts import count_plan
from fusec.frontend import load_model
from fusec.ir import print_graph
from fusec.runtime import Session
from fusec.verification.case import case_of_model, case_of_plan
from fusec.verification.evaluate import evaluate

FAST = (
    "resnet50",
    "mobilenetv3_large",
    "light_squeezenet",
    "light_shufflenet",
    "light_bvlc_alexnet",
    "light_inception_v1",
)
MODELS = [pytest.param(name, marks=[] if name in FAST else [pytest.mark.slow]) for name in NAMES]
FOLDED = [
    pytest.param(name, marks=pytest.mark.slow)
    for name in ("resnet50_folded", "mobilenetv3_large_folded")
]
# Of one image the linear layer is a matrix times a vector: a reduction.
RESNET50 = {"contraction": 53, "window": 1, "reduction": 2}
RESNET50_BYTES = 114.5e6
OPTIONS = CompileOptions(golden=True)


@pytest.mark.parametrize("name", [*MODELS, *FOLDED])
def test_interpreted_kernels_give_the_outputs_of_the_reference(name: str) -> None:
    plan = compile_model(build(name), OPTIONS)
    assert plan.golden is not None
    case = case_of_plan(plan.golden)
    verdicts = case.compare(Session(plan, "interpreter").run(case.inputs))
    assert all(v.ok for v in verdicts), "; ".join(v.reason for v in verdicts)


@pytest.mark.gpu
@pytest.mark.parametrize("name", [*MODELS, *FOLDED])
def test_kernels_on_a_gpu_give_the_outputs_of_the_reference(name: str) -> None:
    plan = compile_model(build(name), OPTIONS)
    assert plan.golden is not None
    case = case_of_plan(plan.golden)
    verdicts = case.compare(Session(plan, "cuda").run(case.inputs))
    assert all(v.ok for v in verdicts), "; ".join(v.reason for v in verdicts)


@pytest.mark.parametrize("name", [*MODELS, *FOLDED])
def test_passes_keep_the_meaning_and_a_second_time_change_nothing(name: str) -> None:
    graph = load_model(build(name))
    case = case_of_model(build(name), graph, seed=1)
    passes = choose_passes(OPTIONS)
    run_passes(graph, passes, (), OPTIONS)
    verdicts = case.compare(evaluate(graph, case.inputs))
    assert all(v.ok for v in verdicts), "; ".join(v.reason for v in verdicts)
    text = print_graph(graph)
    again = run_passes(graph, passes, (), OPTIONS)
    assert [record.name for record in again.records if record.changed] == []
    assert print_graph(graph) == text


@pytest.mark.parametrize("name", MODELS)
def test_the_data_can_fail(name: str) -> None:
    """Zeroing the weights of any one node moves the output by 100 tolerances or more."""
    graph = load_model(build(name))
    case = case_of_model(build(name), graph, seed=0)
    limit = SENSITIVITY * max(case.tolerances.values())
    still = {
        weight: moved for weight, moved in movements(build(name), case.inputs) if moved < limit
    }
    assert not still


@pytest.mark.parametrize("name", ["mobilenetv3_large", "light_squeezenet"])
def test_a_wrong_weight_is_found(name: str) -> None:
    """The whole check fails when the plan's weights differ from the model's in one node."""
    plan = compile_model(build(name), OPTIONS)
    assert plan.golden is not None
    case = case_of_plan(plan.golden)
    weights = [v.constant for v in plan.graph.values if v.constant is not None]
    biggest = max(weights, key=lambda weight: weight.array.size)
    changed = np.array(biggest.array, order="C")
    changed.reshape(-1)[: changed.size // 2] = 0
    biggest.array = changed
    assert not all(v.ok for v in case.compare(Session(plan, "reference").run(case.inputs)))


def test_resnet50_is_56_kernels() -> None:
    """53 convolutions, a linear layer, a pool, a mean: all else is fused into them."""
    plan = compile_model(build("resnet50"))
    kinds = Counter(
        plan.kernel(name).program.kind for name in (x.kernel for x in plan.launches) if name
    )
    assert kinds == RESNET50
    assert len(plan.launches) == sum(RESNET50.values())
    assert count_plan(plan).activation_bytes <= RESNET50_BYTES
