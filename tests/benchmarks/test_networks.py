"""The networks of the fusion table: as large as they are said to be, all of them drawn, right."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import numpy_helper
from torch import nn

from benchmarks.draw import Drawer
from benchmarks.exported import redraw
from benchmarks.models import build
from benchmarks.networks import NETWORKS, base

Array = np.ndarray[Any, Any]

# As torch.onnx.export(dynamo=True) gives them with the versions of constraints.txt.
NODES = {
    "vit_small": 380,
    "convnext_tiny": 222,
    "densenet121": 368,
    "bert_base": 368,
    "gpt2": 453,
    "gpt2_step": 486,
    "gpt2_step_in_place": 540,
    "clip": 911,
    "cross_attention": 30,
}
DIMS = {
    "vit_small_dynamic_shallow": {"x": ["batch", 3, 224, 224]},
    "bert_base_dynamic_shallow": {"input_ids": ["batch", "sequence"]},
}
FLOAT = onnx.TensorProto.FLOAT
TOKENS = np.random.default_rng(7).integers(0, 1000, (1, 128))


def session(name: str) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    path = build(name)
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def step(
    network: onnxruntime.InferenceSession, token: Array, past: Mapping[str, Array], **more: Array
) -> tuple[Array, dict[str, Array]]:
    """One step: the hidden state, and the keys and values by their names as inputs."""
    given = {f"past.{part}": value for part, value in past.items()}
    hidden, *present = network.run(None, {"input_ids": token, **given, **more})
    return hidden, dict(zip(past, present))


@pytest.mark.slow
@pytest.mark.parametrize("name", NODES)
def test_nodes_of_the_whole_networks(name: str) -> None:
    assert len(onnx.load(build(name)).graph.node) == NODES[name]


def weights(name: str) -> dict[str, Array]:
    """The float constants of several elements."""
    tensors = [t for t in onnx.load(build(name)).graph.initializer if t.data_type == FLOAT]
    return {t.name: numpy_helper.to_array(t) for t in tensors if np.prod(t.dims) > 1}


@pytest.mark.parametrize("name", [n for n in NETWORKS if n.endswith("_shallow")])
def test_every_weight_is_drawn(name: str) -> None:
    found = weights(name)
    flat = {n for n, weight in found.items() if np.ptp(weight) == 0}
    assert len(found) > 20
    assert flat == ({"where"} if name == "gpt2_step_shallow" else set())  # a mask of nothing


def test_no_layer_scale_hides_its_block() -> None:
    name = "convnext_tiny_shallow"
    found = weights(name)
    products = [node for node in onnx.load(build(name)).graph.node if node.op_type == "Mul"]
    scales = [found[operand] for node in products for operand in node.input if operand in found]
    assert len(scales) == 5
    assert all(0.5 <= scale.min() < scale.max() <= 1.5 for scale in scales)


@pytest.mark.parametrize("name", DIMS)
def test_dims_are_symbolic(name: str) -> None:
    assert {i.name: i.shape for i in session(name).get_inputs()} == DIMS[name]


def test_steps_in_place_are_the_prefill_one_token_at_a_time() -> None:
    expected = session("gpt2_shallow").run(None, {"input_ids": TOKENS})[0]
    network = session("gpt2_step_in_place_shallow")
    names = [i.name.removeprefix("past.") for i in network.get_inputs() if "past" in i.name]
    past = {name: np.full((1, 12, 128, 64), 9.0, np.float32) for name in names}
    for position in range(4):
        token = TOKENS[:, position : position + 1]
        hidden, past = step(network, token, past, position=np.array([position]))
        np.testing.assert_allclose(hidden[:, 0], expected[:, position], rtol=1e-3, atol=1e-4)


def test_both_kinds_of_step_agree() -> None:
    rng = np.random.default_rng(5)
    longer, in_place = session("gpt2_step_shallow"), session("gpt2_step_in_place_shallow")
    names = [f"{layer}.{part}" for layer in range(2) for part in ("key", "value")]
    room = {name: rng.standard_normal((1, 12, 128, 64)).astype(np.float32) for name in names}
    past = {name: value[:, :, :127] for name, value in room.items()}
    hidden, present = step(longer, TOKENS[:, :1], past)
    replaced, buffers = step(in_place, TOKENS[:, :1], room, position=np.array([127]))
    np.testing.assert_allclose(hidden, replaced, rtol=1e-3, atol=1e-4)
    for name in names:
        assert (present[name][:, :, :127] == past[name]).all()
        np.testing.assert_allclose(present[name], buffers[name], rtol=1e-3, atol=1e-4)


def test_building_twice_gives_the_same_bytes() -> None:
    make = NETWORKS["cross_attention"][1]
    first, second = (make(Drawer(3)).SerializeToString(deterministic=True) for _ in range(2))
    assert first == second


def test_variants_are_drawn_like_their_network() -> None:
    assert {base(name) for name in NETWORKS} <= NETWORKS.keys()
    assert base("bert_base_dynamic_shallow") == "bert_base"
    assert base("gpt2_step_shallow") == "gpt2_step"


def test_a_parameter_without_a_role_is_refused() -> None:
    network = nn.Module()
    network.register_parameter("mystery", nn.Parameter(torch.zeros(3)))
    with pytest.raises(ValueError, match="no role for mystery of Module"):
        redraw(network, Drawer(1))
