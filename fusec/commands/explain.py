"""``fusec explain``: what each pass did, what was not fused, and why."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fusec.commands.files import check_output, write_whole
from fusec.commands.group import Command
from fusec.commands.options import compile_options, model_options
from fusec.commands.params import PATH
from fusec.commands.sources import open_plan
from fusec.commands.talk import Talk, json_text, result
from fusec.commands.width import text_width
from fusec.errors import UsageError

if TYPE_CHECKING:
    from fusec.plan import Plan
    from fusec.tile.kernel import Kernel


@click.command("explain", cls=Command)
@click.argument("source", type=PATH, metavar="MODEL|PLAN")
@model_options
@click.option("--pass", "names", multiple=True, metavar="NAME", help="Only this pass; repeatable.")
@click.option("--diff", "full_diff", is_flag=True, help="The whole diff of --pass.")
@click.option("--missed", is_flag=True, help="Everything that was not fused, and why.")
@click.option("--node", metavar="NAME", help="The story of a source node; a glob works.")
@click.option("--kernel", metavar="NAME", help="One kernel: body, source, cost, resources.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text")
@click.option("-o", "output", type=PATH, metavar="FILE", help="Default: stdout.")
@click.pass_obj
def command(
    talk: Talk,
    /,
    source: Path,
    names: tuple[str, ...],
    full_diff: bool,
    missed: bool,
    node: str | None,
    kernel: str | None,
    form: str,
    output: Path | None,
    **given: Any,
) -> None:
    """Show the pass table, the diff of each pass that changed something, the top missed fusions.

    From a MODEL it runs the passes with the options given; a PLAN holds its own trace.
    """
    if full_diff and not names:
        raise UsageError("--diff shows the diff of a pass", hint="add --pass NAME")
    if output is not None:
        check_output(output, *([source] if source.exists() else []))
    plan = open_plan(source, compile_options(given), talk)
    width = text_width()
    as_json = form == "json"
    if node is not None:
        text = _node(plan, node, width, as_json)
    elif kernel is not None:
        text = _kernel(plan, kernel, width, as_json)
    elif missed:
        text = _missed(plan, width, as_json)
    else:
        text = _passes(plan, names, full_diff, width, as_json)
    if output is None:
        result(text)
    else:
        write_whole(output, text + "\n")


def _node(plan: Plan, pattern: str, width: int, as_json: bool) -> str:
    from fusec.explain.node_text import is_known, node_story, story_text

    story = node_story(plan, pattern)
    if not is_known(story):
        hint = "names are those of the source model, as `fusec inspect --json` lists them"
        raise UsageError(f"no source node is named {pattern!r}", hint=hint)
    return json_text(story) if as_json else story_text(story, width)


def _kernel(plan: Plan, name: str, width: int, as_json: bool) -> str:
    from fusec.explain.kernel_text import kernel_json, kernel_text

    kernel = _find_kernel(plan, name)
    return json_text(kernel_json(plan, kernel)) if as_json else kernel_text(plan, kernel, width)


def _find_kernel(plan: Plan, name: str) -> Kernel:
    try:
        return plan.kernel(name)
    except KeyError:
        names = ", ".join(k.name for k in plan.kernels)
        raise UsageError(f"no kernel is named {name!r}", hint=f"kernels: {names}") from None


def _missed(plan: Plan, width: int, as_json: bool) -> str:
    from fusec.explain.pass_table import missed_text, remarks_of, trace_of

    remarks = remarks_of(trace_of(plan), "missed")
    if as_json:
        return json_text({"remarks": [r.to_data() for r in remarks]})
    return "\n".join(missed_text(remarks, width, None)) or "nothing was missed"


def _passes(plan: Plan, names: tuple[str, ...], full_diff: bool, width: int, as_json: bool) -> str:
    from fusec.explain.pass_table import trace_json, trace_of, trace_text

    trace = trace_of(plan)
    _check_names(names, [r.name for r in trace.records])
    if as_json:
        return json_text(trace_json(trace, names))
    return trace_text(trace, width, names, full_diff)


def _check_names(names: tuple[str, ...], ran: list[str]) -> None:
    unknown = sorted(set(names) - set(ran))
    if unknown:
        hint = f"these ran: {', '.join(dict.fromkeys(ran))}"
        raise UsageError(f"no pass {unknown[0]!r} ran", hint=hint)
