"""Checks that the names in a model are text: protobuf hands out malformed UTF-8 as bytes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from onnx import FunctionProto, GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto

from fusec.errors import InvalidModel

MAX_DEPTH = 32


def check_names(model: ModelProto) -> None:
    """InvalidModel for a name that is not valid UTF-8, and for graphs nested too deep."""
    names = _of_graph(model.graph, 0)
    for function in model.functions:
        _check(_of_function(function))
    _check(entry.domain for entry in model.opset_import)
    _check(names)


def _check(names: Iterable[object]) -> None:
    for name in names:
        if not isinstance(name, str):
            raise InvalidModel(f"a name is not valid UTF-8: {name!r}")


def _of_function(function: FunctionProto) -> Iterator[object]:
    yield from (function.name, function.domain, function.overload)
    yield from (*function.input, *function.output, *function.attribute)
    yield from (entry.domain for entry in function.opset_import)
    yield from _of_nodes(function.node, 0)


def _of_graph(graph: GraphProto, depth: int) -> Iterator[object]:
    if depth > MAX_DEPTH:
        raise InvalidModel(f"graphs nest deeper than {MAX_DEPTH}")
    for info in (*graph.input, *graph.output, *graph.value_info):
        yield from _of_info(info)
    for tensor in graph.initializer:
        yield from _of_tensor(tensor)
    for sparse in graph.sparse_initializer:
        yield from _of_tensor(sparse.values)
    yield from _of_nodes(graph.node, depth)


def _of_info(info: ValueInfoProto) -> Iterator[object]:
    yield info.name
    if info.type.HasField("tensor_type"):
        yield from (d.dim_param for d in info.type.tensor_type.shape.dim if d.dim_param)


def _of_tensor(tensor: TensorProto) -> Iterator[object]:
    yield tensor.name
    for entry in tensor.external_data:
        yield from (entry.key, entry.value)


def _of_nodes(nodes: Iterable[NodeProto], depth: int) -> Iterator[object]:
    for node in nodes:
        yield from (node.name, node.op_type, node.domain, node.overload)
        yield from node.input
        yield from node.output
        for attribute in node.attribute:
            yield from (attribute.name, attribute.ref_attr_name)
            if attribute.HasField("g"):
                yield from _of_graph(attribute.g, depth + 1)
            for graph in attribute.graphs:
                yield from _of_graph(graph, depth + 1)
            if attribute.HasField("t"):
                yield from _of_tensor(attribute.t)
