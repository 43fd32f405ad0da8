"""Small seeded ONNX models, made by hand."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper


class _Parameters:
    """Draws parameters from one seed and keeps them by name."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.arrays: dict[str, NDArray[np.float32]] = {}

    def keep(self, name: str, array: NDArray[np.float64]) -> str:
        self.arrays[name] = array.astype(np.float32)
        return name

    def weight(self, name: str, *shape: int) -> str:
        scale = math.sqrt(2 / math.prod(shape[1:]))
        return self.keep(name, self.rng.standard_normal(shape) * scale)

    def norm(self, name: str, channels: int) -> list[str]:
        draws = {
            "scale": self.rng.uniform(0.5, 1.5, channels),
            "bias": self.rng.normal(0, 0.1, channels),
            "mean": self.rng.normal(0, 0.1, channels),
            "var": self.rng.uniform(0.5, 1.5, channels),
        }
        return [self.keep(f"{name}.{part}", array) for part, array in draws.items()]


def _nodes(p: _Parameters) -> list[onnx.NodeProto]:
    def node(op: str, inputs: list[str], output: str, name: str, **attrs: Any) -> onnx.NodeProto:
        return helper.make_node(op, inputs, [output], name=name, **attrs)

    same = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
    two = {"kernel_shape": [2, 2], "strides": [2, 2]}
    return [
        node("Conv", ["x", p.weight("stem.w", 8, 3, 3, 3)], "a0", "stem", strides=[2, 2], **same),
        node("BatchNormalization", ["a0", *p.norm("bn1", 8)], "a", "bn1"),
        node("Relu", ["a"], "b", "relu1"),
        node("Conv", ["b", p.weight("conv2.w", 8, 8, 3, 3)], "c0", "conv2", **same),
        node("BatchNormalization", ["c0", *p.norm("bn2", 8)], "c", "bn2"),
        node("Add", ["c", "b"], "d", "add"),
        node("Relu", ["d"], "e", "relu2"),
        node("MaxPool", ["e"], "f", "pool", **two),
        node("GlobalAveragePool", ["f"], "g", "gap"),
        node("Flatten", ["g"], "h", "flatten"),
        node("Gemm", ["h", p.weight("fc.w", 5, 8), "fc.b"], "logits", "fc", transB=1),
    ]


def small_cnn(seed: int = 7) -> onnx.ModelProto:
    """Conv, batch norm, ReLU, a residual add, pooling, a linear layer; x: f32[1, 3, 16, 16]."""
    parameters = _Parameters(seed)
    nodes = _nodes(parameters)
    parameters.keep("fc.b", parameters.rng.normal(0, 0.1, 5))
    graph = helper.make_graph(
        nodes,
        "small_cnn",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 16, 16])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 5])],
        [numpy_helper.from_array(array, name) for name, array in parameters.arrays.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    return model


def save(model: onnx.ModelProto, path: Path) -> Path:
    """Write a model; returns the path."""
    path.write_bytes(model.SerializeToString())
    return path
