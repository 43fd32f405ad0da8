"""Whether a model's outputs can show an error: how far they move when one node's weights are 0."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

Array = NDArray[Any]

WEIGHTED = ("Conv", "Gemm", "MatMul")


def _overridable(model: onnx.ModelProto) -> dict[str, Array]:
    """The weights of contractions, made inputs with default values; by name."""
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    inputs = {entry.name for entry in model.graph.input}
    model.ir_version = max(model.ir_version, 4)  # below, ONNX Runtime lets no weight be replaced
    weights: dict[str, Array] = {}
    for node in model.graph.node:
        for name in node.input if node.op_type in WEIGHTED else ():
            if name in tensors and len(tensors[name].dims) > 1:
                weights[name] = numpy_helper.to_array(tensors[name])
                if name not in inputs:
                    shape = weights[name].shape
                    dtype = tensors[name].data_type
                    model.graph.input.append(helper.make_tensor_value_info(name, dtype, shape))
                    inputs.add(name)
    return weights


def relative_l2(got: Array, want: Array) -> float:
    """The L2 distance over the L2 norm of `want`."""
    difference = got.astype(np.float64) - want
    return float(np.linalg.norm(difference) / np.linalg.norm(want.astype(np.float64)))


def movements(
    path: Path, inputs: Mapping[str, Array], only: Sequence[str] = ()
) -> Iterator[tuple[str, float]]:
    """Each contraction's weight with the relative L2 change of the outputs when it is zeroed.

    ONNX Runtime computes both, optimisations off. `only`: these weights instead of all.
    """
    import onnxruntime

    model = onnx.load(path)
    weights = _overridable(model)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    expected = session.run(None, dict(inputs))
    for name in only or weights:
        zeroed = session.run(None, {**inputs, name: np.zeros_like(weights[name])})
        yield name, max(relative_l2(a, b) for a, b in zip(zeroed, expected, strict=True))
