"""``fusec inspect``: what is in a plan."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fusec.commands.files import require_plan
from fusec.commands.group import Command
from fusec.commands.params import PATH
from fusec.commands.talk import result, result_json
from fusec.commands.width import text_width

if TYPE_CHECKING:
    from fusec.plan import Plan


@click.command("inspect", cls=Command)
@click.argument("plan", type=PATH)
@click.option("--json", "as_json", is_flag=True, help="Report as JSON.")
def command(plan: Path, as_json: bool) -> None:
    """Show what PLAN holds: inputs, outputs, memory, kernels, and where it runs."""
    from fusec.plan import read_plan

    loaded = read_plan(require_plan(plan))
    if as_json:
        result_json(plan_json(loaded))
    else:
        from fusec.explain.plan_text import plan_text

        result(plan_text(loaded, text_width()))


def plan_json(plan: Plan) -> dict[str, Any]:
    """Counts, interface, targets and the kernel list."""
    from fusec.explain.counts import count_plan
    from fusec.explain.kernel_list import kernel_rows
    from fusec.explain.plan_text import interface_json
    from fusec.explain.summary import target_counts

    return {
        **count_plan(plan).as_json(),
        **interface_json(plan),
        "targets": target_counts(plan),
        "kernel_list": [row.as_json() for row in kernel_rows(plan)],
    }
