"""Small seeded ONNX models, made by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def small_cnn(seed: int = 7) -> onnx.ModelProto:
    """Conv, batch norm, ReLU, a residual add, pooling and a linear layer, on x: f32[1, 3, 16, 16]."""
    rng = np.random.default_rng(seed)
    initial: dict[str, np.ndarray] = {}  # type: ignore[type-arg]

    def weight(name: str, *shape: int) -> str:
        scale = np.sqrt(2 / max(1, np.prod(shape[1:])))
        initial[name] = (rng.standard_normal(shape) * scale).astype(np.float32)
        return name

    def norm(name: str, channels: int) -> list[str]:
        initial[f"{name}.scale"] = rng.uniform(0.5, 1.5, channels).astype(np.float32)
        initial[f"{name}.bias"] = rng.normal(0, 0.1, channels).astype(np.float32)
        initial[f"{name}.mean"] = rng.normal(0, 0.1, channels).astype(np.float32)
        initial[f"{name}.var"] = rng.uniform(0.5, 1.5, channels).astype(np.float32)
        return [f"{name}.{part}" for part in ("scale", "bias", "mean", "var")]

    def conv(x: str, name: str, w: str, **attributes: object) -> onnx.NodeProto:
        return helper.make_node("Conv", [x, w], [f"{name}_out"], name=name, **attributes)

    pads = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
    nodes = [
        conv("x", "stem", weight("stem.w", 8, 3, 3, 3), strides=[2, 2], **pads),
        helper.make_node("BatchNormalization", ["stem_out", *norm("bn1", 8)], ["a"], name="bn1"),
        helper.make_node("Relu", ["a"], ["b"], name="relu1"),
        conv("b", "conv2", weight("conv2.w", 8, 8, 3, 3), **pads),
        helper.make_node("BatchNormalization", ["conv2_out", *norm("bn2", 8)], ["c"], name="bn2"),
        helper.make_node("Add", ["c", "b"], ["d"], name="add"),
        helper.make_node("Relu", ["d"], ["e"], name="relu2"),
        helper.make_node(
            "MaxPool", ["e"], ["f"], name="pool", kernel_shape=[2, 2], strides=[2, 2]
        ),
        helper.make_node("GlobalAveragePool", ["f"], ["g"], name="gap"),
        helper.make_node("Flatten", ["g"], ["h"], name="flatten"),
        helper.make_node(
            "Gemm", ["h", weight("fc.w", 5, 8), "fc.b"], ["logits"], name="fc", transB=1
        ),
    ]
    initial["fc.b"] = rng.normal(0, 0.1, 5).astype(np.float32)
    graph = helper.make_graph(
        nodes,
        "small_cnn",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 16, 16])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 5])],
        [numpy_helper.from_array(array, name) for name, array in initial.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    return model


def save(model: onnx.ModelProto, path: Path) -> Path:
    """Write a model; returns the path."""
    path.write_bytes(model.SerializeToString())
    return path
