"""Builds small ONNX models whose parameters are all drawn from a seed. Knows nothing of fusec."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from benchmarks.draw import Drawer, Role

Array = NDArray[Any]
Dims = Sequence[int | str]

_IR_OF_OPSET = {7: 3, 8: 3, 9: 4, 10: 5, 11: 6, 12: 7, 13: 7, 16: 8, 18: 8, 20: 9, 21: 10}
_NORM = (Role.SCALE, Role.SHIFT, Role.MEAN, Role.VARIANCE)


class Net:
    """One model under construction. Values are names; the channels of 4-D values are known.

    Below IR version 4 initializers are listed as graph inputs too, as old exporters did.
    """

    def __init__(self, name: str, opset: int = 20, *, gain: float = 1.0, head: float = 1.0) -> None:
        self.name, self.opset, self.ir = name, opset, _IR_OF_OPSET[opset]
        self.drawer = Drawer(11, gain, head)
        self.channels: dict[str, int] = {}
        self.nodes: list[onnx.NodeProto] = []
        self.inputs: list[onnx.ValueInfoProto] = []
        self.tensors: list[onnx.TensorProto] = []

    def input(self, name: str, shape: Dims, dtype: int = TensorProto.FLOAT) -> str:
        self.inputs.append(helper.make_tensor_value_info(name, dtype, list(shape)))
        if len(shape) > 1 and isinstance(shape[1], int):
            self.channels[name] = shape[1]
        return name

    def nodes_out(self, op: str, operands: Sequence[str], count: int, **attrs: Any) -> list[str]:
        """Append a node with `count` results."""
        stem = f"{op}_{len(self.nodes)}"
        results = [stem if count == 1 else f"{stem}_{i}" for i in range(count)]
        node = helper.make_node(op, list(operands), results, f"/{stem}")
        node.attribute.extend(helper.make_attribute(k, v) for k, v in sorted(attrs.items()))
        self.nodes.append(node)
        known = [self.channels[o] for o in operands if o in self.channels]
        for result in results:
            if known:
                self.channels[result] = sum(known) if op == "Concat" else known[0] // count
        return results

    def node(self, op: str, *operands: str, **attrs: Any) -> str:
        return self.nodes_out(op, operands, 1, **attrs)[0]

    def tensor(self, values: Any, dtype: Any = np.float32, name: str = "") -> str:
        """An initializer."""
        name = name or f"constant_{len(self.tensors)}"
        self.tensors.append(numpy_helper.from_array(np.asarray(values, dtype), name))
        return name

    def ints(self, *values: int) -> str:
        return self.tensor(values, np.int64)

    def drawn(self, role: Role, *shape: int) -> str:
        name = f"{role}_{len(self.tensors)}"
        return self.tensor(self.drawer.draw(name, role, shape), name=name)

    def weight(self, shape: Sequence[int], fan_in: int, *, last: bool = False) -> str:
        name = f"weight_{len(self.tensors)}"
        return self.tensor(self.drawer.weight(name, shape, fan_in, last=last), name=name)

    def conv(
        self,
        x: str,
        channels: int,
        kernel: int | Sequence[int] = 1,
        *,
        groups: int = 1,
        bias: bool = True,
        **attrs: Any,
    ) -> str:
        """A convolution with "same" padding unless `pads` or `auto_pad` says otherwise."""
        sizes = [kernel, kernel] if isinstance(kernel, int) else list(kernel)
        shape = [channels, self.channels[x] // groups, *sizes]
        operands = [x, self.weight(shape, int(np.prod(shape[1:])))]
        if bias:
            operands.append(self.drawn(Role.SHIFT, channels))
        if "auto_pad" not in attrs:
            dilations = attrs.get("dilations", [1] * len(sizes))
            half = [(k - 1) * d // 2 for k, d in zip(sizes, dilations)]
            attrs.setdefault("pads", half * 2)
        if groups != 1:
            attrs["group"] = groups
        y = self.node("Conv", *operands, **attrs)
        self.channels[y] = channels
        return y

    def norm(self, x: str, **attrs: Any) -> str:
        vectors = [self.drawn(role, self.channels[x]) for role in _NORM]
        return self.node("BatchNormalization", x, *vectors, **attrs)

    def conv_norm(self, x: str, channels: int, kernel: int = 1, act: str = "", **attrs: Any) -> str:
        """conv without bias, batch norm, activation."""
        y = self.norm(self.conv(x, channels, kernel, bias=False, **attrs))
        return self.node(act, y) if act else y

    def linear(self, x: str, inputs: int, outputs: int, *, last: bool = False) -> str:
        """Gemm with the weight transposed, as exporters write it."""
        weight = self.weight([outputs, inputs], inputs, last=last)
        return self.node("Gemm", x, weight, self.drawn(Role.SHIFT, outputs), transB=1)

    def build(self, *outputs: str) -> onnx.ModelProto:
        """The checked model; output types come from ONNX's shape inference."""
        inputs = list(self.inputs)
        if self.ir < 4:
            inputs += [
                helper.make_tensor_value_info(t.name, t.data_type, t.dims) for t in self.tensors
            ]
        unknown = [onnx.ValueInfoProto(name=name) for name in outputs]
        graph = helper.make_graph(self.nodes, self.name, inputs, unknown, self.tensors)
        opsets = [helper.make_opsetid("", self.opset)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=self.ir)
        inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
        del model.graph.output[:]
        model.graph.output.extend(inferred.graph.output)
        onnx.checker.check_model(model, full_check=True)
        return model
