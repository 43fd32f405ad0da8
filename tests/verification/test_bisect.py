"""A planted wrong rewrite, and a planted wrong kernel, are found by name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from fusec.compiler import CompileOptions, compile_model
from fusec.errors import CheckFailed
from fusec.ir.graph import Graph
from fusec.passes.base import Context, Pass
from fusec.passes.registry import registered
from fusec.plan import Plan
from fusec.tile.program import Apply, Loop, Statement, TileProgram
from fusec.verification.bisect import find, find_kernel, find_pass
from fusec.verification.case import Case, case_of_model
from fusec.verification.evaluate import PassCheck, PassMismatch, evaluate
from tests.cli.small_model import save, small_cnn


@dataclass(frozen=True)
class PlantedMistake(Pass):
    """Replace the first maximum by a minimum.

    1. Wrong on purpose.
    """

    name: ClassVar[str] = "planted-mistake"

    def run(self, graph: Graph, context: Context) -> bool:  # noqa: ARG002
        for node in graph.nodes:
            if node.op.name == "maximum":
                wrong = graph.create("minimum", node.operands, origins=node.origins, before=node)
                graph.replace_node(node, wrong.results)
                return True
        return False


@pytest.fixture
def planted() -> Iterator[None]:
    with registered(PlantedMistake):
        yield


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return save(small_cnn(), tmp_path / "m.onnx")


SPEC = "canonicalize,eliminate-dead-code,planted-mistake,fuse,assign-storage,plan-memory"


def silent(done: int, total: int, what: str = "") -> None:
    pass


def case_for(model: Path, plan: Plan) -> Case:
    return case_of_model(model, plan.graph, 0)


def test_verify_each_names_the_pass(planted: None, model: Path) -> None:
    with pytest.raises(CheckFailed) as caught:
        compile_model(model, CompileOptions(passes=SPEC, verify_each=True))
    assert "pass planted-mistake changed what the graph computes" in caught.value.message
    assert isinstance(caught.value, PassMismatch)
    assert caught.value.pass_name == "planted-mistake"


def test_verify_each_of_the_default_pipeline(model: Path) -> None:
    plan = compile_model(model, CompileOptions(verify_each=True))
    assert plan.golden is None


def test_bisect_names_the_pass(planted: None, model: Path) -> None:
    plan = compile_model(model, CompileOptions(passes=SPEC))
    case = case_for(model, plan)
    assert not all(v.ok for v in case.compare(evaluate(plan.graph, case.inputs)))
    culprit = find(plan, case, model, silent)
    assert (culprit.kind, culprit.name) == ("pass", "planted-mistake")
    assert "pass 3 of 6" in culprit.detail


def swapped(statement: Statement) -> Statement:
    is_max = isinstance(statement, Apply) and statement.op == "maximum"
    return replace(statement, op="minimum") if is_max else statement  # type: ignore[call-arg]


def with_mistake(program: TileProgram) -> TileProgram:
    """The program with its maximum turned into a minimum."""
    body = tuple(
        replace(item, body=tuple(map(swapped, item.body)))
        if isinstance(item, Loop)
        else swapped(item)
        for item in program.body
    )
    return replace(program, body=body)


def test_bisect_names_the_kernel(model: Path) -> None:
    plan = compile_model(model)
    case = case_for(model, plan)
    bad = next(k for k in plan.kernels if with_mistake(k.program) != k.program)
    kernels = [replace(k, program=with_mistake(k.program)) if k is bad else k for k in plan.kernels]
    broken = replace(plan, kernels=tuple(kernels))
    assert find_pass(broken, case, model, silent) is None
    culprit = find(broken, case, model, silent)
    assert (culprit.kind, culprit.name) == ("kernel", bad.name)
    assert culprit.origins
    assert "relative L2" in culprit.detail


def test_nothing_is_wrong(model: Path) -> None:
    plan = compile_model(model)
    case = case_for(model, plan)
    assert find_kernel(plan, case, silent) is None
    assert find(plan, case, model, silent).kind == "none"


def test_a_wrong_import_is_not_blamed_on_a_pass(model: Path) -> None:
    plan = compile_model(model)
    case = case_for(model, plan)
    outputs = {name: array + np.float32(1) for name, array in case.outputs.items()}
    wrong = replace(case, outputs=outputs)
    assert find(plan, wrong, model, silent).kind == "import"
    with pytest.raises(PassMismatch) as caught:
        PassCheck(plan.graph, wrong)
    assert "import" in caught.value.message
