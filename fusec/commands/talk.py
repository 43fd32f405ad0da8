"""What a command says: results to stdout, talk and progress to stderr."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import click


class Advance(Protocol):
    """Tells a progress bar how far the work is."""

    def __call__(self, done: int, total: int, what: str = "") -> None: ...


class Talk:
    """Verbosity of one run: -1 with ``-q`` (errors only), 0, 1 or more with ``-v``."""

    def __init__(self, verbosity: int = 0, *, debug: bool = False) -> None:
        self.verbosity = verbosity
        self.debug = debug

    def say(self, text: str) -> None:
        """One line of talk."""
        if self.verbosity >= 0:
            click.echo(text, err=True)

    def detail(self, text: str) -> None:
        """Talk for ``-v``."""
        if self.verbosity > 0:
            click.echo(text, err=True)

    @contextmanager
    def progress(self, title: str) -> Iterator[Advance]:
        """A progress bar on stderr when it is a terminal; silent otherwise."""
        if self.verbosity < 0 or not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
            yield _no_progress
            return
        with _rich_progress(title) as advance:
            yield advance


def _no_progress(done: int, total: int, what: str = "") -> None:
    """Where nobody looks."""


@contextmanager
def _rich_progress(title: str) -> Iterator[Advance]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as Remaining

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Remaining())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=None)

        def advance(done: int, total: int, what: str = "") -> None:
            text = f"{title} {what}" if what else title
            bar.update(task, completed=done, total=total, description=text)

        yield advance


def result(text: str) -> None:
    """Write a result to stdout."""
    click.echo(text)


def json_text(data: Any) -> str:
    """JSON to read; keys in the order given."""
    return json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False)


def result_json(data: Any) -> None:
    """Write a result to stdout as JSON."""
    click.echo(json_text(data))
