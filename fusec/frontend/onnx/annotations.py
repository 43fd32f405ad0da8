"""The types a file annotates its values with, compared with the inferred ones."""

from __future__ import annotations

from onnx import GraphProto, TypeProto

from fusec.errors import InvalidModel
from fusec.frontend.onnx.tensors import DTYPES
from fusec.ir.types import Tensor


class Annotations:
    """``value_info``, inputs and outputs of the main graph.

    ``exact``: sizes have to agree. They do not when sizes of inputs were given from outside.
    """

    def __init__(self, graph: GraphProto, *, exact: bool) -> None:
        self._exact = exact
        self._types: dict[str, TypeProto.Tensor] = {}
        for info in (*graph.input, *graph.value_info, *graph.output):
            if info.type.HasField("tensor_type"):
                self._types[info.name] = info.type.tensor_type

    def check(self, name: str, type: Tensor) -> None:
        """InvalidModel if the annotation of a value contradicts its inferred type."""
        noted = self._types.get(name)
        if noted is None:
            return
        dtype = DTYPES.get(noted.elem_type)
        if dtype is not None and dtype != type.dtype:
            raise _mismatch(name, noted, type)
        if not noted.HasField("shape"):
            return
        dims = noted.shape.dim
        if len(dims) != len(type.shape):
            raise _mismatch(name, noted, type)
        if not self._exact:
            return
        for dim, size in zip(dims, type.shape, strict=True):
            if isinstance(size, int) and dim.HasField("dim_value") and 0 <= dim.dim_value != size:
                raise _mismatch(name, noted, type)


def _mismatch(name: str, noted: TypeProto.Tensor, type: Tensor) -> InvalidModel:
    dtype = DTYPES.get(noted.elem_type)
    sizes = (
        str(d.dim_value) if d.HasField("dim_value") else d.dim_param or "?" for d in noted.shape.dim
    )
    return InvalidModel(
        f"value {name!r} is annotated as {dtype}[{', '.join(sizes)}] but is {type}",
        hint="remove the annotation (value_info), or run onnx.shape_inference again",
    )
