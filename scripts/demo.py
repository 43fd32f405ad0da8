"""`make demo`: ResNet-50 from an ONNX file to a verified plan of fused kernels.

Runs the commands that a user would type and shows them. The network is timm's ResNet-50 with every
parameter and statistic drawn from a seed, so nothing is downloaded; batch norms are left in the
exported file, for fusec to fold.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import click
import onnx

from benchmarks.models import build

FOLDER = Path("build")
MODEL = FOLDER / "resnet50.onnx"
PLAN = FOLDER / "resnet50.plan"
EXPLAIN_LINES = 40


class Demo:
    """Prints each step, runs it, and counts the time."""

    def __init__(self) -> None:
        self._start = time.perf_counter()

    def say(self, text: str) -> None:
        """Print a headline with the seconds since the start."""
        seconds = time.perf_counter() - self._start
        click.secho(f"\n[{seconds:5.1f} s] {text}", bold=True)

    def fusec(self, *arguments: str, lines: int | None = None) -> None:
        """Run one fusec command; show all of its output, or its first lines.

        Exits with the command's own exit code if it fails.
        """
        self.say("$ fusec " + " ".join(arguments))
        command = [sys.executable, "-m", "fusec", *arguments]
        pipe = subprocess.PIPE if lines else None
        done = subprocess.run(command, stdout=pipe, text=True, check=False)
        if lines:
            printed = done.stdout.splitlines()
            click.echo("\n".join(printed[:lines]))
            if len(printed) > lines:
                click.echo(f"... {len(printed) - lines} more lines")
        if done.returncode:
            sys.exit(done.returncode)


def describe(path: Path) -> str:
    """One line on what the file holds."""
    model = onnx.load(path)
    counts = Counter(node.op_type for node in model.graph.node).most_common()
    ops = ", ".join(f"{count} {op}" for op, count in counts)
    return f"{path}: {path.stat().st_size / 1e6:.0f} MB, {len(model.graph.node)} nodes: {ops}"


def main() -> None:
    """Export, optimize, explain, inspect, verify."""
    demo = Demo()
    if not MODEL.exists():
        demo.say("Exporting a seeded ResNet-50 to ONNX")
        build("resnet50", FOLDER)
    click.echo(describe(MODEL))
    demo.fusec("optimize", str(MODEL), "-o", str(PLAN), "--golden")
    demo.fusec("explain", str(PLAN), lines=EXPLAIN_LINES)
    demo.fusec("inspect", str(PLAN), lines=EXPLAIN_LINES)
    demo.fusec("verify", str(PLAN), "--device", "interpreter")
    demo.say("Done")
    click.echo(f"The model is {MODEL}, the plan {PLAN}. `fusec --help` lists what else there is.")


if __name__ == "__main__":
    main()
