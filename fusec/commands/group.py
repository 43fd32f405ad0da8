"""The command group: lazy commands, common options, and errors turned into exit codes."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import click

from fusec.commands.talk import Talk
from fusec.errors import INTERRUPTED, FusecError, exit_code

LONGEST = 300  # characters of an unexpected error's message; the traceback has all of it
NEW_ISSUE = "please report it, with the command and the lines above"


def _set_talk(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    """Fold ``-v``, ``-q`` and ``--debug``, given before or after the command, into one `Talk`."""
    talk = ctx.ensure_object(Talk)
    if param.name == "verbose":
        talk.verbosity += int(value)
    elif param.name == "quiet" and value:
        talk.verbosity = -1
    elif param.name == "debug" and value:
        talk.debug = True


def common_options() -> list[click.Option]:
    """``-v``, ``-q`` and ``--debug``, which every command takes."""
    shared: dict[str, Any] = {"expose_value": False, "callback": _set_talk}
    return [
        click.Option(["-v", "--verbose"], count=True, help="Say more.", **shared),
        click.Option(["-q", "--quiet"], is_flag=True, help="Only results and errors.", **shared),
        click.Option(["--debug"], is_flag=True, help="Show tracebacks.", **shared),
    ]


class Command(click.Command):
    """A command with the common options."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params += common_options()


class Group(click.Group):
    """Loads a command when it is called; ``--help`` reads only the table ``commands``."""

    def __init__(self, *args: Any, table: dict[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.table = table
        self.params += common_options()

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(self.table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in self.table:
            return None
        module = import_module(f"fusec.commands.{cmd_name}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(self.table.items()))

    def main(self, args: Sequence[str] | None = None, *rest: Any, **extra: Any) -> Any:
        """Run and exit with the code of `fusec.errors.exit_code`."""
        extra["standalone_mode"] = False
        talk = Talk()
        try:
            status = super().main(args, *rest, obj=talk, **extra)
        except Exception as error:
            status = report(error, talk)
        except KeyboardInterrupt:
            click.echo("\nfusec: interrupted", err=True)
            status = INTERRUPTED
        sys.exit(status if isinstance(status, int) else 0)


def report(error: Exception, talk: Talk) -> int:
    """Say on stderr what went wrong; returns the exit code."""
    if isinstance(error, click.exceptions.Abort):  # click's form of an interrupt
        click.echo("fusec: interrupted", err=True)
        return INTERRUPTED
    if isinstance(error, click.ClickException):
        error.show()
        return error.exit_code
    if isinstance(error, BrokenPipeError):  # the reader of stdout left: `fusec explain | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return exit_code(error)
    code = exit_code(error)
    is_bug = code == 70
    if is_bug or talk.debug:
        click.echo("".join(traceback.format_exception(error)), err=True, nl=False)
    click.echo(_message(error), err=True)
    if is_bug:
        click.echo(f"fusec: this is a bug in fusec; {NEW_ISSUE}", err=True)
    return code


def _message(error: Exception) -> str:
    if isinstance(error, FusecError):
        hint = f"\nhint: {error.hint}" if error.hint else ""
        return f"fusec: error: {error.message}{hint}"
    if isinstance(error, MemoryError):
        return f"fusec: error: out of memory{f': {error}' if str(error) else ''}"
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return f"fusec: error: {where}{error.strerror}"
    return f"fusec: error: {type(error).__name__}: {str(error)[:LONGEST]}"
