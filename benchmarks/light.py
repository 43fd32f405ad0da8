"""The light models of the onnx package, with every weight drawn.

The package ships the graphs of nine classic networks with their weights replaced by one constant
per tensor, most as `ConstantOfShape` nodes. Here each becomes an initializer of the same shape,
drawn by the role it plays. The files keep their IR version 3: weights are graph inputs too.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import onnx
from onnx import helper, numpy_helper

from benchmarks.draw import Array, Drawer, Role

# What the constant operand of an operator is, by operand number.
_ROLES: Mapping[tuple[str, int], Role] = {
    ("Conv", 1): Role.WEIGHT,
    ("Conv", 2): Role.SHIFT,
    ("Gemm", 1): Role.WEIGHT,
    ("Gemm", 2): Role.SHIFT,
    ("BatchNormalization", 1): Role.SCALE,
    ("BatchNormalization", 2): Role.SHIFT,
    ("BatchNormalization", 3): Role.MEAN,
    ("BatchNormalization", 4): Role.VARIANCE,
    ("Mul", 1): Role.SCALE,
    ("Add", 1): Role.SHIFT,
}
_VIEWS = {"Reshape", "Unsqueeze"}
_NORMS = {"BatchNormalization", "Mul", "Add"}
_INITIALIZERS_ARE_INPUTS_BELOW_IR = 4


@dataclass(frozen=True)
class Parameter:
    """One constant tensor of a model and what it is for."""

    name: str
    role: Role
    shape: tuple[int, ...]
    fan_in: int
    last: bool


class LightModel:
    """One light model, opened for drawing its weights."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.model = model
        self._producers = {out: node for node in model.graph.node for out in node.output}
        self._initializers = {tensor.name: tensor for tensor in model.graph.initializer}
        contractions = [n for n in model.graph.node if n.op_type in {"Conv", "Gemm"}]
        self._last = contractions[-1].output[0]

    def parameters(self) -> Iterator[Parameter]:
        """Yield every floating-point constant, in the order of its use."""
        for node in self.model.graph.node:
            for index, operand in enumerate(node.input):
                source = self._source(operand)
                shape = self._constant_shape(source)
                if shape is not None and (node.op_type, index) in _ROLES:
                    role = _ROLES[node.op_type, index]
                    last = node.output[0] == self._last
                    yield Parameter(source, role, shape, self._fan_in(node, shape), last)

    def replace(self, drawn: Mapping[str, Array]) -> None:
        """Put the drawn tensors in the place of the constants."""
        graph = self.model.graph
        kept = [n for n in graph.node if not set(n.output) & drawn.keys()]
        used = {operand for node in kept for operand in node.input}
        tensors = [t for t in graph.initializer if t.name in used and t.name not in drawn]
        dropped = {t.name for t in graph.initializer} - {t.name for t in tensors}
        inputs = [i for i in graph.input if i.name not in dropped]
        for name, values in drawn.items():
            tensors.append(numpy_helper.from_array(values, name))
            if self.model.ir_version < _INITIALIZERS_ARE_INPUTS_BELOW_IR:
                shape = list(values.shape)
                inputs.append(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape))
        for field, content in ((graph.node, kept), (graph.initializer, tensors)):
            del field[:]
            field.extend(content)
        del graph.input[:]
        graph.input.extend(inputs)

    def _source(self, name: str) -> str:
        """The tensor behind a chain of views."""
        node = self._producers.get(name)
        while node is not None and node.op_type in _VIEWS:
            name = node.input[0]
            node = self._producers.get(name)
        return name

    def _constant_shape(self, name: str) -> tuple[int, ...] | None:
        """The shape of a floating-point constant, None for anything else."""
        tensor = self._initializers.get(name)
        if tensor is not None:
            return tuple(tensor.dims) if tensor.data_type == onnx.TensorProto.FLOAT else None
        node = self._producers.get(name)
        if node is None or node.op_type != "ConstantOfShape":
            return None
        extents = numpy_helper.to_array(self._initializers[node.input[0]])
        return tuple(int(extent) for extent in extents)

    def _fan_in(self, node: onnx.NodeProto, shape: tuple[int, ...]) -> int:
        """Products per output element; a Gemm's weight is read through its bias's length."""
        if node.op_type in _NORMS:
            return 1
        if node.op_type == "Conv":
            return math.prod(shape[1:])
        bias = self._constant_shape(self._source(node.input[2])) or (1,)
        return math.prod(shape) // bias[-1]


def light(name: str, drawer: Drawer) -> onnx.ModelProto:
    """The light model of that name with every weight and statistic drawn."""
    folder = files("onnx.backend.test.data").joinpath("light")
    opened = LightModel(onnx.load(Path(str(folder)) / f"{name}.onnx"))
    drawn: dict[str, Array] = {}
    for p in opened.parameters():
        if p.name in drawn:
            raise ValueError(f"{name}: the constant {p.name} has two roles")
        if p.role is Role.WEIGHT:
            drawn[p.name] = drawer.weight(p.name, p.shape, p.fan_in, last=p.last)
        else:
            drawn[p.name] = drawer.draw(p.name, p.role, p.shape)
    opened.replace(drawn)
    onnx.checker.check_model(opened.model)
    return opened.model
