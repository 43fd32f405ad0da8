"""Small whole networks of the usual families, by name. Each ends in an output that varies."""

from __future__ import annotations

from collections.abc import Callable

import onnx

from tests.golden.net import Net

Make = Callable[[], onnx.ModelProto]


def resnet() -> onnx.ModelProto:
    """Stem, two basic blocks, one bottleneck with a strided shortcut, classifier."""
    n = Net("resnet", gain=0.75)
    y = n.conv_norm(n.input("image", (2, 3, 32, 32)), 8, 7, "Relu", strides=[2, 2])
    y = n.node("MaxPool", y, kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    for channels, stride in ((8, 1), (16, 2)):
        inner = n.conv_norm(y, channels, 3, "Relu", strides=[stride] * 2)
        outer = n.conv_norm(inner, channels, 3)
        if stride > 1:
            y = n.conv_norm(y, channels, 1, strides=[stride] * 2)
        y = n.node("Relu", n.node("Add", outer, y))
    inner = n.conv_norm(n.conv_norm(y, 8, 1, "Relu"), 8, 3, "Relu")
    y = n.node("Relu", n.node("Add", n.conv_norm(inner, 16), y))
    y = n.node("Flatten", n.node("GlobalAveragePool", y))
    return n.build(n.linear(y, 16, 10, last=True))


def _squeeze_excite(n: Net, x: str, gate: str, **attrs: float) -> str:
    """x scaled by a gate computed from its channel means."""
    channels = n.channels[x]
    y = n.node("Relu", n.conv(n.node("GlobalAveragePool", x), channels // 2))
    return n.node("Mul", x, n.node(gate, n.conv(y, channels), **attrs))


def mobilenet() -> onnx.ModelProto:
    """Inverted residuals with depthwise convolutions, squeeze-excite and hard swish."""
    n = Net("mobilenet", gain=0.9)
    y = n.conv_norm(n.input("image", (1, 3, 36, 28)), 8, 3, "HardSwish", strides=[2, 2])
    for kernel, expanded, stride, act in ((3, 16, 2, "Relu"), (5, 24, 1, "HardSwish")):
        wide = n.conv_norm(y, expanded, 1, act)
        wide = n.conv_norm(wide, expanded, kernel, act, groups=expanded, strides=[stride] * 2)
        wide = _squeeze_excite(n, wide, "HardSigmoid", alpha=1 / 6, beta=0.5)
        narrow = n.conv_norm(wide, 8)
        y = n.node("Add", narrow, y) if stride == 1 else narrow
    y = n.node("GlobalAveragePool", n.conv_norm(y, 32, 1, "HardSwish"))
    y = n.node("HardSwish", n.conv(y, 24))
    return n.build(n.linear(n.node("Flatten", y), 24, 12))


def densenet() -> onnx.ModelProto:
    """Dense blocks: norms before convolutions, growing concats, a pooled transition."""
    n = Net("densenet", 12)
    y = n.conv_norm(n.input("image", (1, 3, 24, 24)), 8, 3, "Relu")
    for block in range(2):
        for _ in range(3):
            new = n.conv_norm(n.node("Relu", n.norm(y)), 12, 1, "Relu")
            y = n.node("Concat", y, n.conv(new, 4, 3, bias=False), axis=1)
        if block == 0:
            y = n.conv(n.node("Relu", n.norm(y)), 10, bias=False)
            y = n.node("AveragePool", y, kernel_shape=[2, 2], strides=[2, 2])
    y = n.node("Relu", n.norm(y))
    y = n.node("GlobalAveragePool", y)
    return n.build(n.linear(n.node("Flatten", y, axis=1), 22, 10))


def inception() -> onnx.ModelProto:
    """Branches of 1x1, 3x3, factorised 1x7 and 7x1, and pooling, joined by concats."""
    n = Net("inception", 13)
    y = n.conv_norm(n.input("image", (1, 3, 21, 23)), 8, 3, "Relu", strides=[2, 2], pads=[0] * 4)
    for _ in range(2):
        one = n.node("Relu", n.conv(y, 6))
        three = n.node("Relu", n.conv(n.node("Relu", n.conv(y, 4)), 6, 3))
        seven = n.node("Relu", n.conv(n.node("Relu", n.conv(y, 4, (1, 7))), 6, (7, 1)))
        pooled = n.node("AveragePool", y, kernel_shape=[3, 3], pads=[1] * 4)
        y = n.node("Concat", one, three, seven, n.node("Relu", n.conv(pooled, 6)), axis=1)
    most = n.node("MaxPool", y, kernel_shape=[3, 3], strides=[2, 2])
    strided = n.conv_norm(y, 8, 3, "Relu", strides=[2, 2], pads=[0] * 4)
    y = n.node("GlobalAveragePool", n.node("Concat", most, strided, axis=1))
    y = n.node("Dropout", n.node("Flatten", y))
    return n.build(n.node("Softmax", n.linear(y, 32, 10), axis=1))


def _shuffle(n: Net, x: str, groups: int, height: int, width: int) -> str:
    """Interleave the channels of the groups."""
    channels = n.channels[x]
    y = n.node("Reshape", x, n.ints(1, groups, channels // groups, height, width))
    y = n.node("Transpose", y, perm=[0, 2, 1, 3, 4])
    y = n.node("Reshape", y, n.ints(1, channels, height, width))
    n.channels[y] = channels
    return y


def shufflenet() -> onnx.ModelProto:
    """A grouped unit of version 1 with its concat shortcut, and a split unit of version 2."""
    n = Net("shufflenet", 13, gain=0.9)
    y = n.conv_norm(n.input("image", (1, 3, 30, 30)), 12, 3, "Relu", strides=[2, 2])
    unit = _shuffle(n, n.conv_norm(y, 12, 1, "Relu", groups=3), 3, 15, 15)
    unit = n.conv_norm(unit, 12, 3, groups=12, strides=[2, 2])
    unit = n.conv_norm(unit, 12, 1, groups=3)
    short = n.node("AveragePool", y, kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    y = n.node("Relu", n.node("Concat", unit, short, axis=1))
    for _ in range(2):
        kept, changed = n.nodes_out("Split", [y, n.ints(12, 12)], 2, axis=1)
        changed = n.conv_norm(n.conv_norm(changed, 12, 1, "Relu"), 12, 3, groups=12)
        changed = n.conv_norm(changed, 12, 1, "Relu")
        y = _shuffle(n, n.node("Concat", kept, changed, axis=1), 2, 8, 8)
    y = n.node("ReduceMean", y, axes=[2, 3], keepdims=0)
    return n.build(n.linear(y, 24, 10))


def squeezenet() -> onnx.ModelProto:
    """Fire modules, pools that round up, a convolution as classifier, softmax of opset 9."""
    n = Net("squeezenet", 9, gain=0.9)
    y = n.conv(n.input("image", (1, 3, 33, 31)), 8, 3, strides=[2, 2], pads=[0] * 4)
    y = n.node("Relu", y)
    pool = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [0, 0, 1, 1]}
    for _ in range(2):
        y = n.node("Relu", n.conv(n.node("MaxPool", y, **pool), 4))
        one, three = n.node("Relu", n.conv(y, 8)), n.node("Relu", n.conv(y, 8, 3))
        y = n.node("Concat", one, three, axis=1)
    y = n.node("Relu", n.conv(n.node("Dropout", y, ratio=0.5), 10))
    y = n.node("GlobalAveragePool", y)
    return n.build(n.node("Softmax", n.node("Reshape", y, n.ints(0, -1))))


def vgg() -> onnx.ModelProto:
    """AlexNet and VGG parts: local response norms, pools, three linear layers."""
    n = Net("vgg", 13, head=0.5)
    y = n.node("Relu", n.conv(n.input("image", (2, 3, 26, 26)), 8, 5, strides=[2, 2]))
    y = n.node("LRN", y, size=5, alpha=0.1, beta=0.75, bias=2.0)
    y = n.node("MaxPool", y, kernel_shape=[3, 3], strides=[2, 2])
    y = n.node("Relu", n.conv(y, 12, 3, groups=2))
    y = n.node("LRN", y, size=3, alpha=0.2, bias=1.0)
    y = n.node("Relu", n.conv(y, 8, 3))
    y = n.node("MaxPool", y, kernel_shape=[2, 2], strides=[2, 2])
    y = n.node("Reshape", y, n.ints(2, -1))
    y = n.node("Dropout", n.node("Relu", n.linear(y, 72, 32)))
    y = n.node("Relu", n.linear(y, 32, 24))
    return n.build(n.node("Softmax", n.linear(y, 24, 10, last=True), axis=-1))


def unet() -> onnx.ModelProto:
    """Down and up again by nearest resizing, by scales and by sizes, with concat shortcuts."""
    n = Net("unet", 13)
    first = n.conv_norm(n.input("image", (1, 3, 20, 24)), 6, 3, "Relu")
    second = n.node("MaxPool", first, kernel_shape=[2, 2], strides=[2, 2])
    second = n.conv_norm(second, 8, 3, "Relu")
    y = n.node("MaxPool", second, kernel_shape=[2, 2], strides=[2, 2])
    y = n.conv_norm(y, 12, 3, "Relu")
    floor = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric"}
    y = n.node("Resize", y, "", n.tensor([1, 1, 2, 2]), **floor, nearest_mode="floor")
    y = n.conv_norm(n.node("Concat", y, second, axis=1), 8, 3, "Relu")
    y = n.node("Resize", y, "", "", n.ints(1, 8, 20, 24), mode="nearest")
    y = n.conv_norm(n.node("Concat", y, first, axis=1), 6, 3, "Relu")
    return n.build(n.node("Sigmoid", n.conv(y, 2)), y)
