"""Every model's plan, run by Triton's interpreter, beside an independent reference."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import click

from benchmarks.models import MODELS, build
from benchmarks.networks import NETWORKS
from benchmarks.report import Figure, command, run
from benchmarks.sensitivity import movements

NAMES = tuple(
    name
    for name in MODELS
    if not name.startswith("generated") and not name.endswith("_folded") and name not in NETWORKS
)
SECONDS = {"resnet50": 180.0}
SENSITIVITY = 100.0


def verify(name: str) -> list[Figure]:
    """One model: error, time, and the least that the outputs move when a node's weights are 0."""
    from fusec.plan import read_plan

    path = build(name)
    with tempfile.TemporaryDirectory(prefix="fusec-bench-") as folder:
        plan = Path(folder) / "a.plan"
        run("-m", "fusec", "-q", "optimize", str(path), "-o", str(plan), "--golden")
        check = ("-m", "fusec", "-q", "verify", str(plan), "--device", "interpreter", "--json")
        done = run(*check)
        golden = read_plan(plan).golden
        assert golden is not None
        least = min(moved for _, moved in movements(path, dict(golden.inputs)))
    outputs = json.loads(done.stdout)["outputs"]
    error = max(o["rel_l2"] / o["tolerance"] for o in outputs)
    tolerance = max(o["tolerance"] for o in outputs)
    return [
        Figure(f"{name}: verify in the interpreter", done.seconds, "s", SECONDS.get(name)),
        Figure("  relative L2 error over the tolerance", error, "", 1.0),
        Figure(
            f"  zeroed weights over the tolerance of {tolerance:.1e}",
            least / tolerance,
            "x",
            SENSITIVITY,
            at_least=True,
        ),
    ]


def figures(names: tuple[str, ...]) -> list[Figure]:
    """Optimize with golden outputs, verify in the interpreter, and see that the data can fail."""
    found: list[Figure] = []
    for name in names or NAMES:
        click.echo(f"verifying {name}", err=True)
        found += verify(name)
    return found


MODELS_OPTION = click.Option(
    ["--model", "names"], type=click.Choice(NAMES), multiple=True, help="default: all"
)

if __name__ == "__main__":
    command(figures, MODELS_OPTION)()
