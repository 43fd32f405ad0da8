"""``fusec opt``: passes on IR text."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from fusec.commands.files import check_output, write_whole
from fusec.commands.group import Command
from fusec.commands.params import PATH
from fusec.commands.talk import Talk, result
from fusec.errors import InvalidText, UsageError


def read_text(path: Path) -> str:
    """The text of a file (``-``: stdin); UsageError or InvalidText says what is wrong with it."""
    if str(path) == "-":
        return sys.stdin.read()
    if path.is_dir():
        raise UsageError(f"{path} is a directory", hint="give a file of IR text")
    try:
        return path.read_text("utf-8")
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file") from None
    except UnicodeDecodeError as error:
        hint = "`fusec optimize --emit DIR` writes IR text"
        raise InvalidText(f"{path} is not text: {error}", hint=hint) from None


@click.command("opt", cls=Command)
@click.argument("file", type=PATH)
@click.option("--passes", "spec", metavar="SPEC", default="", help="As a,b{option=1}.")
@click.option("--target", "targets", multiple=True, metavar="NAME", help="Targets of the passes.")
@click.option("-o", "output", type=PATH, metavar="FILE", help="Default: stdout.")
@click.pass_obj
def command(
    talk: Talk, file: Path, spec: str, targets: tuple[str, ...], output: Path | None
) -> None:
    """Run passes on the IR text in FILE (- for stdin) and print the text after them.

    Weights that the text names but does not hold stand in as zeros.
    """
    from fusec.compiler import resolve_targets, run_spec
    from fusec.ir import parse_graph, print_graph, verify_graph

    if output is not None:
        check_output(output, *([file] if file.exists() else []))
    graph = parse_graph(read_text(file), None)
    verify_graph(graph)
    trace = run_spec(graph, spec, resolve_targets(targets))
    for record in trace.records:
        changed = "changed" if record.changed else "unchanged"
        talk.detail(
            f"{record.name}: {changed}, {record.nodes_before} -> {record.nodes_after} nodes"
        )
    text = print_graph(graph)
    if output is None:
        result(text.rstrip("\n"))
    else:
        write_whole(output, text)
