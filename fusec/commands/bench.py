"""``fusec bench``: a plan's latency beside other engines."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fusec.commands.devices import device_option, open_session
from fusec.commands.files import require_model, require_plan
from fusec.commands.group import Command
from fusec.commands.params import PATH
from fusec.commands.talk import Talk, result, result_json
from fusec.errors import EnvironmentProblem, UsageError

if TYPE_CHECKING:
    from fusec.verification.data import Array

ENGINES = ("onnxruntime",)


@dataclass(frozen=True)
class Timing:
    """Seconds of one run: the median, and the middle half's ends."""

    engine: str
    median: float
    lower: float
    upper: float
    runs: int


def measure(engine: str, run: Callable[[], object], seconds: float) -> Timing:
    """Time ``run`` for about ``seconds``, at least 3 times, after one run to warm up."""
    run()
    spent: list[float] = []
    begin = time.perf_counter()
    while len(spent) < 3 or time.perf_counter() - begin < seconds:
        start = time.perf_counter()
        run()
        spent.append(time.perf_counter() - start)
    spent.sort()
    at = [spent[min(len(spent) - 1, int(len(spent) * q))] for q in (0.5, 0.25, 0.75)]
    return Timing(engine, at[0], at[1], at[2], len(spent))


def onnxruntime_runner(model: Path, inputs: Mapping[str, Array]) -> Callable[[], object]:
    """A function that runs ``model`` once in ONNX Runtime, its optimisations on."""
    if find_spec("onnxruntime") is None:
        raise EnvironmentProblem(
            "onnxruntime is not installed",
            hint="pip install 'fusec[verify]', or leave --against out",
        )
    import onnxruntime

    session = onnxruntime.InferenceSession(
        str(model), providers=onnxruntime.get_available_providers()
    )
    feed = {i.name: inputs[i.name] for i in session.get_inputs()}
    return lambda: session.run(None, feed)


@click.command("bench", cls=Command)
@click.argument("plan", type=PATH)
@click.option("--against", metavar="ENGINE,...", default="", help="Engines: onnxruntime.")
@click.option("--model", type=PATH, help="The source model, which --against runs.")
@click.option("--seconds", type=click.FloatRange(0), default=2.0, show_default=True, help="Each.")
@click.option("--seed", type=click.IntRange(0), default=0, help="Of the inputs.")
@device_option
@click.option("--json", "as_json", is_flag=True, help="Report as JSON.")
@click.pass_obj
def command(
    talk: Talk,
    plan: Path,
    against: str,
    model: Path | None,
    seconds: float,
    seed: int,
    device: str,
    as_json: bool,
) -> None:
    """Measure PLAN's latency, and other engines' on the same inputs beside it."""
    from fusec.plan import read_plan
    from fusec.verification.data import random_inputs

    engines = [name for name in against.split(",") if name]
    _check_engines(engines, model)
    loaded = read_plan(require_plan(plan))
    inputs = random_inputs(loaded.graph, seed)
    runners: dict[str, Callable[[], object]] = {}
    if engines and model is not None:
        runners["onnxruntime"] = onnxruntime_runner(require_model(model), inputs)
    session = open_session(loaded, device, talk)
    runners = {f"fusec ({session.device})": lambda: session.run(inputs), **runners}
    timings = [measure(name, run, seconds) for name, run in runners.items()]
    if as_json:
        result_json([asdict(t) for t in timings])
    else:
        result(_as_text(timings))


def _check_engines(engines: list[str], model: Path | None) -> None:
    unknown = sorted(set(engines) - set(ENGINES))
    if unknown:
        raise UsageError(f"no engine {unknown[0]!r}", hint=f"engines: {', '.join(ENGINES)}")
    if engines and model is None:
        raise UsageError("a plan does not hold its source", hint="give the model: --model MODEL")


def _as_text(timings: list[Timing]) -> str:
    from fusec.explain.units import table

    rows: list[list[Any]] = [["engine", "median", "middle half", "runs a second"]]
    for t in timings:
        spread = f"{t.lower * 1e3:.2f} .. {t.upper * 1e3:.2f} ms"
        rows.append([t.engine, f"{t.median * 1e3:.2f} ms", spread, f"{1 / t.median:.1f}"])
    return table(rows, right=frozenset({1, 2, 3}))
