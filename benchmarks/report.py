"""What every benchmark shares: figures with their limits, printed as a table or as JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Figure:
    """One measured number. `limit`: what was asked of it; at most, or at least with `at_least`."""

    name: str
    value: float
    unit: str = ""
    limit: float | None = None
    at_least: bool = False

    @property
    def ok(self) -> bool:
        """Whether it is within its limit; true where there is none."""
        if self.limit is None:
            return True
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    def row(self) -> tuple[str, str, str]:
        """Name, value and limit as text."""
        if self.limit is None:
            return self.name, self._text(self.value), ""
        sign = "at least" if self.at_least else "at most"
        verdict = "" if self.ok else "   MISSED"
        return self.name, self._text(self.value), f"{sign} {self._text(self.limit)}{verdict}"

    def _text(self, value: float) -> str:
        precise = abs(value) < 1e-2 and value != 0
        number = f"{value:.2e}" if precise else f"{value:,.4g}" if value % 1 else f"{value:,.0f}"
        return f"{number} {self.unit}".rstrip()


def table(rows: Iterable[tuple[str, ...]]) -> str:
    """Columns of text: the first to the left, the others to the right."""
    cells = [tuple(row) for row in rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    lines = []
    for row in cells:
        parts = [c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths))]
        lines.append("  ".join(parts).rstrip())
    return "\n".join(lines)


def command(figures: Callable[..., list[Figure]], *options: Any) -> click.Command:
    """A command that prints what `figures` measures; its docstring is the help.

    It exits with 1 if a figure misses its limit.
    """

    def run(as_json: bool, **given: Any) -> None:
        measured = figures(**given)
        if as_json:
            click.echo(json.dumps([{**asdict(f), "ok": f.ok} for f in measured], indent=2))
        else:
            click.echo(table([("figure", "measured", "asked"), *(f.row() for f in measured)]))
        sys.exit(0 if all(f.ok for f in measured) else 1)

    show = click.Option(["--json", "as_json"], is_flag=True, help="print JSON")
    return click.Command(None, callback=run, params=[show, *options], help=figures.__doc__)


@dataclass(frozen=True)
class Run:
    """A finished subprocess: what it printed, wall seconds, and its peak of resident bytes."""

    stdout: str
    seconds: float
    peak_bytes: int


def run(*arguments: str, environment: dict[str, str] | None = None) -> Run:
    """Run this Python with the arguments; exit with its code if it fails."""
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *arguments],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
    )
    assert process.stdout is not None
    stdout = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stdout.close()
    if process.returncode:
        click.echo(f"failed with {process.returncode}: {' '.join(arguments)}", err=True)
        sys.exit(process.returncode)
    return Run(stdout, time.perf_counter() - start, usage.ru_maxrss * 1024)


def measure(
    *arguments: str, environment: dict[str, str] | None = None
) -> tuple[dict[str, Any], Run]:
    """What a fusec command reports as JSON, and the subprocess it ran in."""
    done = run("-m", "fusec", "-q", *arguments, "--json", environment=environment)
    return json.loads(done.stdout), done


def fusec(*arguments: str, environment: dict[str, str] | None = None) -> dict[str, Any]:
    """What a fusec command reports as JSON."""
    return measure(*arguments, environment=environment)[0]
