"""The passes on whole networks: the numbers of an independent tool, and nothing left to do."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from benchmarks.models import MODELS, build
from fusec.frontend import load_model
from fusec.ir import Graph, print_graph
from fusec.passes.manager import PassManager, Trace
from fusec.passes.pipeline import REQUIRED, pipeline
from fusec.verification.case import case_of_folder
from fusec.verification.evaluate import evaluate
from tests.golden.make_cases import CASES

GOLDEN = Path(__file__).parent.parent / "golden"
FRONT = tuple(p for p in pipeline(3) if p.name not in REQUIRED)
SMALL = {"light_squeezenet", "light_shufflenet", "generated_1000"}


def folders_of(name: str) -> list[Path]:
    return sorted(path.parent for path in (GOLDEN / name).rglob("golden.json"))


@cache
def optimised(name: str) -> tuple[Graph, Trace]:
    graph = load_model(GOLDEN / name / "model.onnx")
    return graph, PassManager(FRONT).run(graph)


@pytest.mark.parametrize("name", CASES)
def test_the_numbers_are_those_of_an_independent_tool(name: str) -> None:
    graph, _ = optimised(name)
    for folder in folders_of(name):
        case = case_of_folder(folder)
        wrong = [v.reason for v in case.compare(evaluate(graph, case.inputs)) if not v.ok]
        assert not wrong, wrong


@pytest.mark.parametrize("name", CASES)
def test_a_second_run_changes_nothing(name: str) -> None:
    graph, _ = optimised(name)
    text = print_graph(graph)
    again = PassManager(FRONT).run(graph)
    assert [r.name for r in again.records if r.changed] == [] and print_graph(graph) == text


@pytest.mark.parametrize("name", [n for n in CASES if n.startswith("net_")])
def test_a_second_run_of_the_whole_pipeline_changes_nothing(name: str) -> None:
    graph = load_model(GOLDEN / name / "model.onnx")
    PassManager(pipeline(3)).run(graph)
    text = print_graph(graph)
    again = PassManager(pipeline(3)).run(graph)
    assert [r.name for r in again.records if r.changed] == [] and print_graph(graph) == text


@pytest.mark.parametrize("name", CASES)
def test_two_runs_are_byte_equal(name: str) -> None:
    graph, trace = optimised(name)
    other = load_model(GOLDEN / name / "model.onnx")
    assert PassManager(FRONT).run(other).to_json_lines() == trace.to_json_lines()
    assert print_graph(other) == print_graph(graph)


@pytest.mark.parametrize("name", CASES)
def test_every_source_node_is_somewhere(name: str) -> None:
    """An origin of the imported graph is in the optimised graph, or in a change that took it."""
    source = load_model(GOLDEN / name / "model.onnx")
    graph, trace = optimised(name)
    left = {o for n in graph.nodes for o in n.origins}
    left |= {o for r in trace.records for c in r.changes for o in c.origins}
    assert {o for n in source.nodes for o in n.origins} <= left


@pytest.mark.parametrize(
    "name",
    [n if n in SMALL else pytest.param(n, marks=pytest.mark.slow) for n in MODELS],
)
def test_no_norm_or_scale_is_left_beside_a_convolution(name: str) -> None:
    """Batch norms that follow a convolution are gone, and nothing is left to do."""
    dims: dict[str, tuple[int, int, int]] = {"batch": (1, 8, 1)} if "dynamic" in name else {}
    if name.startswith("bert") and dims:
        dims["sequence"] = (8, 512, 1)
    graph = load_model(build(name), None, dims)
    PassManager(FRONT).run(graph)
    text = print_graph(graph)
    again = PassManager(FRONT).run(graph)
    assert [r.name for r in again.records if r.changed] == [] and print_graph(graph) == text
    for node in graph.nodes:
        if node.op.name == "conv" and node.result.has_one_use and node.result.users:
            (user,) = node.result.users
            other = [v for v in user.operands if v is not node.result]
            assert user.op.name != "mul" or not any(v.constant for v in other), user
