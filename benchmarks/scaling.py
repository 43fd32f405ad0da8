"""How the time of the passes grows with the graph, as a table and a plot.

    python benchmarks/scaling.py [--nodes N]... [--plot FILE.svg]

Each size is timed in a process of its own, the best of some runs; torch is imported before.
"""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

if __package__ in {None, ""}:  # run as a file: the other modules are found from the root
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

import click

from benchmarks.generated import generated
from benchmarks.models import DIRECTORY, SEED, build, write
from benchmarks.report import ROOT, Figure, run, table

SIZES = (1_000, 3_000, 10_000, 30_000)
BERT = "bert_base"
# What is asked: seconds for BERT-base and for 10,000 nodes, and time(10n) / time(n).
BERT_SECONDS, SECONDS, SECONDS_AT, RATIO = 1.5, 20.0, 10_000, 12.0
REPEATS = 3
PLOT = ROOT / "build" / "scaling.svg"


@dataclass(frozen=True)
class Timing:
    """The passes over one graph: seconds of all, and of each by name, repeats added up."""

    nodes: int
    seconds: float
    passes: Mapping[str, float]

    def row(self) -> tuple[str, ...]:
        """Nodes, seconds, microseconds a node, the pass that takes longest with its share."""
        name = max(self.passes, key=lambda name: self.passes[name])
        share = self.passes[name] / self.seconds
        each = 1e6 * self.seconds / self.nodes
        return f"{self.nodes:,}", f"{self.seconds:.3f}", f"{each:.0f}", f"{name} {share:.0%}"


def time_passes(path: Path) -> Timing:
    """Import the model and run the default passes over it, once, in this process."""
    import torch  # noqa: F401  (folding evaluates with it; its import is not the passes' time)

    from fusec.compiler import CompileOptions, choose_passes, run_passes, source_nodes
    from fusec.frontend import load_model

    options = CompileOptions()
    graph = load_model(path)
    nodes = source_nodes(graph)
    trace = run_passes(graph, choose_passes(options), (), options)
    passes: dict[str, float] = {}
    for record in trace.records:
        passes[record.name] = passes.get(record.name, 0.0) + record.seconds
    return Timing(nodes, sum(passes.values()), passes)


def timed(path: Path, repeats: int = REPEATS) -> Timing:
    """The fastest of some runs of `time_passes`, each in its own process."""
    runs = [run("-m", "benchmarks.scaling", "--one", str(path)).stdout for _ in range(repeats)]
    return min((Timing(**json.loads(text)) for text in runs), key=lambda timing: timing.seconds)


def graph_of(nodes: int) -> Path:
    """The file of the generated graph of that size, built if it is not there yet."""
    path = DIRECTORY / f"generated_{nodes}.onnx"
    if not path.exists():
        write(generated(nodes, SEED), path)
    return path


def ratios(timings: Sequence[Timing]) -> Iterator[Figure]:
    """time(10n) / time(n) for each n that was timed at both."""
    seconds = {timing.nodes: timing.seconds for timing in timings}
    for nodes in seconds.keys() & {10 * nodes for nodes in seconds}:
        name = f"{nodes:,} nodes over {nodes // 10:,}"
        yield Figure(name, seconds[nodes] / seconds[nodes // 10], "x", RATIO)


def figures(timings: Sequence[Timing]) -> Iterator[Figure]:
    """What was measured beside what was asked."""
    for timing in timings:
        if timing.nodes == SECONDS_AT:
            yield Figure(f"passes on {timing.nodes:,} nodes", timing.seconds, "s", SECONDS)
    yield from sorted(ratios(timings), key=lambda figure: figure.name)


# -- the plot --------------------------------------------------------------------------------------

_WIDTH, _HEIGHT, _MARGIN = 640, 420, 60


@dataclass(frozen=True)
class _Scale:
    """A logarithmic axis: whole decades around some values, onto pixels."""

    low: int
    high: int
    start: float
    end: float

    @classmethod
    def of(cls, values: Sequence[float], start: float, end: float) -> _Scale:
        low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
        return cls(low, max(high, low + 1), start, end)

    def __call__(self, value: float) -> float:
        part = (math.log10(value) - self.low) / (self.high - self.low)
        return self.start + part * (self.end - self.start)

    @property
    def ticks(self) -> list[float]:
        return [10.0**power for power in range(self.low, self.high + 1)]


def svg(timings: Sequence[Timing]) -> str:
    """Seconds over nodes, both logarithmic, with the line that time(10n) = 12 time(n) allows."""
    nodes = [float(timing.nodes) for timing in timings]
    first = timings[0]
    allowed = [first.seconds * (n / first.nodes) ** math.log10(RATIO) for n in nodes]
    seconds = [timing.seconds for timing in timings]
    x = _Scale.of(nodes, _MARGIN, _WIDTH - _MARGIN)
    y = _Scale.of([*seconds, *allowed], _HEIGHT - _MARGIN, _MARGIN)
    parts = [*_axes(x, y)]
    for label, values, style in (
        ("measured", seconds, 'stroke="black"'),
        (f"{RATIO:g} times for 10 times the nodes", allowed, 'stroke="gray" stroke-dasharray="6"'),
    ):
        points = " ".join(f"{x(n):.1f},{y(s):.1f}" for n, s in zip(nodes, values))
        parts.append(f'<polyline fill="none" {style} points="{points}"/>')
        parts.append(_text(x(nodes[-1]), y(values[-1]) - 8, label, "end"))
    parts += [f'<circle cx="{x(n):.1f}" cy="{y(s):.1f}" r="4"/>' for n, s in zip(nodes, seconds)]
    size = f'width="{_WIDTH}" height="{_HEIGHT}"'
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12">'
    )
    return "\n".join([head, '<rect width="100%" height="100%" fill="white"/>', *parts, "</svg>\n"])


def _axes(x: _Scale, y: _Scale) -> Iterator[str]:
    for tick in x.ticks:
        yield _line(x(tick), y.start, x(tick), y.end)
        yield _text(x(tick), y.start + 18, f"{tick:,.0f}", "middle")
    for tick in y.ticks:
        yield _line(x.start, y(tick), x.end, y(tick))
        yield _text(x.start - 8, y(tick) + 4, f"{tick:g}", "end")
    yield _text((x.start + x.end) / 2, y.start + 40, "nodes", "middle")
    yield _text(x.start, y.end - 16, "seconds of all passes", "middle")


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    ends = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line {ends} stroke="lightgray"/>'


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{text}</text>'


def write_text(path: Path, text: str) -> None:
    """Write a file so that it appears whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text, "utf-8")
    os.replace(temporary, path)


@click.command(help=__doc__)
@click.option("--nodes", type=click.IntRange(1), multiple=True, help="sizes instead of the default")
@click.option("--plot", type=click.Path(path_type=Path), default=PLOT, help="where to write it")
@click.option("--repeats", type=click.IntRange(1), default=REPEATS, show_default=True)
@click.option("--bert/--no-bert", default=True, help="time BERT-base too")
@click.option("--one", type=click.Path(path_type=Path, exists=True), help="time one model, as JSON")
def main(nodes: tuple[int, ...], plot: Path, repeats: int, bert: bool, one: Path | None) -> None:
    """Print the table and write the plot; exit with 1 if a limit is missed."""
    if one is not None:
        click.echo(json.dumps(asdict(time_passes(one))))
        return
    timings = [timed(graph_of(size), repeats) for size in sorted(nodes or SIZES)]
    found = [*figures(timings)]
    if bert:
        seconds = timed(build(BERT), repeats).seconds
        found.append(Figure("passes on BERT-base", seconds, "s", BERT_SECONDS))
    head = ("nodes", "seconds", "microseconds a node", "longest pass")
    click.echo(table([head, *(timing.row() for timing in timings)]))
    click.echo(table([("figure", "measured", "asked"), *(figure.row() for figure in found)]))
    write_text(plot, svg(timings))
    click.echo(f"plot: {plot}", err=True)
    sys.exit(0 if all(figure.ok for figure in found) else 1)


if __name__ == "__main__":
    main()
