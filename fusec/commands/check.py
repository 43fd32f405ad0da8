"""``fusec check``: what of a model fusec cannot compile, before any long work."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fusec.commands.files import require_model
from fusec.commands.group import Command
from fusec.commands.params import DIM, PATH, SHAPE
from fusec.commands.talk import result, result_json
from fusec.commands.width import text_width
from fusec.errors import InvalidModel

if TYPE_CHECKING:
    from fusec.frontend import Coverage

NODES = 3  # names shown of each operator


@click.command("check", cls=Command)
@click.argument("model", type=PATH)
@click.option("--shape", "shapes", type=SHAPE, multiple=True, help="As x=1x3x224x224.")
@click.option("--dim", "dims", type=DIM, multiple=True, help="As batch=8 or batch=1..64.")
@click.option("--json", "as_json", is_flag=True, help="Report as JSON.")
def command(
    model: Path,
    shapes: tuple[tuple[str, tuple[int | str, ...]], ...],
    dims: tuple[tuple[str, int | tuple[int, int, int]], ...],
    as_json: bool,
) -> None:
    """List the operators of MODEL: supported, decomposed, unsupported. Exits 3 if any is not."""
    from fusec.frontend import coverage

    found = coverage(require_model(model), dict(shapes), dict(dims))
    if as_json:
        result_json(_as_json(found))
    else:
        result(_as_text(found, text_width()))
    if not found.is_complete:
        count = sum(row.count for row in found.rows if row.status == "unsupported")
        raise InvalidModel(
            f"{count} nodes of {model} are not supported",
            hint="--json lists every node; export with another opset or rewrite these operators",
        )


def _as_json(found: Coverage) -> dict[str, Any]:
    rows = [
        {
            "op": r.op,
            "status": r.status,
            "count": r.count,
            "reason": r.reason,
            "nodes": list(r.nodes),
        }
        for r in found.rows
    ]
    return {"ok": found.is_complete, "operators": rows}


def _as_text(found: Coverage, width: int) -> str:
    from fusec.explain.units import shorten, table

    rows = [["operator", "nodes", "status", ""]]
    for row in found.rows:
        some = ", ".join(row.nodes[:NODES]) + (", ..." if row.count > NODES else "")
        detail = f"{row.reason} ({some})" if row.reason else ""
        rows.append([row.op, str(row.count), row.status, detail])
    return "\n".join(shorten(x, width) for x in table(rows, right=frozenset({1})).splitlines())
