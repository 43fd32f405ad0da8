"""Whole networks: ResNet-50, MobileNetV3 and the light models, against ONNX Runtime."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from benchmarks.models import build
from fusec.frontend import load_model
from tests.frontend.onnx.harness import assert_same, imported, ort, run

FAST = ("light_squeezenet", "light_shufflenet", "mobilenetv3_large_folded")
SLOW = (
    "resnet50",
    "resnet50_folded",
    "mobilenetv3_large",
    "light_bvlc_alexnet",
    "light_densenet121",
    "light_inception_v1",
    "light_inception_v2",
    "light_resnet50",
    "light_vgg19",
    "light_zfnet512",
)


@pytest.mark.parametrize(
    "name", [*FAST, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)]
)
def test_network(name: str) -> None:
    path = build(name)
    graph = imported(path)
    rng = np.random.default_rng(1)
    feeds = {
        v.name: rng.standard_normal([int(str(d)) for d in v.type.shape]).astype(np.float32)
        for v in graph.inputs
    }
    assert_same(run(graph, feeds), ort(str(path), feeds), 2e-5)


def test_large_graphs_import_in_linear_time(tmp_path: Path) -> None:
    seconds = {}
    for nodes in (1_000, 10_000):
        path = build(f"generated_{nodes}", tmp_path)
        start = time.process_time()
        load_model(path)
        seconds[nodes] = time.process_time() - start
    assert seconds[10_000] < 25 * seconds[1_000] and seconds[10_000] < 10
