"""Operators defined by other operators: functions of the model, and function bodies of schemas."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import (
    AttributeProto,
    FunctionProto,
    ModelProto,
    NodeProto,
    SparseTensorProto,
    TensorProto,
    TypeProto,
)

from fusec.errors import InvalidModel
from fusec.frontend.onnx.contents import Array
from fusec.frontend.onnx.reader import opset_versions
from fusec.frontend.onnx.scope import Imported, Scope
from fusec.frontend.onnx.signature import schema_defaults, schema_of
from fusec.frontend.onnx.tensors import DTYPES
from fusec.ir.types import Tensor

if TYPE_CHECKING:
    from fusec.frontend.onnx.call import Call
    from fusec.frontend.onnx.importer import Importer

_CODES = {dtype: code for code, dtype in DTYPES.items()}


class Functions:
    """Finds and inlines function bodies."""

    def __init__(self, model: ModelProto) -> None:
        self._local = {(f.domain, f.name, f.overload): f for f in model.functions}

    def has(self, domain: str, node: NodeProto) -> bool:
        """Whether the model itself defines the operator."""
        return (domain, node.op_type, node.overload) in self._local

    def can_expand(self, domain: str, node: NodeProto, version: int) -> bool:
        """Whether a body may be had; a schema's body can still turn out not to fit the types."""
        if self.has(domain, node):
            return True
        schema = schema_of(domain, node.op_type, version)
        return schema is not None and (schema.has_function or schema.has_context_dependent_function)

    def expand(self, importer: Importer, call: Call, domain: str) -> None:
        """Import the body in place of the call."""
        node = call.node
        local = self._local.get((domain, node.op_type, node.overload))
        body = local or self._schema_body(call, domain)
        if len(node.input) > len(body.input) or len(node.output) > len(body.output):
            call.invalid("has more inputs or outputs than its function")
        scope = self._scope(call, domain, body, is_local=local is not None)
        inputs = [call.input(i) if call.has(i) else None for i in range(len(call))]
        for formal, actual in zip(body.input, inputs, strict=False):
            if actual is not None:
                scope.values[formal] = actual
        nodes = without_omitted(body, {f for f in body.input if f not in scope.values})
        wanted = [f for f, o in zip(body.output, node.output, strict=False) if o]
        importer.import_nodes(nodes, wanted, scope)
        for formal, output in zip(body.output, node.output, strict=False):
            if output:
                call.scope.values[output] = self._result(call, scope, formal, output)

    def _result(self, call: Call, scope: Scope, formal: str, output: str) -> Imported:
        found = scope.lookup(formal)
        if found is None:
            call.invalid(f"its function does not define output {formal!r}")
        if found.value is not None and not found.poison and call.scope.is_main:
            call.frame.name_value(found.value, output)
        return found

    def _scope(self, call: Call, domain: str, body: FunctionProto, *, is_local: bool) -> Scope:
        outer = call.scope
        bindings: dict[str, AttributeProto | None] = dict.fromkeys(body.attribute)
        bindings.update({a.name: a for a in body.attribute_proto})
        if not is_local:
            bindings.update(schema_defaults(domain, call.node.op_type, call.version))
        bindings.update(call.attributes)
        opsets = {**outer.opsets, **opset_versions(body.opset_import)}
        region = outer.region or f"{call.node.op_type}:{call.name}"
        # A function of the model is source text like any other: its nodes keep their names.
        origin = outer.origin or (None if is_local else call.name)
        return Scope(
            call.frame,
            opsets,
            prefix=f"{call.name}/",
            bindings=bindings,
            region=outer.region if is_local else region,
            origin=origin,
            depth=outer.depth + 1,
        )

    def _schema_body(self, call: Call, domain: str) -> FunctionProto:
        schema = schema_of(domain, call.node.op_type, call.version)
        assert schema is not None
        if schema.has_function:
            data = schema.get_function_with_opset_version(call.version)
        else:
            data = self._body_for_types(schema, call)
        if not data:
            call.refuse(f"operator not supported at version {call.version}")
        body: FunctionProto = FunctionProto.FromString(data)
        return body

    def _body_for_types(self, schema: Any, call: Call) -> bytes:
        types = [
            self.type_proto(call.type(i)).SerializeToString() if call.has(i) else b""
            for i in range(len(call))
        ]
        node = NodeProto()
        node.CopyFrom(call.node)
        del node.attribute[:]
        node.attribute.extend(_renamed(a, n) for n, a in call.attributes.items())
        build = schema.get_context_dependent_function_with_opset_version
        try:
            data: bytes = build(call.version, node.SerializeToString(), types)
        except (ValueError, RuntimeError) as error:
            call.refuse(f"its function cannot be built for these types: {error}")
        return data

    def type_proto(self, type: Tensor) -> TypeProto:
        """The ONNX form of a type."""
        proto = TypeProto()
        proto.tensor_type.elem_type = _CODES[type.dtype]
        proto.tensor_type.shape.SetInParent()
        for size in type.shape:
            dim = proto.tensor_type.shape.dim.add()
            if isinstance(size, int):
                dim.dim_value = size
        return proto

    def dense(self, sparse: SparseTensorProto, read: Callable[[TensorProto, str], Array]) -> Array:
        """The dense form of a sparse tensor; InvalidModel if indices do not fit."""
        what = f"sparse initializer {sparse.values.name!r}"
        values = read(sparse.values, what)
        indices = read(sparse.indices, what).astype(np.int64)
        shape = tuple(sparse.dims)
        if any(d < 0 for d in shape) or values.ndim != 1:
            raise InvalidModel(f"{what} is malformed")
        result = np.zeros(shape, dtype=values.dtype)
        try:
            if indices.ndim == 1:
                result.reshape(-1)[indices] = values
            else:
                result[tuple(indices.T)] = values
        except (IndexError, ValueError) as error:
            raise InvalidModel(f"{what} does not fit shape {list(shape)}: {error}") from None
        return result


def _renamed(proto: AttributeProto, name: str) -> AttributeProto:
    copy = AttributeProto()
    copy.CopyFrom(proto)
    copy.name = name
    copy.ClearField("ref_attr_name")
    return copy


def without_omitted(body: FunctionProto, omitted: set[str]) -> list[NodeProto]:
    """The nodes of a body, with inputs that the call omits written as omitted."""
    nodes = []
    for node in body.node:
        if omitted.intersection(node.input):
            copy = NodeProto()
            copy.CopyFrom(node)
            copy.input[:] = [i if i not in omitted else "" for i in node.input]
            node = copy
        nodes.append(node)
    return nodes
