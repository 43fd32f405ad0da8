"""One small model for each form of kernel, by name: what a kernel of that form can get wrong."""

from __future__ import annotations

import onnx
from onnx import TensorProto

from benchmarks.draw import Role
from tests.golden.net import Net


def pointwise() -> onnx.ModelProto:
    """Broadcasts from every side, two results, a comparison and a choice."""
    n = Net("pointwise", 18)
    x, y = n.input("x", (2, 3, 37, 41)), n.input("y", (3, 1, 41))
    total = n.node("Add", n.node("Mul", x, n.drawn(Role.SCALE, 41)), y)
    chosen = n.node("Where", n.node("Greater", total, y), n.node("Exp", x), n.node("Neg", total))
    return n.build(total, n.node("Sub", chosen, n.drawn(Role.MEAN, 2, 1, 1, 1)))


def transpose() -> onnx.ModelProto:
    """A move that no view can express: channels last, rows flattened."""
    n = Net("transpose", 13)
    y = n.node("Transpose", n.input("x", (2, 5, 33, 18)), perm=[0, 2, 3, 1])
    return n.build(n.node("Reshape", y, n.ints(2, 33, -1)))


def joins() -> onnx.ModelProto:
    """Concat of a pad, a strided slice and an input, as one move."""
    n = Net("joins", 13)
    x, y = n.input("x", (2, 4, 17)), n.input("y", (2, 6, 19))
    padded = n.node("Pad", x, n.ints(0, 1, 0, 0, 2, 3), n.tensor(0.25))
    part = n.node("Slice", y, n.ints(1, 0), n.ints(6, 19), n.ints(1, 2), n.ints(2, 1))
    wide = n.node("Pad", part, n.ints(0, 0, 5, 0, 0, 5), n.tensor(-1.0))
    short = n.node("Slice", wide, n.ints(0), n.ints(20), n.ints(2))
    return n.build(n.node("Concat", padded, short, padded, axis=1))


def gather() -> onnx.ModelProto:
    """Rows of a table by indices that are an input, scaled after."""
    n = Net("gather", 13)
    ids = n.input("ids", (4, 7), TensorProto.INT64)
    rows = n.node("Gather", n.weight([23, 36], 4), ids, axis=0)
    return n.build(n.node("Mul", rows, n.drawn(Role.SCALE, 36)))


def reduce_rows() -> onnx.ModelProto:
    """Rows that fit a tile, of a size that is no power of two: sum, mean square, max, min."""
    n = Net("reduce_rows", 18)
    x = n.input("x", (6, 5, 300))
    total = n.node("ReduceSum", x, n.tensor([2], "int64"), keepdims=0)
    root = n.node("ReduceL2", n.node("Sub", x, n.drawn(Role.SHIFT, 300)), n.ints(-1))
    return n.build(total, n.node("ReduceMax", x, n.ints(2)), n.node("Sqrt", root))


def reduce_long_rows() -> onnx.ModelProto:
    """Rows too long for one tile: a loop over parts of 9,001 elements."""
    n = Net("reduce_long_rows", 18)
    squared = n.node("Mul", n.input("x", (3, 9001)), n.tensor(1.5))
    return n.build(n.node("ReduceMean", n.node("Mul", squared, squared), n.ints(1)))


def reduce_columns() -> onnx.ModelProto:
    """Over outer and middle axes at once: strided reads."""
    n = Net("reduce_columns", 18)
    return n.build(n.node("ReduceSum", n.input("x", (7, 3, 29, 10)), n.ints(0, 2), keepdims=0))


def softmax() -> onnx.ModelProto:
    """One row at a time: maximum, exponentials, sum, quotient in one kernel."""
    n = Net("softmax", 13)
    return n.build(n.node("Softmax", n.input("x", (4, 9, 75)), axis=-1))


def softmax_channels() -> onnx.ModelProto:
    """Softmax over the channels of images."""
    n = Net("softmax_channels", 13)
    return n.build(n.node("Softmax", n.input("x", (2, 21, 8, 11)), axis=1))


def softmax_long_rows() -> onnx.ModelProto:
    """Softmax of rows too long for one tile."""
    n = Net("softmax_long_rows", 13)
    return n.build(n.node("LogSoftmax", n.input("x", (2, 9000)), axis=-1))


def argmax() -> onnx.ModelProto:
    """First and last of equal maxima: the operand is rounded so that there are many."""
    n = Net("argmax", 13)
    x = n.node("Floor", n.input("x", (6, 50)))
    last = n.node("ArgMax", x, axis=1, keepdims=0, select_last_index=1)
    return n.build(n.node("ArgMax", x, axis=1, keepdims=0), last)


def matmul() -> onnx.ModelProto:
    """A batch of products of odd sizes, both operands inputs."""
    n = Net("matmul", 13)
    return n.build(n.node("MatMul", n.input("a", (3, 37, 53)), n.input("b", (3, 53, 29))))


def matmul_broadcast() -> onnx.ModelProto:
    """Batch dims that broadcast, one operand transposed, a scale after."""
    n = Net("matmul_broadcast", 13)
    a, b = n.input("a", (2, 1, 17, 33)), n.input("b", (1, 3, 21, 33))
    y = n.node("MatMul", a, n.node("Transpose", b, perm=[0, 1, 3, 2]))
    return n.build(n.node("Mul", y, n.tensor(0.125)))


def gemm() -> onnx.ModelProto:
    """A linear layer with bias, activation and residual in its epilogue."""
    n = Net("gemm", 13)
    x = n.input("x", (19, 70))
    return n.build(n.node("Add", n.node("Relu", n.linear(x, 70, 70)), x))


def conv() -> onnx.ModelProto:
    """Implicit GEMM with stride, bias, activation and residual in its epilogue."""
    n = Net("conv", 13)
    x, other = n.input("x", (2, 9, 15, 18)), n.input("other", (2, 20, 8, 9))
    y = n.conv(x, 20, 3, strides=[2, 2])
    return n.build(n.node("Relu", n.node("Add", y, other)))


def conv_prologue() -> onnx.ModelProto:
    """Scale, shift and activation before a convolution, computed as its operand is read."""
    n = Net("conv_prologue", 13)
    x = n.input("x", (1, 12, 13, 10))
    y = n.node("Mul", x, n.drawn(Role.SCALE, 1, 12, 1, 1))
    y = n.node("Relu", n.node("Add", y, n.drawn(Role.SHIFT, 1, 12, 1, 1)))
    return n.build(n.conv(y, 16, 1))


def conv_grouped() -> onnx.ModelProto:
    """Two groups, wide enough for an implicit GEMM each."""
    n = Net("conv_grouped", 13)
    y = n.conv(n.input("x", (2, 32, 9, 7)), 40, 3, groups=2, dilations=[1, 2])
    return n.build(n.node("LeakyRelu", y, alpha=0.2))


def conv_small_groups() -> onnx.ModelProto:
    """Four groups of three channels: too few for a tile of products."""
    n = Net("conv_small_groups", 13)
    return n.build(n.conv(n.input("x", (1, 12, 11, 14)), 20, 3, groups=4, dilations=[1, 2]))


def conv_depthwise() -> onnx.ModelProto:
    """A group for each channel, two outputs each; asymmetric pads."""
    n = Net("conv_depthwise", 13)
    y = n.conv(n.input("x", (2, 10, 12, 17)), 20, 3, groups=10, pads=[0, 2, 1, 1], strides=[1, 2])
    return n.build(n.node("Relu", y))


def conv_1d() -> onnx.ModelProto:
    """One spatial dim, strided and dilated."""
    n = Net("conv_1d", 13)
    y = n.conv(n.input("x", (2, 7, 61)), 16, (4,), strides=[2], dilations=[3], pads=[4, 5])
    return n.build(n.node("Tanh", y))


def max_pool() -> onnx.ModelProto:
    """Padding never wins, even over negative numbers; what follows is fused."""
    n = Net("max_pool", 13)
    x = n.input("x", (2, 5, 19, 16))
    y = n.node("Sub", x, n.tensor(4.0))
    y = n.node("MaxPool", y, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    return n.build(n.node("Sigmoid", y))


def average_pool() -> onnx.ModelProto:
    """Padding is not counted: border windows have fewer elements."""
    n = Net("average_pool", 13)
    x = n.input("x", (2, 5, 14, 17))
    return n.build(n.node("AveragePool", x, kernel_shape=[3, 4], strides=[2, 1], pads=[1, 2, 1, 1]))


def global_pool() -> onnx.ModelProto:
    """The mean of each channel, then a view of it as rows."""
    n = Net("global_pool", 13)
    y = n.node("GlobalAveragePool", n.input("x", (3, 10, 13, 7)))
    return n.build(n.node("Flatten", y))


def resize() -> onnx.ModelProto:
    """Nearest upsampling as a kernel that reads each element several times."""
    n = Net("resize", 13)
    floor = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    y = n.node("Tanh", n.input("x", (1, 4, 9, 11)))
    return n.build(n.node("Resize", y, "", n.tensor([1, 1, 2, 3]), mode="nearest", **floor))


def symbolic() -> onnx.ModelProto:
    """Rows and their length are both symbolic: masks and offsets by run-time sizes."""
    n = Net("symbolic", 13)
    x = n.input("x", ("rows", "columns"))
    y = n.node("Div", x, n.node("ReduceMax", x, axes=[1]))
    return n.build(n.node("Softmax", y, axis=1))
