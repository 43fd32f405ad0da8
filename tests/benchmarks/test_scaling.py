"""Times of passes: what is timed, the ratios, the plot."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner

from benchmarks.generated import generated
from benchmarks.models import write
from benchmarks.scaling import Timing, figures, main, ratios, svg, time_passes
from fusec.passes.pipeline import pipeline


def timings(*pairs: tuple[int, float]) -> list[Timing]:
    return [Timing(nodes, seconds, {"fuse": seconds}) for nodes, seconds in pairs]


def test_every_pass_of_the_pipeline_is_timed(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    write(generated(60), path)
    timing = time_passes(path)
    assert timing.nodes == 60
    assert set(timing.passes) == {p.name for p in pipeline(2, ())}
    assert timing.seconds == pytest.approx(sum(timing.passes.values())) and timing.seconds > 0


def test_ratios_are_of_ten_times_the_nodes() -> None:
    found = {f.name: f for f in ratios(timings((100, 1.0), (300, 3.0), (1000, 13.0), (3000, 20.0)))}
    assert {name: round(f.value, 3) for name, f in found.items()} == {
        "1,000 nodes over 100": 13.0,
        "3,000 nodes over 300": 6.667,
    }
    assert [f.ok for _, f in sorted(found.items())] == [False, True]


def test_ten_thousand_nodes_have_a_limit() -> None:
    (figure,) = figures(timings((10_000, 21.0), (20_000, 30.0)))
    assert (figure.limit, figure.ok) == (20.0, False)


def test_the_plot_shows_each_size_on_logarithmic_axes() -> None:
    root = ElementTree.fromstring(svg(timings((100, 0.1), (1000, 1.0), (10_000, 10.0))))
    tag = "{http://www.w3.org/2000/svg}"
    points = [(float(c.get("cx", "")), float(c.get("cy", ""))) for c in root.iter(f"{tag}circle")]
    steps = {(b[0] - a[0], b[1] - a[1]) for a, b in pairwise(points)}
    assert len(points) == 3 and len(steps) == 1
    ((right, down),) = steps
    assert right > 0 > down
    assert {t.text for t in root.iter(f"{tag}text")} >= {"100", "10,000", "nodes", "measured"}


def test_the_command_times_and_writes_a_plot(tmp_path: Path) -> None:
    plot = tmp_path / "a" / "plot.svg"
    options = ["--no-bert", "--repeats", "1", "--nodes", "20", "--plot", str(plot)]
    done = CliRunner().invoke(main, options)
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines()[1].startswith("20 ")
    assert plot.read_text().endswith("</svg>\n")
