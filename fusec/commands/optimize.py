"""``fusec optimize``: a model into a plan."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fusec.commands.emit import Emitter
from fusec.commands.files import check_output, require_model
from fusec.commands.group import Command
from fusec.commands.options import compile_options, model_options
from fusec.commands.params import PATH
from fusec.commands.talk import Talk, json_text, result

if TYPE_CHECKING:
    from fusec.commands.verify import Verdict
    from fusec.compiler import Stages
    from fusec.plan import Plan


@click.command("optimize", cls=Command)
@click.argument("model", type=PATH)
@click.option("-o", "output", type=PATH, metavar="PLAN", help="Default: MODEL with .plan.")
@model_options
@click.option("--golden", is_flag=True, help="Store outputs of MODEL, by an independent tool.")
@click.option("--seed", type=click.IntRange(0), default=0, help="Seed of the golden inputs.")
@click.option("--verify", "then_verify", is_flag=True, help="Run the kernels and compare.")
@click.option("--verify-each", is_flag=True, help="Evaluate the graph after every pass.")
@click.option("--emit", type=PATH, metavar="DIR", help="Write graphs, kernels and plan parts.")
@click.option("--jobs", type=click.IntRange(0), default=0, help="Compiling processes (0: cores).")
@click.option("--json", "as_json", is_flag=True, help="Report as JSON.")
@click.pass_obj
def command(
    talk: Talk,
    /,
    model: Path,
    output: Path | None,
    then_verify: bool,
    emit: Path | None,
    jobs: int,
    as_json: bool,
    **given: Any,
) -> None:
    """Compile MODEL (ONNX) into a plan of fused kernels.

    Needs no GPU. With no --target the plan holds no binaries: kernels then compile on first load.
    """
    from fusec.compiler import Stages, compile_model
    from fusec.plan import write_plan

    path = check_output(output or model.with_suffix(".plan"), require_model(model))
    given["golden"] = given["golden"] or then_verify
    emitter = Emitter(emit) if emit is not None else None
    observe = emitter.observe if emitter is not None else None
    with talk.progress("optimize") as advance:
        stages = Stages(advance)
        options = compile_options(given)
        plan = compile_model(model, options, stages=stages, jobs=jobs, observe=observe)
    verdict = None
    if then_verify:
        with stages("verify"):
            verdict, plan = _verify(plan, talk)
    with stages("write"):
        write_plan(plan, path)
    if emitter is not None:
        emitter.plan(plan)
    as_text = _as_json if as_json else _as_text
    result(as_text(plan, model, path, stages, verdict))
    if verdict is None:
        talk.say(_next_step(plan, model, path))
    else:
        verdict.raise_for_mismatch()


def _verify(plan: Plan, talk: Talk) -> tuple[Verdict, Plan]:
    """Run the kernels in the interpreter and compare with the golden outputs just made.

    Where all agree, the plan's kernels are marked as checked so.
    """
    from fusec.commands.verify import verify_case
    from fusec.tile.kernel import Checked
    from fusec.verification.case import case_of_plan

    assert plan.golden is not None
    verdict = verify_case(plan, case_of_plan(plan.golden), talk, "interpreter")
    if not verdict.ok:
        return verdict, plan
    kernels = tuple(replace(k, checked=Checked.INTERPRETER) for k in plan.kernels)
    return verdict, replace(plan, kernels=kernels)


def _as_json(plan: Plan, model: Path, path: Path, stages: Stages, verdict: Verdict | None) -> str:
    from fusec.explain.counts import count_plan
    from fusec.explain.summary import target_counts

    data = {
        "model": str(model),
        "plan": str(path),
        **count_plan(plan).as_json(),
        "seconds": {name: round(s, 3) for name, s in stages.seconds.items()},
        "targets": target_counts(plan),
        **({} if verdict is None else {"verify": verdict.as_json()}),
    }
    return json_text(data)


def _as_text(plan: Plan, model: Path, path: Path, stages: Stages, verdict: Verdict | None) -> str:
    from fusec.commands.verify import verdict_text
    from fusec.explain.counts import count_plan
    from fusec.explain.summary import aligned, counts_rows, seconds_text, target_rows

    rows = [*counts_rows(count_plan(plan)), *target_rows(plan)]
    rows.append(("time", seconds_text(stages.seconds)))
    lines = [f"{model} -> {path}", *aligned(rows)]
    return "\n".join(lines if verdict is None else [*lines, verdict_text(verdict)])


def _next_step(plan: Plan, model: Path, path: Path) -> str:
    against = "" if plan.golden is not None else f" --against {model}"
    return f"next: fusec verify {path}{against} --device interpreter"
