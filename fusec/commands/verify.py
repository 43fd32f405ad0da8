"""``fusec verify``: a plan's outputs against an independent reference."""

from __future__ import annotations

from dataclasses import dataclass, replace
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
@click.option(
    "--bisect", is_flag=True, help="On a mismatch, find the pass or kernel that is wrong."
)
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
    verdict = verify_case(loaded, case, talk, device, rtol, against if bisect else None)
    result_json(verdict.as_json()) if as_json else result(verdict_text(verdict))
    verdict.raise_for_mismatch()


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


@dataclass(frozen=True)
class Verdict:
    """What a comparison found, and who is to blame."""

    device: str
    outputs: tuple[Comparison, ...]
    culprit: Culprit | None = None

    @property
    def ok(self) -> bool:
        """Whether every output agrees."""
        return all(v.ok for v in self.outputs)

    def as_json(self) -> dict[str, Any]:
        """The keys ``ok`` and ``outputs`` that `verify --json` promises, and the rest."""
        data: dict[str, Any] = {
            "ok": self.ok,
            "device": self.device,
            "outputs": [v.as_json() for v in self.outputs],
        }
        if self.culprit is not None:
            data["culprit"] = self.culprit.as_json()
        return data

    def raise_for_mismatch(self) -> None:
        """CheckFailed when an output differs."""
        wrong = [v.name for v in self.outputs if not v.ok]
        if wrong:
            found = self.culprit is not None
            hint = None if found else "find the pass or kernel: --against MODEL --bisect"
            message = f"{len(wrong)} of {len(self.outputs)} outputs differ: {', '.join(wrong[:5])}"
            raise CheckFailed(message, hint=hint)


def verify_case(
    plan: Plan,
    case: Case,
    talk: Talk,
    device: str,
    rtol: float | None = None,
    model: Path | None = None,
) -> Verdict:
    """Run and compare; with ``model``, look for the culprit of a mismatch."""
    for note in case.notes:
        talk.say(f"reference: {note}")
    name, outputs = execute(plan, case.inputs, device, talk)
    verdict = Verdict(name, case.compare(outputs, rtol))
    if verdict.ok or model is None:
        return verdict
    return replace(verdict, culprit=find_culprit(plan, case, model, talk, rtol))


def find_culprit(
    plan: Plan, case: Case, model: Path, talk: Talk, rtol: float | None
) -> Culprit | None:
    """The first pass, else the first kernel, that is wrong."""
    from fusec.verification.bisect import find

    with talk.progress("bisect") as advance:
        return find(plan, case, model, advance, rtol)


def verdict_text(verdict: Verdict) -> str:
    """The verdict for people."""
    from fusec.explain.units import table

    rows = [["output", "rel L2", "max abs", "tolerance", ""]]
    for v in verdict.outputs:
        numbers = [_number(v.rel_l2), _number(v.max_abs), _number(v.tolerance)]
        rows.append([v.name, *numbers, "ok" if v.ok else f"WRONG: {v.reason}"])
    lines = [table(rows, right=frozenset({1, 2, 3}))]
    word = "verified" if verdict.ok else "NOT verified"
    reference = verdict.outputs[0].reference if verdict.outputs else "nothing"
    lines.append(f"{word} on {verdict.device} against {reference}")
    if verdict.culprit is not None:
        lines.append(verdict.culprit.text)
    return "\n".join(lines)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2e}"
