"""A plan from a file that is a plan or a model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from fusec.commands.files import is_plan, require_model
from fusec.commands.talk import Talk

if TYPE_CHECKING:
    from fusec.compiler import CompileOptions
    from fusec.plan import Plan


def open_plan(path: Path, options: CompileOptions, talk: Talk) -> Plan:
    """Read the plan at ``path``, or compile the model there with ``options``."""
    if is_plan(path):
        from fusec.plan import read_plan

        return read_plan(path)
    from fusec.compiler import Stages, compile_model

    with talk.progress("optimize") as advance:
        stages = Stages(advance)
        return compile_model(require_model(path), options, stages=stages)
