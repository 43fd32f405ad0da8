"""More small networks: one dimension, unusual windows, old files, activations, linear layers."""

from __future__ import annotations

import onnx
from onnx import TensorProto

from benchmarks.draw import Role
from tests.golden.net import Net


def wavenet() -> onnx.ModelProto:
    """One-dimensional: dilated causal convolutions, gates, residuals, strided pooling."""
    n = Net("wavenet", 16)
    y = n.conv(n.input("wave", (2, 2, 101)), 8, (5,), strides=[2])
    for dilation in (1, 2, 4):
        pads = [2 * dilation, 0]
        a = n.conv(y, 8, (3,), dilations=[dilation], pads=pads)
        b = n.conv(y, 8, (3,), dilations=[dilation], pads=pads)
        gated = n.node("Mul", n.node("Tanh", a), n.node("Sigmoid", b))
        y = n.node("Add", y, n.norm(n.conv(gated, 8, (1,))))
    y = n.node("MaxPool", y, kernel_shape=[4], strides=[3], pads=[1, 1])
    halves = n.node("Mul", y, n.tensor(0.5))
    one = n.node("Add", n.node("Erf", n.node("Div", y, n.tensor(2**0.5))), n.tensor(1.0))
    y = n.node("AveragePool", n.node("Mul", halves, one), kernel_shape=[2])
    return n.build(n.linear(n.node("Flatten", y), 128, 6))


def odd_convolutions() -> onnx.ModelProto:
    """Groups, dilation, asymmetric pads, strides that differ, SAME and VALID pads."""
    n = Net("odd_convolutions", 13)
    x = n.input("image", (2, 6, 19, 23))
    y = n.node("Relu", n.conv(x, 9, (3, 2), groups=3, pads=[0, 1, 2, 3], strides=[1, 2]))
    y = n.node("Relu", n.conv(y, 8, 3, dilations=[2, 3], pads=[2, 1, 0, 3]))
    y = n.node("Relu", n.conv(y, 8, (4, 3), auto_pad="SAME_UPPER", strides=[2, 1]))
    y = n.node("Relu", n.conv(y, 8, (2, 5), auto_pad="SAME_LOWER", strides=[1, 2], groups=8))
    y = n.node("Relu", n.conv(y, 16, (3, 1), auto_pad="VALID", groups=4, bias=False))
    y = n.conv(y, 16, 3, groups=16, strides=[2, 2], pads=[1, 0, 1, 2])
    return n.build(n.conv(n.node("Relu", y), 5, (4, 1), pads=[0] * 4))


def old_style() -> onnx.ModelProto:
    """IR 3 and opset 7: weights are graph inputs, axes and limits are attributes."""
    n = Net("old_style", 7, gain=0.9)
    y = n.node("Pad", n.input("data_0", (1, 3, 20, 20)), pads=[0, 0, 1, 2, 0, 0, 2, 1], value=0.5)
    y = n.node("Relu", n.norm(n.conv(y, 8, 3, pads=[0] * 4), epsilon=1e-3, momentum=0.9))
    scaled = n.node("Mul", y, n.drawn(Role.SCALE, 8, 1, 1))
    shift = n.node("Unsqueeze", n.drawn(Role.SHIFT, 8), axes=[1, 2])
    y = n.node("Clip", n.node("Add", scaled, shift), min=-1.0, max=3.0)
    left = n.node("Slice", y, axes=[1], starts=[0], ends=[4])
    right = n.node("Slice", y, axes=[1, 2], starts=[-4, 0], ends=[9223372036854775807, 999])
    n.channels[left] = n.channels[right] = 4
    one, two = n.nodes_out("Split", [n.conv(right, 4, 3)], 2, axis=1, split=[1, 3])
    y = n.node("Concat", n.node("Sum", left, n.conv(left, 4), right), one, two, axis=1)
    y = n.node("MaxPool", n.node("Max", y, n.conv(y, 8)), kernel_shape=[2, 2], strides=[2, 2])
    y = n.node("AveragePool", y, kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    y = n.node("Dropout", n.node("GlobalMaxPool", y), ratio=0.4)
    y = n.node("Squeeze", y, axes=[2, 3])
    weight, bias = n.weight([8, 10], 8), n.drawn(Role.SHIFT, 10)
    return n.build(n.node("Softmax", n.node("Gemm", y, weight, bias, alpha=0.7, beta=1.5)))


def pools() -> onnx.ModelProto:
    """Every form of pooling, each to its own output after a squeeze-excite gate."""
    n = Net("pools", 21)
    y = n.conv(n.input("image", (1, 4, 18, 23)), 6, 3)
    gate = n.node("Sigmoid", n.conv(n.node("GlobalAveragePool", y), 6))
    y = n.node("Mul", y, gate)
    base = {"kernel_shape": [3, 4], "strides": [2, 3], "pads": [1, 1, 1, 2]}
    averages = [
        n.node("AveragePool", y, **base, ceil_mode=ceil, count_include_pad=count)
        for ceil in (0, 1)
        for count in (0, 1)
    ]
    dilated = n.node("AveragePool", y, kernel_shape=[3, 2], dilations=[2, 3], pads=[1] * 4)
    most = n.node("MaxPool", y, **base, ceil_mode=1)
    holes = n.node("MaxPool", y, kernel_shape=[2, 3], dilations=[3, 2], strides=[2, 1])
    same = n.node("MaxPool", y, kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_LOWER")
    mean = n.node("AveragePool", y, kernel_shape=[2, 2], strides=[2, 2], auto_pad="SAME_UPPER")
    top = n.node("GlobalMaxPool", y)
    return n.build(*averages, dilated, most, holes, same, mean, top)


def activations() -> onnx.ModelProto:
    """A chain of convolutions, each with another activation and form of its parameters."""
    n = Net("activations", 20)
    y = n.node(
        "PRelu", n.conv(n.input("image", (2, 3, 14, 18)), 8, 3), n.drawn(Role.SHIFT, 8, 1, 1)
    )
    y = n.node("PRelu", n.conv(y, 8), n.tensor([0.2]))
    y = n.node("LeakyRelu", n.conv(y, 8, 3), alpha=0.1)
    y = n.node("Clip", n.conv(y, 8), n.tensor(-0.5), n.tensor(1.5))
    y = n.node("Clip", n.conv(y, 8), "", n.tensor(6.0))
    y = n.node("Gelu", n.conv(y, 8))
    y = n.node("Gelu", n.conv(y, 8), approximate="tanh")
    inner = n.conv(y, 8)
    y = n.node("Mul", inner, n.node("Sigmoid", inner))
    y = n.node("HardSigmoid", n.conv(y, 8), alpha=0.3, beta=0.4)
    y = n.node("HardSwish", n.conv(y, 8))
    y = n.node("Tanh", n.conv(y, 8))
    return n.build(n.node("Erf", n.conv(y, 4, 3, strides=[3, 2])))


def linear_layers() -> onnx.ModelProto:
    """Every form of Gemm, MatMul with bias, a norm from reductions, LogSoftmax."""
    n = Net("linear_layers", 18)
    x = n.input("rows", (5, 24))
    y = n.node("Gemm", n.node("Transpose", x, perm=[1, 0]), n.weight([24, 20], 24), transA=1)
    y = n.node("Relu", y)
    y = n.node("Gemm", y, n.weight([30, 20], 20), n.drawn(Role.SHIFT, 5, 1), transB=1, beta=0.5)
    y = n.node("Tanh", y)
    y = n.node("Add", n.node("MatMul", y, n.weight([30, 16], 30)), n.drawn(Role.SHIFT, 16))
    centred = n.node("Sub", y, n.node("ReduceMean", y, n.ints(-1)))
    variance = n.node("ReduceMean", n.node("Pow", centred, n.tensor(2.0)), n.ints(-1))
    y = n.node("Div", centred, n.node("Sqrt", n.node("Add", variance, n.tensor(1e-5))))
    y = n.node("Mul", y, n.drawn(Role.SCALE, 16))
    y = n.node("Gemm", y, n.weight([16, 12], 16), n.drawn(Role.SHIFT, 12), alpha=0.8)
    return n.build(n.node("LogSoftmax", y, axis=1), n.node("ArgMax", y, axis=1, keepdims=0))


def mixer() -> onnx.ModelProto:
    """Tokens of image patches mixed along both axes: transposes between linear layers."""
    n = Net("mixer", 13)
    y = n.conv(n.input("image", (2, 3, 16, 16)), 12, 4, strides=[4, 4], pads=[0] * 4)
    y = n.node("Transpose", n.node("Reshape", y, n.ints(2, 12, 16)), perm=[0, 2, 1])
    for width in (16, 12):
        turned = n.node("Transpose", y, perm=[0, 2, 1]) if width == 16 else y
        hidden = n.node("Relu", n.node("MatMul", turned, n.weight([width, 20], width)))
        hidden = n.node("Add", n.node("MatMul", hidden, n.weight([20, width], 20)), turned)
        y = n.node("Transpose", hidden, perm=[0, 2, 1]) if width == 16 else hidden
    y = n.node("ReduceMean", y, axes=[1], keepdims=0)
    return n.build(n.linear(y, 12, 7))


def dynamic_batch() -> onnx.ModelProto:
    """A symbolic batch that a Shape, Gather, Concat, Reshape chain carries to the classifier."""
    n = Net("dynamic_batch", 13, head=0.4)
    x = n.input("image", ("batch", 3, 14, 14))
    y = n.conv_norm(x, 8, 3, "Relu", strides=[2, 2])
    y = n.node("Add", n.conv_norm(y, 8, 3, groups=8), y)
    y = n.node("MaxPool", n.node("Relu", y), kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    batch = n.node("Gather", n.node("Shape", y), n.tensor(0, "int64"), axis=0)
    shape = n.node("Concat", n.node("Unsqueeze", batch, n.ints(0)), n.ints(-1), axis=0)
    y = n.node("Reshape", y, n.node("Cast", shape, to=TensorProto.INT64))
    return n.build(n.node("Softmax", n.linear(y, 128, 9, last=True), axis=-1))
