"""Readable text of a graph; `fusec.ir.parse` reads it back. Deterministic: no ids, times, paths.

    graph main(%x: f32[batch, 3, 224, 224]) {
      symbol batch in 1..64
      root r0 arena 3211264
      %w = constant @conv1.weight : f32[64, 3, 7, 7]
      %zero = constant 0.0 : f32[]
      %y = conv(%x, %w) {dilations=[1, 1], ...} : f32[batch, 64, 112, 112] @r0+0[...] from "/conv1"
      %z = fused(%y, ...) : f32[batch, 64] {
        graph body(%y: ...) {
          return %r
        }
      }
      return %z as "output"
    }

Names of other characters than letters, digits and ``_ . $ / -`` are quoted as JSON strings.
Attributes equal to their default are left out. A constant prints its data where it has rank 0 or
is short and has no name, else the name of its weight.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache, lru_cache
from typing import Any

from fusec.ir.constant import Constant
from fusec.ir.graph import Graph, Node, Value
from fusec.ir.literals import array_text, scalar_text
from fusec.ir.op import REQUIRED, Kind, Op
from fusec.ir.storage import Storage
from fusec.ir.sym import Dim, Symbol
from fusec.ir.types import Tensor

BARE = r"[\w.$/-]+"
_is_bare = re.compile(BARE, re.ASCII).fullmatch
_INLINE = 16  # elements of an unnamed constant that print in place
_INDENT = "  "


def print_graph(graph: Graph) -> str:
    """The text of a graph, ending in a newline."""
    return "\n".join(_graph_lines(graph, "", _weight_names(graph))) + "\n"


def print_node(node: Node) -> str:
    """One line of a graph's text, without nested graphs."""
    return _node_line(node, {})


def _graph_lines(graph: Graph, indent: str, weights: Mapping[Node, str]) -> Iterator[str]:
    inner = indent + _INDENT
    inputs = ", ".join(f"%{name(v.name)}: {_typed(v)}" for v in graph.inputs)
    yield f"{indent}graph {name(graph.name)}({inputs}) {{"
    for symbol in graph.symbols.values():
        yield f"{inner}{symbol_text(symbol)}"
    for root in graph.roots.values():
        yield f"{inner}root {name(root.name)} {root.kind} {root.nbytes}"
    for node in graph.nodes:
        yield from _node_lines(node, inner, weights)
    yield f"{inner}return {_outputs(graph)}".rstrip()
    yield f"{indent}}}"


def _node_lines(node: Node, indent: str, weights: Mapping[Node, str]) -> Iterator[str]:
    if not node.graphs:
        yield indent + _node_line(node, weights)
        return
    yield f"{indent}{_node_line(node, weights)} {{"
    for graph in node.graphs:
        yield from _graph_lines(graph, indent + _INDENT, weights)
    yield f"{indent}}}"


def _outputs(graph: Graph) -> str:
    texts = []
    for index, value in enumerate(graph.outputs):
        text = f"%{name(value.name)}"
        if index < len(graph.output_names) and graph.output_names[index] != value.name:
            text += f" as {quoted(graph.output_names[index])}"
        texts.append(text)
    return ", ".join(texts)


def _node_line(node: Node, weights: Mapping[Node, str]) -> str:
    results = ", ".join([f"%{name(r.name)}" for r in node.results])
    types = ", ".join(map(_typed, node.results))
    call = _constant_call(node, weights) if node.is_constant else _call(node)
    parts = [f"{results} = {call} : {types}" if results else call]
    if node.origins:
        parts.append(f" from {', '.join(map(quoted, node.origins))}")
    if node.region is not None:
        parts.append(f" region {quoted(node.region)}")
    return "".join(parts)


def _call(node: Node) -> str:
    operands = ", ".join([f"%{name(v.name)}" for v in node.operands])
    attributes = _attributes(node)
    return f"{node.op.name}({operands}){' ' if attributes else ''}{attributes}"


def _attributes(node: Node) -> str:
    shown = []
    for key, default in _default_texts(node.op):
        text = attribute_text(node.attrs[key], node.op.kinds[key])
        if text != default:
            shown.append(f"{key}={text}")
    return f"{{{', '.join(shown)}}}" if shown else ""


@cache
def _default_texts(op: Op) -> tuple[tuple[str, str | None], ...]:
    return tuple(
        (a.name, None if a.default is REQUIRED else attribute_text(a.default, a.kind))
        for a in op.attributes
    )


def _typed(value: Value) -> str:
    storage = value.graph.storages.get(value)
    text = type_text(value.type)
    return text if storage is None else f"{text} {storage_text(storage)}"


@lru_cache(maxsize=1 << 14)
def type_text(type: Tensor) -> str:
    """``f32[batch, 3]``."""
    return str(type)


def storage_text(storage: Storage) -> str:
    """``@root+offset[strides]``."""
    return f"@{name(storage.root)}+{storage.offset}{dims_text(storage.strides)}"


def symbol_text(symbol: Symbol) -> str:
    """``symbol batch in 1..64 multiple of 8 below n``."""
    text = f"symbol {symbol.name} in {symbol.lo}..{'' if symbol.hi is None else symbol.hi}"
    if symbol.divisor != 1:
        text += f" multiple of {symbol.divisor}"
    return text if symbol.below is None else f"{text} below {symbol.below}"


@lru_cache(maxsize=1 << 14)
def name(text: str) -> str:
    """A name as it stands, or quoted."""
    return text if _is_bare(text) else quoted(text)


def quoted(text: str) -> str:
    """A JSON string."""
    return json.dumps(text, ensure_ascii=False)


def dims_text(dims: Iterable[Dim]) -> str:
    """``[batch, 3*n + 1]``."""
    return f"[{', '.join(map(str, dims))}]"


# -- attributes ----------------------------------------------------------------------------------


def attribute_text(value: Any, kind: Kind) -> str:
    """The spelling of an attribute."""
    if value is None:
        return "none"
    if kind in (Kind.INTS, Kind.DIMS):
        return dims_text(value)
    if kind is Kind.PAIRS:
        return f"[{', '.join(map(dims_text, value))}]"
    if kind is Kind.STR:
        return quoted(value)
    if kind is Kind.STRS:
        return f"[{', '.join(map(quoted, value))}]"
    if kind is Kind.MAP:
        return f"{{{', '.join(f'{name(k)}={argument_text(v)}' for k, v in value)}}}"
    if kind in (Kind.SCALAR, Kind.FLOAT, Kind.BOOL):
        return scalar_text(value)
    return str(value)


def argument_text(value: Any) -> str:
    """An argument of an extern call: scalar, string, or a list of these."""
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, tuple):
        return f"[{', '.join(map(argument_text, value))}]"
    return scalar_text(value)


# -- constants -----------------------------------------------------------------------------------


def _constant_call(node: Node, weights: Mapping[Node, str]) -> str:
    data: Constant = node.attrs["data"]
    if is_inline(data):
        return f"constant {array_text(data)}"
    return f"constant @{name(weights.get(node) or _own_name(node))}"


def is_inline(data: Constant) -> bool:
    """Whether the data of a constant stands in the text."""
    return data.is_literal or (data.name is None and data.array.size <= _INLINE)


def collect_weights(graph: Graph) -> dict[str, Constant]:
    """The constants that the text names, by the name it gives them; nested graphs included."""
    names = _weight_names(graph)
    return {name: node.attrs["data"] for node, name in names.items()}


def _weight_names(graph: Graph) -> dict[Node, str]:
    """A name for the data of each constant that is not inline; equal names mean equal data."""
    names: dict[Node, str] = {}
    taken: dict[str, Constant] = {}
    for node in _constants(graph):
        data: Constant = node.attrs["data"]
        names[node] = _free_name(_own_name(node), data, taken)
        taken[names[node]] = data
    return names


def _constants(graph: Graph) -> Iterator[Node]:
    for node in graph.nodes:
        if node.is_constant and not is_inline(node.attrs["data"]):
            yield node
        for nested in node.graphs:
            yield from _constants(nested)


def _own_name(node: Node) -> str:
    data: Constant = node.attrs["data"]
    return data.name if data.name is not None else node.result.name


def _free_name(wanted: str, data: Constant, taken: Mapping[str, Constant]) -> str:
    name, number = wanted, 0
    while name in taken and taken[name] != data:
        number += 1
        name = f"{wanted}.{number}"
    return name
