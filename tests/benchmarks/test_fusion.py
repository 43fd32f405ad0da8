"""The fusion table: every column of a small network, and the verdict."""

from __future__ import annotations

import dataclasses

from click.testing import CliRunner

from benchmarks.fusion import main, measure
from tests.golden.make_cases import ROOT


def test_a_file_is_measured_beside_onnxruntime() -> None:
    row = measure(str(ROOT / "net_resnet" / "model.onnx"))
    assert row.ok and row.asked_kernels is None
    assert 0 < row.kernels <= row.onnxruntime_nodes < row.source_nodes
    assert 0 < row.mb < row.onnxruntime_mb * 1.05
    assert len(row.cells()) == 6


def test_a_missed_bar_is_said() -> None:
    row = measure(str(ROOT / "net_resnet" / "model.onnx"))
    missed = dataclasses.replace(row, asked_kernels=row.kernels - 1)
    assert not missed.ok and missed.cells()[-1].endswith("MISSED")


def test_open_dims_have_one_size_in_every_column() -> None:
    """A plan for symbolic dims is counted at the top of their ranges, and so are the others."""
    path = str(ROOT / "net_efficientnet_dynamo" / "model.onnx")
    small, large = (measure(path, (f"batch={size}",)) for size in (1, 3))
    ranged = measure(path, ("batch=1..3",))
    assert large.onnxruntime_mb == ranged.onnxruntime_mb > 2.5 * small.onnxruntime_mb
    assert large.mb == ranged.mb > 2.5 * small.mb


def test_the_command_shows_times_when_asked() -> None:
    path = str(ROOT / "net_resnet" / "model.onnx")
    plain, timed = (CliRunner().invoke(main, [path, *more]).stdout for more in ((), ("--time",)))
    assert plain.splitlines()[0].split()[-1] == "asked"
    assert timed.splitlines()[0].split()[-1] == "passes"
    assert timed.splitlines()[1].endswith(" s")
