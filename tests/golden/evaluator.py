"""The onnx reference evaluator in float64, with three operators that it gets wrong done anew.

As of onnx 1.23: BatchNormalization before opset 14 normalises by the batch, as in training; LRN
walks as many channels as the batch has images; MaxPool with SAME pads drops a row where the stride
does not divide the size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun

Array = NDArray[Any]


class BatchNormalization(OpRun):
    """Inference mode."""

    op_domain = ""

    def _run(self, x: Array, *vectors: Array, epsilon: float = 1e-5, **_: Any) -> tuple[Array]:
        shape = [-1] + [1] * (x.ndim - 2)
        scale, shift, mean, variance = (v.reshape(shape) for v in vectors)
        return (scale * (x - mean) / np.sqrt(variance + epsilon) + shift,)


class LRN(OpRun):
    """Each channel over a power of the squares of its neighbours."""

    op_domain = ""

    def _run(
        self, x: Array, alpha: float = 1e-4, beta: float = 0.75, bias: float = 1.0, size: int = 1
    ) -> tuple[Array]:
        below, above = (size - 1) // 2, size // 2 + 1
        windows = [x[:, max(0, c - below) : c + above] for c in range(x.shape[1])]
        squares = np.stack([np.square(w).sum(1) for w in windows], 1)
        return (x / (bias + alpha / size * squares) ** beta,)


class MaxPool(OpRun):
    """Over windows; padding is minus infinity. One result."""

    op_domain = ""

    def _run(
        self,
        x: Array,
        kernel_shape: Sequence[int] = (),
        strides: Sequence[int] | None = None,
        pads: Sequence[int] | None = None,
        dilations: Sequence[int] | None = None,
        auto_pad: str = "NOTSET",
        ceil_mode: int = 0,
        **_: Any,
    ) -> tuple[Array]:
        ones = [1] * len(kernel_shape)
        steps, holes, edges = strides or ones, dilations or ones, pads or [0] * (2 * len(ones))
        axes = zip(x.shape[2:], kernel_shape, steps, holes, edges, edges[len(ones) :])
        counts, padding = [], [(0, 0), (0, 0)]
        for size, kernel, step, hole, before, after in axes:
            reach = (kernel - 1) * hole + 1
            if auto_pad.startswith("SAME"):
                total = max(0, ((size - 1) // step) * step + reach - size)
                before = (total + (auto_pad == "SAME_LOWER")) // 2
                after = total - before
            free = size + before + after - reach
            count = -(-free // step) + 1 if ceil_mode else free // step + 1
            if (count - 1) * step >= size + before:
                count -= 1
            counts.append(count)
            padding.append((before, after + step + reach))
        padded = np.pad(x, padding, constant_values=-np.inf)
        every = slice(None)
        shifted = []
        for at in product(*map(range, kernel_shape)):
            windows = zip(at, holes, counts, steps)
            spans = [slice(i * h, i * h + (n - 1) * s + 1, s) for i, h, n, s in windows]
            shifted.append(padded[(every, every, *spans)])
        return (np.max(shifted, axis=0),)


def _doubled(tensor: onnx.TensorProto) -> onnx.TensorProto:
    if tensor.data_type != TensorProto.FLOAT:
        return tensor
    return numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float64), tensor.name)


def in_float64(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with every float32 tensor as float64."""
    wide = onnx.ModelProto()
    wide.CopyFrom(model)
    graph = wide.graph
    tensors = [_doubled(t) for t in graph.initializer]
    del graph.initializer[:], graph.value_info[:]
    graph.initializer.extend(tensors)
    for value in (*graph.input, *graph.output):
        if value.type.tensor_type.elem_type == TensorProto.FLOAT:
            value.type.tensor_type.elem_type = TensorProto.DOUBLE
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.TENSOR:
                attribute.t.CopyFrom(_doubled(attribute.t))
            elif node.op_type == "Cast" and attribute.i == TensorProto.FLOAT:
                attribute.i = TensorProto.DOUBLE
    return wide


def evaluate(
    model: onnx.ModelProto, inputs: Mapping[str, Array], outputs: Sequence[str]
) -> dict[str, Array]:
    """The outputs of a float32 model computed in float64."""
    wide = {k: v.astype(np.float64) if v.dtype == np.float32 else v for k, v in inputs.items()}
    operators: list[type[OpRun]] = [BatchNormalization, LRN, MaxPool]
    evaluator = ReferenceEvaluator(in_float64(model), new_ops=operators)
    results = evaluator.run(list(outputs), wide)
    return {name: np.asarray(result) for name, result in zip(outputs, results, strict=True)}
