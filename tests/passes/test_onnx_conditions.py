"""Folding on what ONNX operators allow: training mode, omitted inputs, weights listed as inputs.

The reference is ONNX Runtime with optimisations off.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from fusec.errors import UnsupportedModel
from fusec.frontend import load_model
from fusec.ir import Graph
from fusec.passes.manager import PassManager
from fusec.passes.pipeline import REQUIRED, pipeline
from fusec.verification.evaluate import evaluate
from tests.ir.harness import Array

FRONT = tuple(p for p in pipeline(2) if p.name not in REQUIRED)
SHAPE = (2, 3, 6, 6)


def weights(rng: np.random.Generator) -> dict[str, Array]:
    """A convolution of 3 to 4 channels, its bias, and a norm of ordinary size."""
    made = {
        "w": rng.standard_normal((4, 3, 3, 3)) / 5,
        "b": rng.standard_normal(4) / 10,
        "scale": rng.uniform(0.5, 1.5, 4),
        "shift": rng.standard_normal(4) / 10,
        "mean": rng.standard_normal(4) / 10,
        "var": rng.uniform(0.5, 1.5, 4),
    }
    return {k: v.astype(np.float32) for k, v in made.items()}


def model(
    nodes: Sequence[onnx.NodeProto],
    constants: dict[str, Array],
    outputs: Sequence[str] = ("y",),
    *,
    listed: bool = False,
) -> onnx.ModelProto:
    """``listed``: initializers are graph inputs too, as before IR version 4."""
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, SHAPE)]
    if listed:
        inputs += [
            helper.make_tensor_value_info(k, TensorProto.FLOAT, v.shape)
            for k, v in constants.items()
        ]
    graph = helper.make_graph(
        list(nodes),
        "g",
        inputs,
        [helper.make_tensor_value_info(o, TensorProto.FLOAT, None) for o in outputs],
        [numpy_helper.from_array(v, k) for k, v in constants.items()],
    )
    opset = helper.make_opsetid("", 8 if listed else 18)
    return helper.make_model(graph, opset_imports=[opset], ir_version=3 if listed else 8)


def conv(*, bias: bool) -> onnx.NodeProto:
    inputs = ["x", "w", "b"] if bias else ["x", "w", ""]
    return helper.make_node("Conv", inputs, ["c"], "conv", pads=[1, 1, 1, 1])


def norm(**attributes: Any) -> onnx.NodeProto:
    inputs = ["c", "scale", "shift", "mean", "var"]
    return helper.make_node("BatchNormalization", inputs, ["y"], "norm", **attributes)


def check(given: onnx.ModelProto, rng: np.random.Generator) -> Graph:
    """Optimise, compare with ONNX Runtime; returns the graph."""
    graph = load_model(given.SerializeToString())
    PassManager(FRONT).run(graph)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        given.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    x = {"x": rng.standard_normal(SHAPE).astype(np.float32)}
    wanted = session.run(None, x)
    found = evaluate(graph, x)
    for value, name in zip(wanted, (o.name for o in session.get_outputs()), strict=True):
        np.testing.assert_allclose(found[name], value, rtol=1e-4, atol=1e-5)
    return graph


def ops(graph: Graph) -> list[str]:
    return [n.op.name for n in graph.nodes if not n.is_constant]


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("listed", [True, False])
def test_a_norm_after_a_convolution(bias: bool, listed: bool, rng: np.random.Generator) -> None:
    constants = weights(rng)
    if not bias:
        del constants["b"]
    assert ops(check(model([conv(bias=bias), norm()], constants, listed=listed), rng)) == [
        "conv",
        "add",
    ]


def test_a_norm_in_training_mode_is_refused_by_name(rng: np.random.Generator) -> None:
    node = norm(training_mode=1)
    node.output.extend(["running_mean", "running_var"])
    with pytest.raises(UnsupportedModel, match="norm") as caught:
        load_model(model([conv(bias=True), node], weights(rng)).SerializeToString())
    assert caught.value.items[0].op == "BatchNormalization"


def test_a_norm_of_a_value_that_is_an_output(rng: np.random.Generator) -> None:
    graph = check(model([conv(bias=True), norm()], weights(rng), ("y", "c")), rng)
    assert ops(graph)[:2] == ["conv", "add"] and "mul" in ops(graph)


def test_a_norm_of_a_value_that_is_used_elsewhere(rng: np.random.Generator) -> None:
    tail = helper.make_node("Tanh", ["c"], ["t"], "tanh")
    graph = check(model([conv(bias=True), norm(), tail], weights(rng), ("y", "t")), rng)
    assert ops(graph).count("mul") == 1 and ops(graph).count("conv") == 1


def test_a_norm_with_statistics_that_are_computed(rng: np.random.Generator) -> None:
    constants = weights(rng)
    axes = np.array([0, 2, 3], np.int64)
    mean = helper.make_node("ReduceMean", ["c", "axes"], ["mean"], "mean", keepdims=0)
    del constants["mean"]
    given = model([conv(bias=True), mean, norm()], {**constants, "axes": axes}, ("y",))
    assert "mul" in ops(check(given, rng))


@pytest.mark.parametrize(
    ("inputs", "left"),
    [
        (("x", "low", "high"), ["maximum", "minimum"]),
        (("x", "", "high"), ["minimum"]),
        (("x", "low"), ["maximum"]),
        (("x",), []),
    ],
)
def test_clip_with_omitted_bounds(
    inputs: tuple[str, ...], left: list[str], rng: np.random.Generator
) -> None:
    constants = {"low": np.array(-0.5, np.float32), "high": np.array(0.5, np.float32)}
    nodes = [
        helper.make_node("Clip", list(inputs), ["c"], "clip"),
        helper.make_node("Tanh", ["c"], ["y"], "tanh"),
    ]
    assert ops(check(model(nodes, constants), rng)) == [*left, "tanh"]


def test_dropout_and_identity_leave_nothing(rng: np.random.Generator) -> None:
    nodes = [
        helper.make_node("Dropout", ["x"], ["a"], "dropout"),
        helper.make_node("Identity", ["a"], ["b"], "identity"),
        helper.make_node("Tanh", ["b"], ["y"], "tanh"),
    ]
    assert ops(check(model(nodes, {}), rng)) == ["tanh"]


def test_integer_convolutions_are_not_scaled(rng: np.random.Generator) -> None:
    """A cast in between keeps scales of floats away from integer weights."""
    scale = np.array([2.0, 3.0, 4.0, 5.0], np.float32).reshape(4, 1, 1)
    constants: dict[str, Array] = {
        "w": rng.integers(0, 6, (4, 3, 3, 3)).astype(np.uint8),
        "scale": scale,
    }
    nodes = [
        helper.make_node("Cast", ["x"], ["i"], "quantise", to=TensorProto.UINT8),
        helper.make_node("ConvInteger", ["i", "w"], ["c"], "conv"),
        helper.make_node("Cast", ["c"], ["f"], "dequantise", to=TensorProto.FLOAT),
        helper.make_node("Mul", ["f", "scale"], ["y"], "mul"),
    ]
    try:
        graph = load_model(model(nodes, constants).SerializeToString())
    except UnsupportedModel:
        pytest.skip("ConvInteger is not imported yet")
    PassManager(FRONT).run(graph)
    assert "mul" in ops(graph)
