"""``fusec verify``: a plan's outputs against an independent reference."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fusec.commands.devices import device_option, execute
from fusec.commands.files import require_model, require_plan
from fusec.commands.group import Command
from fusec.commands.params import PATH
from fusec.commands.talk import Talk, result, result_json
from fusec.errors import CheckFailed, UsageError

if TYPE_CHECKING:
    from fusec.plan import Plan
    from fusec.verification.bisect import Culprit
    from fusec.verification.case import Case
    from fusec.verification.compare import Comparison


@click.command("verify", cls=Command)
@click.argument("plan", type=PATH)
@click.option("--against", type=PATH, metavar="MODEL", help="Compute the reference from MODEL.")
@click.option("--golden", type=PATH, metavar="DIR", help="Golden inputs and outputs in a folder.")
@click.option("--seed", type=click.IntRange(0), default=0, help="Of the inputs for --against.")
@device_option
@click.option("--bisect", is_flag=True, help="On a mismatch, find the pass or kernel that is wrong.")
@click.option("--rtol", type=click.FloatRange(0), help="Relative L2 tolerance for every output.")
@click.option("--json", "as_json", is_flag=True, help="Report as JSON.")
@click.pass_obj
def command(
    talk: Talk,
    plan: Path,
    against: Path | None,
    golden: Path | None,
    seed: int,
    device: str,
    bisect: bool,
    rtol: float | None,
    as_json: bool,
) -> None:
    """Compare PLAN's outputs with a reference: --against MODEL, --golden DIR, or the plan's own.

    The reference is never fusec: ONNX Runtime with its optimisations off, or the onnx evaluator.
    Exits 1 on a mismatch, 2 when there is nothing to compare with.
    """
    from fusec.plan import read_plan

    if bisect and against is None:
        raise UsageError("--bisect runs the passes again", hint="give the model: --against MODEL")
    loaded = read_plan(require_plan(plan))
    case = choose_case(loaded, plan, against, golden, seed)
    verify_case(loaded, case, talk, device, rtol, as_json, against if bisect else None)


def choose_case(
    plan: Plan, path: Path, against: Path | None, golden: Path | None, seed: int
) -> Case:
    """The reference to compare with, in the order that the help gives."""
    from fusec.verification.case import case_of_folder, case_of_model, case_of_plan

    if against is not None:
        return case_of_model(require_model(against), plan.graph, seed)
    if golden is not None:
        return case_of_folder(golden)
    if plan.golden is not None:
        return case_of_plan(plan.golden)
    raise UsageError(
        f"{path} holds no golden outputs, and neither --against nor --golden is given",
        hint=f"fusec verify {path} --against MODEL, or optimize again with --golden",
    )


def verify_case(
    plan: Plan,
    case: Case,
    talk: Talk,
    device: str,
    rtol: float | None,
    as_json: bool,
    model: Path | None,
) -> None:
    """Run, compare, report; CheckFailed when an output differs."""
    for note in case.notes:
        talk.say(f"reference: {note}")
    name, outputs = execute(plan, case.inputs, device, talk)
    verdicts = case.compare(outputs, rtol)
    wrong = [v.name for v in verdicts if not v.ok]
    culprit = find_culprit(plan, case, model, talk, rtol) if wrong and model is not None else None
    if as_json:
        result_json(_as_json(verdicts, name, culprit))
    else:
        result(_as_text(verdicts, name, culprit))
    if wrong:
        hint = None if model is not None else "find the pass or kernel: --against MODEL --bisect"
        raise CheckFailed(f"{len(wrong)} of {len(verdicts)} outputs differ: {wrong[0]}", hint=hint)


def find_culprit(
    plan: Plan, case: Case, model: Path, talk: Talk, rtol: float | None
) -> Culprit | None:
    """The first pass, else the first kernel, that is wrong."""
    from fusec.verification.bisect import find

    with talk.progress("bisect") as advance:
        return find(plan, case, model, advance, rtol)


def _as_json(
    verdicts: Sequence[Comparison], device: str, culprit: Culprit | None
) -> dict[str, Any]:
    data: dict[str, Any] = {
        "ok": all(v.ok for v in verdicts),
        "device": device,
        "outputs": [v.as_json() for v in verdicts],
    }
    if culprit is not None:
        data["culprit"] = culprit.as_json()
    return data


def _as_text(verdicts: Sequence[Comparison], device: str, culprit: Culprit | None) -> str:
    from fusec.explain.units import table

    rows = [["output", "rel L2", "max abs", "tolerance", ""]]
    for v in verdicts:
        numbers = [_number(v.rel_l2), _number(v.max_abs), _number(v.tolerance)]
        rows.append([v.name, *numbers, "ok" if v.ok else f"WRONG: {v.reason}"])
    lines = [table(rows, right=frozenset({1, 2, 3}))]
    good = all(v.ok for v in verdicts)
    verdict = "verified" if good else "NOT verified"
    lines.append(f"{verdict} on {device} against {verdicts[0].reference}" if verdicts else verdict)
    if culprit is not None:
        lines += ["", culprit.text]
    return "\n".join(lines)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2e}"
