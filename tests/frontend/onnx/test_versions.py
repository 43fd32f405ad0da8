"""Each version of an operator has its own semantics: old forms against ONNX Runtime."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fusec.errors import UnsupportedModel
from tests.frontend.onnx.harness import Array, assert_as_ort, imported, one, ops

rng = np.random.default_rng(7)


def data(*shape: int, kind: type = np.float32) -> Array:
    return np.asarray(rng.standard_normal(shape)).astype(kind)


def ints(*values: int) -> Array:
    return np.array(values, np.int64)


def scalar(value: float) -> Array:
    return np.array(value, np.float32)


def floats(*values: float) -> Array:
    return np.array(values, np.float32)


X = data(2, 6, 9, 7)
ROW = data(3, 4, 5)

# name: (opset, op, feeds, weights, attributes)
CASES: dict[str, tuple[int, str, dict[str, Array], dict[str, Array], dict[str, Any]]] = {
    "clip 6": (10, "Clip", {"x": X}, {}, {"min": -0.5, "max": 0.25}),
    "clip 6, one limit": (10, "Clip", {"x": X}, {}, {"max": 0.25}),
    "clip 11": (11, "Clip", {"x": X}, {"low": scalar(-0.5), "high": scalar(1)}, {}),
    "softmax 1 flattens": (12, "Softmax", {"x": ROW}, {}, {"axis": 1}),
    "softmax 1 default axis": (9, "Softmax", {"x": ROW}, {}, {}),
    "softmax 13": (13, "Softmax", {"x": ROW}, {}, {"axis": 1}),
    "log softmax 1": (12, "LogSoftmax", {"x": ROW}, {}, {"axis": 0}),
    "log softmax 13": (13, "LogSoftmax", {"x": ROW}, {}, {"axis": 0}),
    "hardmax 1": (12, "Hardmax", {"x": ROW}, {}, {"axis": 1}),
    "hardmax 13": (13, "Hardmax", {"x": ROW}, {}, {"axis": 1}),
    "dropout 7": (7, "Dropout", {"x": X}, {}, {"ratio": 0.4}),
    "dropout 12": (12, "Dropout", {"x": X}, {"ratio": scalar(0.4)}, {}),
    "upsample 7": (7, "Upsample", {"x": X}, {}, {"scales": [1.0, 1.0, 2.0, 3.0]}),
    "upsample 9": (9, "Upsample", {"x": X}, {"s": floats(1, 1, 2.5, 2)}, {}),
    "upsample 9 linear": (
        9,
        "Upsample",
        {"x": X},
        {"s": floats(1, 1, 2, 2)},
        {"mode": "linear"},
    ),
    "resize 10 up": (10, "Resize", {"x": X}, {"s": floats(1, 1, 1.7, 2)}, {}),
    "resize 10 down": (10, "Resize", {"x": X}, {"s": floats(1, 1, 0.6, 0.5)}, {}),
    "slice 1": (9, "Slice", {"x": X}, {}, {"starts": [1, -3], "ends": [9, 1000], "axes": [1, 3]}),
    "slice 10": (
        10,
        "Slice",
        {"x": X},
        {"s": ints(-1, 0), "e": ints(-100, 8), "a": ints(2, 1), "t": ints(-2, 3)},
        {},
    ),
    "pad 2": (10, "Pad", {"x": X}, {}, {"pads": [0, 1, 2, -1, 0, 0, 1, 3], "value": 1.5}),
    "pad 2 reflect": (
        10,
        "Pad",
        {"x": X},
        {},
        {"pads": [0, 0, 2, 1, 0, 0, 1, 3], "mode": "reflect"},
    ),
    "pad 11 edge": (11, "Pad", {"x": X}, {"p": ints(0, 1, 2, 0, 1, 0, 0, 3)}, {"mode": "edge"}),
    "pad 13": (13, "Pad", {"x": X}, {"p": ints(0, 1, 2, 0, 1, 0, 0, 3), "v": scalar(2)}, {}),
    "pad 19 wrap": (
        19,
        "Pad",
        {"x": X},
        {"p": ints(2, 1, 3, 2), "v": scalar(0), "a": ints(2, -1)},
        {"mode": "wrap"},
    ),
    "squeeze 1": (12, "Squeeze", {"x": data(2, 1, 3, 1)}, {}, {"axes": [1, -1]}),
    "squeeze 1, all": (12, "Squeeze", {"x": data(2, 1, 3, 1)}, {}, {}),
    "squeeze 13": (13, "Squeeze", {"x": data(2, 1, 3, 1)}, {"a": ints(1)}, {}),
    "unsqueeze 11": (12, "Unsqueeze", {"x": ROW}, {}, {"axes": [0, -2]}),
    "unsqueeze 13": (13, "Unsqueeze", {"x": ROW}, {"a": ints(1, 4)}, {}),
    "reduce sum 11": (12, "ReduceSum", {"x": ROW}, {}, {"axes": [0, -1], "keepdims": 0}),
    "reduce sum 13": (13, "ReduceSum", {"x": ROW}, {"a": ints(-2)}, {"keepdims": 1}),
    "reduce sum 13, no axes": (13, "ReduceSum", {"x": ROW}, {}, {"keepdims": 0}),
    "reduce sum 13, noop": (13, "ReduceSum", {"x": ROW}, {}, {"noop_with_empty_axes": 1}),
    "reduce mean 18": (18, "ReduceMean", {"x": ROW}, {"a": ints(1)}, {}),
    "reduce l2 13": (13, "ReduceL2", {"x": ROW}, {}, {"axes": [1]}),
    "reduce log sum exp 11": (11, "ReduceLogSumExp", {"x": ROW}, {}, {"axes": [2]}),
    "top k 7": (7, "TopK", {"x": ROW}, {}, {"k": 3}),
    "top k 11": (11, "TopK", {"x": ROW}, {"k": ints(2)}, {"axis": 1, "largest": 0}),
    "cumsum 11": (11, "CumSum", {"x": ROW}, {"a": np.array(1, np.int32)}, {"exclusive": 1}),
    "arg max 7": (7, "ArgMax", {"x": ROW}, {}, {"axis": 2}),
    "arg min 12": (12, "ArgMin", {"x": ROW}, {}, {"select_last_index": 1, "keepdims": 0}),
    "batch normalization 7": (
        7,
        "BatchNormalization",
        {"x": X},
        {n: np.abs(data(6)) for n in "sbmv"},
        {"epsilon": 0.01},
    ),
    "batch normalization 15": (
        15,
        "BatchNormalization",
        {"x": X},
        {n: np.abs(data(6)) for n in "sbmv"},
        {},
    ),
    "gemm 7": (
        7,
        "Gemm",
        {"a": data(5, 3)},
        {"b": data(4, 5), "c": data(4)},
        {"transA": 1, "transB": 1, "alpha": 0.5, "beta": 2.0},
    ),
    "gemm 11, no C": (11, "Gemm", {"a": data(3, 5)}, {"b": data(5, 4)}, {}),
    "flatten 9": (9, "Flatten", {"x": X}, {}, {"axis": 0}),
    "flatten 11": (11, "Flatten", {"x": X}, {}, {"axis": -1}),
    "gather 11": (11, "Gather", {"x": X}, {"i": ints(-1, 0, 3)}, {"axis": 1}),
    "scatter 9": (
        9,
        "Scatter",
        {"x": ROW},
        {"i": ints(1, 0, -1).reshape(3, 1, 1), "u": data(3, 1, 1)},
        {"axis": 1},
    ),
    "one hot 9": (
        9,
        "OneHot",
        {"i": ints(1, -2, 7, 0)},
        {"d": ints(5), "v": floats(-1, 2)},
        {"axis": 0},
    ),
    "p relu 7": (7, "PRelu", {"x": X}, {"s": np.abs(data(6, 1, 1))}, {}),
    "lrn": (7, "LRN", {"x": X}, {}, {"size": 5, "alpha": 0.3, "beta": 0.6, "bias": 1.2}),
    "mod": (10, "Mod", {"a": ints(7, -7, 7, -7)}, {"b": ints(3, 3, -3, -3)}, {}),
    "fmod": (10, "Mod", {"a": data(9)}, {"b": floats(0.3)}, {"fmod": 1}),
    "div of integers": (7, "Div", {"a": ints(7, -7, 7, -7)}, {"b": ints(2, 2, -2, -2)}, {}),
    "pow of integers": (12, "Pow", {"a": ints(2, -3, 4)}, {"b": floats(3, 2, 0.5)}, {}),
    "split 2": (12, "Split", {"x": X}, {}, {"axis": 1}),
    "split 13": (13, "Split", {"x": X}, {"s": ints(1, 5)}, {"axis": 1}),
    "split 18": (18, "Split", {"x": X}, {}, {"axis": 2, "num_outputs": 2}),
}
OUTPUTS = {"Split": ("y", "z"), "TopK": ("y", "z")}


@pytest.mark.parametrize("name", CASES)
def test_version(name: str) -> None:
    opset, op, feeds, weights, attributes = CASES[name]
    outputs = OUTPUTS.get(op, ("y",))
    model = one(op, feeds, weights, opset=opset, outputs=outputs, **attributes)
    assert_as_ort(model, feeds)


RESIZE = [
    (coordinate, nearest)
    for coordinate in ("half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric")
    for nearest in ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")
]


@pytest.mark.parametrize("sizes", [(9, 14), (18, 5), (1, 20), (27, 7)])
@pytest.mark.parametrize(("coordinate", "nearest"), RESIZE)
def test_resize_nearest(coordinate: str, nearest: str, sizes: tuple[int, int]) -> None:
    attributes: Any = {"coordinate_transformation_mode": coordinate, "nearest_mode": nearest}
    weights = {"size": ints(2, 6, *sizes)}
    model = one("Resize", {"x": X}, weights, opset=13, inputs=("x", "", "", "size"), **attributes)
    assert_as_ort(model, {"x": X})


@pytest.mark.parametrize("mode", ["linear", "cubic"])
@pytest.mark.parametrize("coordinate", ["half_pixel", "align_corners", "asymmetric"])
@pytest.mark.parametrize("sizes", [(9, 14), (18, 5), (4, 4)])
def test_resize_interpolated(mode: str, coordinate: str, sizes: tuple[int, int]) -> None:
    weights = {"size": ints(2, 6, *sizes)}
    attributes: Any = {"mode": mode, "coordinate_transformation_mode": coordinate}
    model = one("Resize", {"x": X}, weights, opset=13, inputs=("x", "", "", "size"), **attributes)
    assert_as_ort(model, {"x": X}, 2e-5)


@pytest.mark.parametrize("policy", ["stretch", "not_larger", "not_smaller"])
def test_resize_keeps_the_aspect_ratio(policy: str) -> None:
    weights = {"size": ints(13, 15)}
    attributes: Any = {"axes": [2, 3], "keep_aspect_ratio_policy": policy, "mode": "linear"}
    model = one("Resize", {"x": X}, weights, opset=18, inputs=("x", "", "", "size"), **attributes)
    assert_as_ort(model, {"x": X}, 2e-5)


POOLS = [
    {"kernel_shape": [3, 2], "strides": [2, 2], "pads": [1, 0, 1, 1]},
    {"kernel_shape": [3, 3], "strides": [2, 3], "pads": [1, 1, 1, 1], "ceil_mode": 1},
    {"kernel_shape": [2, 3], "strides": [2, 2], "ceil_mode": 1},
    {"kernel_shape": [3, 3], "auto_pad": "SAME_UPPER", "strides": [2, 2]},
    {"kernel_shape": [4, 2], "auto_pad": "SAME_LOWER", "strides": [1, 2]},
    {"kernel_shape": [2, 2], "auto_pad": "VALID", "strides": [2, 2]},
]


@pytest.mark.parametrize("attributes", POOLS)
@pytest.mark.parametrize("opset", [7, 10, 19, 22])
@pytest.mark.parametrize("includes", [0, 1])
def test_average_pool(attributes: dict[str, Any], opset: int, includes: int) -> None:
    if opset < 10 and "ceil_mode" in attributes:
        pytest.skip("ceil_mode came with version 10")
    settings: Any = {**attributes, "count_include_pad": includes}
    assert_as_ort(one("AveragePool", {"x": X}, opset=opset, **settings), {"x": X})


@pytest.mark.parametrize("includes", [0, 1])
def test_average_pool_with_dilations(includes: int) -> None:
    settings: Any = {"kernel_shape": [3, 2], "dilations": [2, 3], "pads": [1, 1, 2, 0]}
    model = one("AveragePool", {"x": X}, opset=19, count_include_pad=includes, **settings)
    assert_as_ort(model, {"x": X})


@pytest.mark.parametrize("attributes", POOLS)
@pytest.mark.parametrize("order", [0, 1])
def test_max_pool_with_indices(attributes: dict[str, Any], order: int) -> None:
    settings: Any = {**attributes, "storage_order": order}
    model = one("MaxPool", {"x": X}, opset=12, outputs=("y", "i"), **settings)
    assert_as_ort(model, {"x": X})


CONVOLUTIONS: list[tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = [
    ((2, 4, 11), (6, 4, 3), {"pads": [2, 1], "strides": [2]}),
    ((2, 4, 9, 8), (6, 2, 3, 2), {"group": 2, "pads": [1, 0, 2, 1], "dilations": [2, 3]}),
    ((1, 6, 7, 7), (6, 1, 3, 3), {"group": 6, "auto_pad": "SAME_UPPER", "strides": [2, 2]}),
    ((1, 3, 8, 9), (5, 3, 4, 4), {"auto_pad": "SAME_LOWER"}),
    ((1, 3, 8, 9), (5, 3, 4, 4), {"auto_pad": "VALID", "kernel_shape": [4, 4]}),
    ((1, 2, 5, 6, 4), (3, 2, 2, 3, 2), {"pads": [1, 0, 1, 0, 1, 0]}),
]


@pytest.mark.parametrize(("shape", "kernel", "attributes"), CONVOLUTIONS)
def test_conv(shape: tuple[int, ...], kernel: tuple[int, ...], attributes: dict[str, Any]) -> None:
    x, weights = data(*shape), {"w": data(*kernel), "b": data(kernel[0])}
    assert_as_ort(one("Conv", {"x": x}, weights, opset=11, **attributes), {"x": x}, 2e-5)


TRANSPOSED: list[dict[str, Any]] = [
    {"strides": [2, 3], "pads": [1, 0, 0, 2], "output_padding": [1, 0]},
    {"strides": [2, 2], "output_shape": [12, 11]},
    {"strides": [2, 2], "auto_pad": "SAME_UPPER"},
    {"strides": [2, 2], "auto_pad": "SAME_LOWER", "dilations": [2, 1]},
    {"group": 2, "dilations": [2, 2]},
]


@pytest.mark.parametrize("attributes", TRANSPOSED)
def test_conv_transpose(attributes: dict[str, Any]) -> None:
    group = attributes.get("group", 1)
    x, weights = data(2, 4, 6, 5), {"w": data(4, 6 // group, 3, 3), "b": data(6)}
    assert_as_ort(one("ConvTranspose", {"x": x}, weights, opset=11, **attributes), {"x": x}, 2e-5)


def test_half_precision_means_do_not_overflow() -> None:
    x = np.full((1, 2, 64, 64), 60.0, np.float16)
    for op in ("GlobalAveragePool", "ReduceMean"):
        graph = assert_as_ort(one(op, {"x": x}, opset=13), {"x": x}, 2e-3)
        assert "cast" in ops(graph)


@pytest.mark.parametrize("opset", [7, 8])
def test_batch_normalization_by_element(opset: int) -> None:
    weights = {n: np.abs(data(6, 9, 7)) for n in "sbmv"}
    graph = imported(one("BatchNormalization", {"x": X}, weights, opset=opset, spatial=0))
    assert ops(graph)


def test_training_mode_is_refused() -> None:
    weights = {n: np.abs(data(6)) for n in "sbmv"}
    model = one("BatchNormalization", {"x": X}, weights, opset=15, training_mode=1)
    with pytest.raises(UnsupportedModel, match=r"the_BatchNormalization.*training mode"):
        imported(model)


def test_too_old_an_opset_is_refused() -> None:
    with pytest.raises(UnsupportedModel, match="operator set 6"):
        imported(one("Relu", {"x": X}, opset=6))
