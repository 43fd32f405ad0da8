"""The models that everything is measured on: seeded, of ordinary size, able to show an error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

from benchmarks.draw import Array, Drawer, Role
from benchmarks.generated import generated
from benchmarks.light import light
from benchmarks.models import MODELS, build

SMALL = ["light_squeezenet", "light_shufflenet", "mobilenetv3_large"]
LARGE = [name for name in MODELS if name not in SMALL]


def outputs(path: Path, seed: int) -> Array:
    """The first output that ONNX Runtime computes for seeded inputs; open dims are 2 or 16."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    weights = {i.name for i in session.get_overridable_initializers()}
    rng = np.random.default_rng(seed)
    open_dims = {"batch": 2, "sequence": 16}
    feeds: dict[str, np.ndarray[Any, Any]] = {}
    for entry in session.get_inputs():
        if entry.name in weights:
            continue
        shape = [d if isinstance(d, int) else open_dims[d] for d in entry.shape]
        whole = entry.type == "tensor(int64)"
        drawn = rng.integers(1, 100, shape) if whole else rng.standard_normal(shape)
        feeds[entry.name] = drawn if whole else drawn.astype(np.float32)
    result: Array = session.run(None, feeds)[0]
    return result


def rms(values: Array) -> float:
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))


def check_ordinary(path: Path) -> None:
    """Outputs are of ordinary size, vary, and depend on the input."""
    first, second = outputs(path, 1), outputs(path, 2)
    assert np.isfinite(first).all()
    assert 1e-3 < rms(first) < 1e3
    assert first.size == 1 or first.std() > 1e-3
    assert rms(first - second) > 1e-3 * rms(first)
    if first.size > 1 and first.min() >= 0 and first.sum() == pytest.approx(1, rel=1e-3):
        assert first.max() < 0.5, "a saturated softmax hides errors"


@pytest.mark.parametrize("name", SMALL)
def test_small_models_are_ordinary(name: str, tmp_path: Path) -> None:
    check_ordinary(build(name, tmp_path))


@pytest.mark.slow
@pytest.mark.parametrize("name", LARGE)
def test_large_models_are_ordinary(name: str) -> None:
    check_ordinary(build(name))


@pytest.mark.parametrize("name", ["light_shufflenet", "mobilenetv3_large", "generated_1000"])
def test_building_twice_gives_the_same_bytes(name: str, tmp_path: Path) -> None:
    first, second = (build(name, tmp_path / part) for part in ("a", "b"))
    assert first.read_bytes() == second.read_bytes()


def test_a_built_model_is_not_built_again(tmp_path: Path) -> None:
    path = build("generated_1000", tmp_path)
    path.write_bytes(b"kept")
    assert build("generated_1000", tmp_path).read_bytes() == b"kept"
    assert [entry.name for entry in tmp_path.iterdir()] == ["generated_1000.onnx"]


@pytest.mark.parametrize("name", ["light_densenet121", "light_inception_v1"])
def test_light_weights_are_all_drawn(name: str) -> None:
    model = light(name, Drawer(1))
    tensors = [t for t in model.graph.initializer if t.data_type == onnx.TensorProto.FLOAT]
    assert len(tensors) > 100
    assert not any(np.ptp(numpy_helper.to_array(t)) == 0 for t in tensors)
    assert not any(node.op_type == "ConstantOfShape" for node in model.graph.node)
    assert model.ir_version == 3
    assert {t.name for t in model.graph.initializer} < {i.name for i in model.graph.input}


def test_batch_norms_remain_in_the_exported_model(tmp_path: Path) -> None:
    model = onnx.load(build("mobilenetv3_large", tmp_path))
    ops = [node.op_type for node in model.graph.node]
    assert (ops.count("Conv"), ops.count("BatchNormalization")) == (63, 46)
    assert b"site-packages" not in model.SerializeToString()


@pytest.mark.parametrize("nodes", [1, 7, 100, 1000])
def test_generated_has_exactly_that_many_nodes(nodes: int) -> None:
    assert len(generated(nodes).graph.node) == nodes


def test_draws_depend_on_seed_and_name_only() -> None:
    drawer = Drawer(3)
    again = drawer.draw("a", Role.SCALE, (100,))
    assert (drawer.draw("a", Role.SCALE, (100,)) == again).all()
    assert (drawer.draw("b", Role.SCALE, (100,)) != again).all()
    assert (Drawer(4).draw("a", Role.SCALE, (100,)) != again).all()


def test_draws_follow_their_role() -> None:
    drawer = Drawer(5, gain=0.5)
    weight = drawer.weight("w", (64, 32, 3, 3), 288)
    assert weight.std() == pytest.approx(0.5 * np.sqrt(2 / 288), rel=0.02)
    for role in (Role.SCALE, Role.VARIANCE):
        values = drawer.draw(role, role, (1000,))
        assert 0.5 <= values.min() < 0.52 < 1.48 < values.max() <= 1.5
    for role in (Role.SHIFT, Role.MEAN):
        assert drawer.draw(role, role, (10_000,)).std() == pytest.approx(0.1, rel=0.05)
