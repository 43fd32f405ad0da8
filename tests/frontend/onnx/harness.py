"""Small ONNX models, and what fusec's import of them computes next to what others compute."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from fusec.frontend import load_model
from fusec.ir import Graph
from fusec.ir.evaluate import array_to_torch, evaluate_graph, to_numpy
from fusec.ir.types import from_numpy
from fusec.ir.verify import verify_graph

Array = NDArray[Any]
Feeds = Mapping[str, Array]
Shape = Sequence[int | str | None]


def info(name: str, shape: Shape | None, code: int = TensorProto.FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, code, shape)


def model(
    nodes: Sequence[onnx.NodeProto],
    inputs: Mapping[str, Shape | onnx.ValueInfoProto],
    outputs: Sequence[str] = ("y",),
    weights: Mapping[str, Array] | None = None,
    *,
    opset: int = 17,
    ir_version: int = 8,
    **more: Any,
) -> onnx.ModelProto:
    """A model; inputs are float32 unless given as ``ValueInfoProto``; outputs have no type."""
    infos = [
        value if isinstance(value, onnx.ValueInfoProto) else info(name, value)
        for name, value in inputs.items()
    ]
    tensors = [numpy_helper.from_array(np.asarray(a), n) for n, a in (weights or {}).items()]
    untyped = [onnx.ValueInfoProto(name=name) for name in outputs]
    graph = helper.make_graph(list(nodes), "g", infos, untyped, tensors, **more)
    imports = [helper.make_opsetid("", opset)]
    return helper.make_model(graph, opset_imports=imports, ir_version=ir_version)


def one(
    op: str,
    feeds: Feeds,
    weights: Mapping[str, Array] | None = None,
    *,
    opset: int = 17,
    inputs: Sequence[str] | None = None,
    outputs: Sequence[str] = ("y",),
    **attributes: Any,
) -> onnx.ModelProto:
    """A model of one node that reads ``inputs`` (all feeds, then all weights, by default)."""
    weights = weights or {}
    names = list(inputs) if inputs is not None else [*feeds, *weights]
    node = helper.make_node(op, names, list(outputs), name=f"the_{op}", **attributes)
    infos = {n: typed(n, a) for n, a in feeds.items()}
    return model([node], infos, [o for o in outputs if o], weights, opset=opset)


def typed(name: str, array: Array) -> onnx.ValueInfoProto:
    return info(name, array.shape, helper.np_dtype_to_tensor_dtype(array.dtype))


def imported(source: Any, **options: Any) -> Graph:
    """The verified graph of a model."""
    graph = load_model(source, **options)
    verify_graph(graph)
    return graph


def tensor(array: Array) -> torch.Tensor:
    return array_to_torch(array, from_numpy(array.dtype))


def run(graph: Graph, feeds: Feeds) -> list[Array]:
    """The outputs as numpy arrays."""
    results = evaluate_graph(graph, {n: tensor(a) for n, a in feeds.items()})
    pairs = zip(results, graph.outputs, strict=True)
    return [to_numpy(r, v.type.dtype) for r, v in pairs]


def ort(source: onnx.ModelProto | str, feeds: Feeds) -> list[Array]:
    """The outputs that ONNX Runtime computes without optimisations."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    data = source if isinstance(source, str) else source.SerializeToString()
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    results: list[Array] = session.run(None, dict(feeds))
    return results


def assert_same(got: Sequence[Array], expected: Sequence[Array], tolerance: float = 1e-5) -> None:
    """Equal shapes and dtypes; floats within the tolerance of the RMS, everything else exactly."""
    assert len(got) == len(expected)
    for a, b in zip(got, expected, strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        if a.dtype.kind not in "fcV":
            np.testing.assert_array_equal(a, b)
            continue
        wide = np.complex128 if a.dtype.kind == "c" else np.float64
        x, y = a.astype(wide), b.astype(wide)
        np.testing.assert_array_equal(np.isfinite(x), np.isfinite(y))
        size = np.sqrt(np.mean(np.abs(y[np.isfinite(y)]) ** 2)) if np.isfinite(y).any() else 1.0
        np.testing.assert_allclose(x, y, rtol=tolerance, atol=tolerance * max(size, 1e-3))


def assert_as_ort(source: onnx.ModelProto, feeds: Feeds, tolerance: float = 1e-5) -> Graph:
    """fusec's import computes what ONNX Runtime computes; returns the graph."""
    graph = imported(source)
    assert_same(run(graph, feeds), ort(source, feeds), tolerance)
    return graph


def ops(graph: Graph) -> list[str]:
    """Names of the core ops, constants left out."""
    return [n.op.name for n in graph.nodes if not n.is_constant]
