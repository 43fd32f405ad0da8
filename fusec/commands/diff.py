"""``fusec diff``: two plans, or a model and a plan."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fusec.commands.group import Command
from fusec.commands.options import compile_options, model_options
from fusec.commands.params import PATH
from fusec.commands.sources import open_plan
from fusec.commands.talk import Talk, result, result_json
from fusec.commands.width import text_width

if TYPE_CHECKING:
    from fusec.explain.compare import Difference


@click.command("diff", cls=Command)
@click.argument("a", type=PATH)
@click.argument("b", type=PATH)
@model_options
@click.option("--json", "as_json", is_flag=True, help="Report as JSON.")
@click.pass_obj
def command(talk: Talk, /, a: Path, b: Path, as_json: bool, **given: Any) -> None:
    """Compare A with B, two plans or models: figures, and kernels matched by their origins.

    Models are compiled first, with the options given.
    """
    difference = compare_files(a, b, given, talk)
    if as_json:
        result_json(difference.as_json())
    else:
        from fusec.explain.compare import difference_text

        result(difference_text(difference, text_width()))


def compare_files(a: Path, b: Path, given: dict[str, Any], talk: Talk) -> Difference:
    """Both sides as plans, compared."""
    from fusec.explain.compare import compare
    from fusec.explain.counts import count_plan
    from fusec.explain.kernel_list import kernel_rows

    options = compile_options(given)
    plans = [open_plan(path, options, talk) for path in (a, b)]
    first, second = plans
    return compare(
        (count_plan(first), count_plan(second)), (kernel_rows(first), kernel_rows(second))
    )
