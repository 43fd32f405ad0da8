"""The fusion table: every column of a small network, and the verdict."""

from __future__ import annotations

import dataclasses

from benchmarks.fusion import measure
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
