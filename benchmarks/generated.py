"""A network-like graph of any number of nodes, to see how passes scale."""

from __future__ import annotations

from collections.abc import Callable
from itertools import cycle

import onnx
from onnx import helper, numpy_helper

from benchmarks.draw import Array, Drawer, Role

CHANNELS = 8
IMAGE = 8
OPSET = 20
# Large enough that two inputs do not end in the same output, thousands of layers on.
GAIN = 1.1


class _Builder:
    """Appends nodes to a graph and remembers the value that the next block reads."""

    def __init__(self, drawer: Drawer) -> None:
        self.drawer = drawer
        self.nodes: list[onnx.NodeProto] = []
        self.tensors: list[onnx.TensorProto] = []
        self.value = "x"

    def node(self, op: str, *operands: str, **attributes: int | list[int]) -> str:
        index = len(self.nodes)
        result = f"v{index}"
        node = helper.make_node(op, operands, [result], f"{op}_{index}")
        node.attribute.extend(helper.make_attribute(k, v) for k, v in attributes.items())
        self.nodes.append(node)
        return result

    def constant(self, name: str, values: Array) -> str:
        self.tensors.append(numpy_helper.from_array(values, name))
        return name

    def vector(self, role: Role, shape: tuple[int, ...] = (CHANNELS,)) -> str:
        name = f"{role}_{len(self.tensors)}"
        return self.constant(name, self.drawer.draw(name, role, shape))

    def conv(self, value: str, kernel: int, channels: int = CHANNELS) -> str:
        name = f"weight_{len(self.tensors)}"
        shape = (channels, CHANNELS, kernel, kernel)
        weight = self.drawer.weight(name, shape, CHANNELS * kernel * kernel)
        pads = [kernel // 2] * 4
        bias = self.vector(Role.SHIFT, (channels,))
        return self.node("Conv", value, self.constant(name, weight), bias, pads=pads)

    def norm(self, value: str) -> str:
        roles = (Role.SCALE, Role.SHIFT, Role.MEAN, Role.VARIANCE)
        return self.node("BatchNormalization", value, *(self.vector(role) for role in roles))

    def per_channel(self, op: str, value: str, role: Role) -> str:
        return self.node(op, value, self.vector(role, (1, CHANNELS, 1, 1)))


def _residual(b: _Builder) -> None:
    """conv, norm, relu, conv, norm, add, relu: 7 nodes."""
    inner = b.node("Relu", b.norm(b.conv(b.value, 3)))
    outer = b.norm(b.conv(inner, 3))
    b.value = b.node("Relu", b.node("Add", outer, b.value))


def _pointwise(b: _Builder) -> None:
    """mul, add, tanh: 3 nodes. The tanh keeps values ordinary however long the graph is."""
    scaled = b.per_channel("Mul", b.value, Role.SCALE)
    b.value = b.node("Tanh", b.per_channel("Add", scaled, Role.SHIFT))


def _branches(b: _Builder) -> None:
    """Two convolutions of half the channels, concatenated: 5 nodes."""
    half = CHANNELS // 2
    parts = [b.node("Relu", b.conv(b.value, kernel, half)) for kernel in (1, 3)]
    b.value = b.node("Concat", *parts, axis=1)


def _single(b: _Builder) -> None:
    """One node, to make up the number."""
    b.value = b.node("Tanh", b.value)


_BLOCKS: tuple[tuple[int, Callable[[_Builder], None]], ...] = (
    (7, _residual),
    (3, _pointwise),
    (5, _branches),
)


def generated(nodes: int, seed: int = 0) -> onnx.ModelProto:
    """A model of exactly `nodes` nodes: residual, pointwise and concat blocks in turn."""
    builder = _Builder(Drawer(seed, GAIN))
    for size, block in cycle(_BLOCKS):
        if len(builder.nodes) + size > nodes:
            break
        block(builder)
    while len(builder.nodes) < nodes:
        _single(builder)
    shape = [1, CHANNELS, IMAGE, IMAGE]
    graph = helper.make_graph(
        builder.nodes,
        f"generated_{nodes}",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(builder.value, onnx.TensorProto.FLOAT, shape)],
        builder.tensors,
    )
    opset = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=10)
    onnx.checker.check_model(model)
    return model
