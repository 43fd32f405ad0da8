"""``fusec check``: what of a model fusec cannot compile, before any long work."""

from __future__ import annotations

from pathlib import Path

import click

from fusec.commands.files import require_model
from fusec.commands.group import Command
from fusec.commands.params import PATH
from fusec.commands.talk import result, result_json


@click.command("check", cls=Command)
@click.argument("model", type=PATH)
@click.option("--json", "as_json", is_flag=True, help="Report as JSON.")
def command(model: Path, as_json: bool) -> None:
    """List every node of MODEL that fusec cannot compile; exits 3 if there is one."""
