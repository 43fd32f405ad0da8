"""The types a file annotates its values with, compared with the inferred ones.

A wrong element type makes a model invalid. Wrong sizes do not: neither the checker nor ONNX Runtime
refuses them, and ``onnx.shape_inference`` itself writes some (ceil mode before version 22).
"""

from __future__ import annotations

from onnx import GraphProto, TypeProto

from fusec.errors import InvalidModel
from fusec.frontend.onnx.tensors import DTYPES
from fusec.ir.types import Tensor


class Annotations:
    """``value_info``, inputs and outputs of the main graph.

    ``exact``: sizes are compared. They are not when sizes of inputs were given from outside.
    ``disagreements``: one message for each value whose annotated shape is not the inferred one.
    """

    def __init__(self, graph: GraphProto, *, exact: bool) -> None:
        self.disagreements: list[str] = []
        self._exact = exact
        self._types: dict[str, TypeProto.Tensor] = {}
        for info in (*graph.input, *graph.value_info, *graph.output):
            if info.type.HasField("tensor_type"):
                self._types[info.name] = info.type.tensor_type

    def check(self, name: str, type: Tensor) -> None:
        """Compare one value; InvalidModel if its annotated element type is wrong."""
        noted = self._types.get(name)
        if noted is None:
            return
        dtype = DTYPES.get(noted.elem_type)
        if dtype is not None and dtype != type.dtype:
            raise InvalidModel(
                _message(name, noted, type),
                hint="correct the annotation, or remove it from value_info",
            )
        if noted.HasField("shape") and not self._agrees(noted, type):
            self.disagreements.append(_message(name, noted, type))

    def _agrees(self, noted: TypeProto.Tensor, type: Tensor) -> bool:
        dims = noted.shape.dim
        if len(dims) != len(type.shape):
            return False
        if not self._exact:
            return True
        return not any(
            isinstance(size, int) and dim.HasField("dim_value") and 0 <= dim.dim_value != size
            for dim, size in zip(dims, type.shape, strict=True)
        )


def _message(name: str, noted: TypeProto.Tensor, type: Tensor) -> str:
    dtype = DTYPES.get(noted.elem_type)
    sizes = (
        str(d.dim_value) if d.HasField("dim_value") else d.dim_param or "?" for d in noted.shape.dim
    )
    return f"value {name!r} is annotated as {dtype}[{', '.join(sizes)}] but is {type}"
