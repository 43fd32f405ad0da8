"""Open sizes: symbols, overrides, and shape computations worked out at import.

Each model is imported once and evaluated at three sizes against ONNX Runtime.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from fusec.errors import UnsupportedModel, UsageError
from fusec.frontend import load_model
from tests.frontend.onnx.harness import Array, assert_same, imported, info, model, ops, ort, run

rng = np.random.default_rng(11)
SIZES = (1, 2, 7)


def node(op: str, inputs: str, outputs: str, **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(op, inputs.split(), outputs.split(), name=f"n_{outputs}", **attributes)


def ints(*values: int) -> Array:
    return np.array(values, np.int64)


def flatten_by_shape() -> onnx.ModelProto:
    """The legacy exporter's ``view(x.size(0), -1)``."""
    nodes = [
        node("Shape", "x", "shape"),
        node("Gather", "shape zero", "batch", axis=0),
        node("Unsqueeze", "batch axes", "batch1"),
        node("Concat", "batch1 minus", "target", axis=0),
        node("Reshape", "x target", "y"),
    ]
    weights = {"zero": np.array(0), "axes": ints(0), "minus": ints(-1)}
    return model(nodes, {"x": ("n", 3, "h", 4)}, weights=weights)


def split_heads() -> onnx.ModelProto:
    """``reshape(b, t, heads, c // heads)`` with every size computed."""
    nodes = [
        node("Shape", "x", "shape"),
        node("Slice", "shape zero two", "front"),
        node("Gather", "shape two_", "width", axis=0),
        node("Div", "width heads", "each"),
        node("Unsqueeze", "each zero", "each1"),
        node("Concat", "front heads1 each1", "target", axis=0),
        node("Reshape", "x target", "split"),
        node("Transpose", "split", "y", perm=[0, 2, 1, 3]),
    ]
    weights = {
        "zero": ints(0),
        "two": ints(2),
        "two_": np.array(2),
        "heads": np.array(4),
        "heads1": ints(4),
    }
    return model(nodes, {"x": ("b", "t", 24)}, weights=weights)


def expand_by_where() -> onnx.ModelProto:
    """The legacy exporter's ``expand``: -1 replaced by ones through Equal and Where."""
    nodes = [
        node("Shape", "x", "shape"),
        node("ConstantOfShape", "count", "ones", value=helper.make_tensor("v", 7, [1], [1])),
        node("Mul", "ones minus", "negative"),
        node("Concat", "head tail", "wanted", axis=0),
        node("Gather", "shape zero", "n", axis=0),
        node("Equal", "wanted negative", "is_open"),
        node("Where", "is_open ones wanted", "target"),
        node("Expand", "x target", "z"),
        node("ConstantOfShape", "shape", "fill", value=helper.make_tensor("v", 1, [1], [2.0])),
        node("Add", "z fill", "y"),
    ]
    weights = {
        "count": ints(3),
        "minus": np.array(-1),
        "head": ints(5),
        "tail": ints(-1, -1),
        "zero": np.array(0),
    }
    return model(nodes, {"x": (1, "n", 4)}, weights=weights)


def interpolate() -> onnx.ModelProto:
    """``interpolate(scale_factor=2)``: sizes by Cast, Mul, Floor, Cast."""
    nodes = [
        node("Shape", "x", "shape"),
        node("Slice", "shape two four", "spatial"),
        node("Cast", "spatial", "real", to=TensorProto.FLOAT),
        node("Mul", "real factor", "grown"),
        node("Floor", "grown", "whole"),
        node("Cast", "whole", "sizes", to=TensorProto.INT64),
        node("Slice", "shape zero two", "front"),
        node("Concat", "front sizes", "all", axis=0),
        node(
            "Resize",
            "x   all",
            "y",
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
        ),
    ]
    nodes[-1].input[:] = ["x", "", "", "all"]
    weights = {
        "zero": ints(0),
        "two": ints(2),
        "four": ints(4),
        "factor": np.array([2.0, 2.0], np.float32),
    }
    return model(nodes, {"x": ("n", 2, "h", "w")}, weights=weights)


def positions() -> onnx.ModelProto:
    """A table of positions cut to the length of the input, and a range of ids."""
    nodes = [
        node("Shape", "x", "shape"),
        node("Gather", "shape one", "length", axis=0),
        node("Unsqueeze", "length zero", "end"),
        node("Slice", "table zero end one1", "cut"),
        node("Add", "x cut", "placed"),
        node("Range", "start length step", "ids"),
        node("Cast", "ids", "real", to=TensorProto.FLOAT),
        node("Unsqueeze", "real minus", "column"),
        node("Mul", "placed column", "y"),
    ]
    weights = {
        "one": np.array(1),
        "zero": ints(0),
        "one1": ints(1),
        "minus": ints(-1),
        "start": np.array(0),
        "step": np.array(1),
        "table": rng.standard_normal((1, 64, 5)).astype(np.float32),
    }
    proto = model(nodes, {"x": ("b", "t", 5)}, weights=weights)
    proto.graph.doc_string = "t is at most 64"
    return proto


def mean_by_size() -> onnx.ModelProto:
    """A dim as data: ``sum(x) / n`` with n taken from the shape."""
    nodes = [
        node("ReduceSum", "x axes", "total", keepdims=0),
        node("Shape", "x", "shape"),
        node("ReduceProd", "shape", "count", keepdims=0),
        node("Cast", "count", "real", to=TensorProto.FLOAT),
        node("Div", "total real", "y"),
    ]
    return model(nodes, {"x": ("n", "m")}, weights={"axes": ints(0, 1)})


def shapes_as_outputs() -> onnx.ModelProto:
    nodes = [node("Shape", "x", "y"), node("Size", "x", "z"), node("Relu", "x", "w")]
    return model(nodes, {"x": ("n", 3, "m")}, ("y", "z", "w"))


def pooled() -> onnx.ModelProto:
    nodes = [
        node("AveragePool", "x", "a", kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 2]),
        node("AveragePool", "a", "b", kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1),
        node("MaxPool", "b", "c", kernel_shape=[3, 3], auto_pad="SAME_UPPER", strides=[2, 2]),
        node("GlobalAveragePool", "c", "d"),
        node("Flatten", "d", "y"),
    ]
    return model(nodes, {"x": ("n", 3, "h", "w")}, opset=19)


def padded() -> onnx.ModelProto:
    nodes = [
        node("Pad", "x pads", "a", mode="reflect"),
        node("Pad", "a pads", "b", mode="edge"),
        node("Slice", "b start end axes steps", "c"),
        node("Split", "c", "d e", axis=0),
        node("Concat", "d e x0", "y", axis=0),
        node("Slice", "c zero one zero", "x0"),
    ]
    weights = {
        "pads": ints(0, 1, 0, 2),
        "start": ints(-1),
        "end": ints(-(1 << 62)),
        "axes": ints(1),
        "steps": ints(-2),
        "zero": ints(0),
        "one": ints(1),
    }
    return model(nodes, {"x": (4, "m")}, weights=weights)


MODELS = {
    f.__name__: (f, sizes)
    for f, sizes in (
        (flatten_by_shape, SIZES),
        (split_heads, SIZES),
        (expand_by_where, SIZES),
        (interpolate, SIZES),
        (positions, SIZES),
        (mean_by_size, SIZES),
        (shapes_as_outputs, SIZES),
        (pooled, (5, 8, 15)),
        (padded, (3, 4, 9)),
    )
}


def feed(graph_input: Any, size: int) -> Array:
    """Random data; each open axis a little longer than the one before."""
    shape, more = [], 0
    for dim in graph_input.type.shape:
        shape.append(dim if isinstance(dim, int) else size + more)
        more += 0 if isinstance(dim, int) else 1
    return rng.standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("name", MODELS)
def test_open_sizes(name: str) -> None:
    make, sizes = MODELS[name]
    proto = make()
    options: dict[str, Any] = {"dims": {"t": (1, 64, 1)}} if "64" in proto.graph.doc_string else {}
    graph = imported(proto, **options)
    for size in sizes:
        feeds = {v.name: feed(v, size) for v in graph.inputs}
        assert_same(run(graph, feeds), ort(proto, feeds))


def test_shape_arithmetic_leaves_no_nodes() -> None:
    assert ops(imported(flatten_by_shape())) == ["reshape"]
    assert ops(imported(split_heads())) == ["reshape", "transpose"]
    assert ops(imported(interpolate())) == ["reshape", "broadcast", "reshape"] * 2


# -- symbols and overrides -----------------------------------------------------------------------


def relu(*inputs: str, **shapes: Sequence[Any]) -> onnx.ModelProto:
    nodes = [node("Relu", name, f"{name}_y") for name in inputs]
    return model(nodes, shapes, [f"{name}_y" for name in inputs])


def text(proto: onnx.ModelProto, **options: Any) -> list[str]:
    return [str(v.type) for v in load_model(proto, **options).inputs]


def test_names_of_symbols() -> None:
    proto = relu("x", "z", x=("batch", "seq len", None, -1), z=("batch", "2*n", "max", "seq_len"))
    assert text(proto) == [
        "f32[batch, seq_len, x_2, x_3]",
        "f32[batch, d_2_n, d_max, seq_len_2]",
    ]


def test_zero_is_a_size() -> None:
    assert text(relu("x", x=(0, 3))) == ["f32[0, 3]"]


def test_a_given_shape_binds_the_names_of_its_dims() -> None:
    proto = relu("x", "z", x=("batch", 4), z=("batch", "m"))
    assert text(proto, shapes={"x": (8, 4)}) == ["f32[8, 4]", "f32[8, m]"]
    assert text(proto, shapes={"x": (None, 4), "z": ("rows", 2)}) == ["f32[x_0, 4]", "f32[rows, 2]"]
    with pytest.raises(UsageError, match="'batch' is both 8 and 9"):
        load_model(proto, shapes={"x": (8, 4), "z": (9, 1)})


def test_a_given_shape_replaces_placeholders() -> None:
    proto = relu("x", x=(1, 3, -1, 0))
    proto.graph.value_info.append(info("x_y", (1, 3, 224, 224)))
    assert text(proto, shapes={"x": (2, 3, 32, 48)}) == ["f32[2, 3, 32, 48]"]


def test_dims_have_ranges() -> None:
    proto = relu("x", x=("batch", "seq len"))
    graph = load_model(proto, dims={"batch": 4, "seq len": (16, 512, 16)})
    (symbol,) = graph.symbols.values()
    assert (symbol.name, symbol.lo, symbol.hi, symbol.divisor) == ("seq_len", 16, 512, 16)
    assert str(graph.inputs[0].type) == "f32[4, seq_len]"
    by_symbol = load_model(proto, dims={"seq_len": 7})
    assert str(by_symbol.inputs[0].type) == "f32[batch, 7]"


def test_symbols_start_at_one() -> None:
    graph = load_model(relu("x", x=("n",)))
    assert (graph.symbols["n"].lo, graph.symbols["n"].hi) == (1, None)


def test_inputs_given_as_constants() -> None:
    proto = model(
        [node("Tile", "x r", "y")], {"x": (2, 3), "r": info("r", (2,), TensorProto.INT64)}
    )
    with pytest.raises(UnsupportedModel, match=r"n_y: Tile .*repeats depends on input data"):
        load_model(proto)
    graph = imported(proto, constants={"r": ints(2, 1)})
    assert [str(v.type) for v in (*graph.inputs, *graph.outputs)] == ["f32[2, 3]", "f32[4, 3]"]


def test_open_sizes_that_may_not_fit_are_refused_not_invalid() -> None:
    proto = model([node("Add", "x z", "y")], {"x": ("n", 2), "z": ("m", 2)})
    with pytest.raises(UnsupportedModel, match=r"n_y: Add .*n and m do not broadcast"):
        load_model(proto)
    assert ops(load_model(proto, dims={"n": 3, "m": 3})) == ["add"]
