"""What names of a source graph mean while it is imported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from onnx import AttributeProto

from fusec.frontend.onnx.contents import Array, Quotient, is_static
from fusec.ir import Constant, Graph, GraphBuilder, Value
from fusec.ir.sym import Dim, Expr
from fusec.ir.types import DType, Tensor, f64, i64


class Imported:
    """A value of the source model: its type, its contents where known, its IR value once needed.

    ``poison``: the node that makes it could not be imported, so nothing is known.
    """

    __slots__ = ("contents", "frame", "name", "poison", "type", "value", "weight")

    def __init__(
        self,
        name: str,
        type: Tensor,
        *,
        value: Value | None = None,
        contents: Array | None = None,
        weight: bool = False,
        frame: Frame | None = None,
    ) -> None:
        self.name = name
        self.type = type
        self.value = value
        self.contents = contents
        self.weight = weight  # from the file: keeps its name and its data as they are
        self.frame = frame
        self.poison = False

    @classmethod
    def poisoned(cls, name: str) -> Imported:
        """The result of a node that was refused."""
        value = cls(name, Tensor(i64, ()))
        value.poison = True
        return value


class Frame:
    """A graph under construction, with the nodes made on demand: constants, dims, captures."""

    def __init__(self, graph: Graph, outer: Frame | None = None) -> None:
        self.graph = graph
        self.outer = outer
        self.builder = GraphBuilder(graph)
        self.captures: dict[Value, Value] = {}  # of the outer frame -> input of this graph
        self._literals: dict[tuple[str, bytes], Value] = {}
        self._dims: dict[Expr, Value] = {}
        self._named: set[Value] = set()
        self._hinted: set[Value] = set()

    def literal(self, number: Any, dtype: DType) -> Value:
        """A rank-0 constant; made once for each number and dtype."""
        array = np.asarray(number).astype(dtype.numpy)
        key = dtype.name, array.tobytes()
        known = self._literals.get(key)
        if known is None:
            known = self._literals[key] = self.graph.constant(Constant(array))
        return known

    def dim(self, value: Dim) -> Value:
        """The value of a dim as an i64 scalar."""
        if isinstance(value, int):
            return self.literal(value, i64)
        known = self._dims.get(value)
        if known is None:
            known = self._dims[value] = self.graph.create("dim", (), {"value": value}).result
        return known

    def name_value(self, value: Value, name: str) -> None:
        """Give a value its name in the main graph, which is reserved, unless it has one already."""
        if self._is_nameable(value):
            self._named.add(value)
            value.name = name

    def hint_value(self, value: Value, name: str) -> None:
        """Give a value of an inlined body a name; the main graph's name still goes before it."""
        if self._is_nameable(value) and value not in self._hinted:
            self._hinted.add(value)
            value.name = self.graph.fresh_name(name)

    def _is_nameable(self, value: Value) -> bool:
        constant = value.constant
        is_literal = constant is not None and constant.is_literal
        return value.node is not None and value not in self._named and not is_literal

    def value_of(self, source: Imported) -> Value:
        """The IR value of a source value, made where it is first needed."""
        if source.value is None:
            assert source.contents is not None
            source.value = self._build(source)
            source.frame = self
        if source.frame is None or source.frame is self:
            return source.value
        return self._capture(source)

    def _capture(self, source: Imported) -> Value:
        if source.contents is not None and source.contents.size <= 1:
            return self._build(source)
        assert self.outer is not None
        value = self.outer.value_of(source)
        known = self.captures.get(value)
        if known is None:
            known = self.captures[value] = self.graph.add_input(value.name, value.type)
        return known

    def _build(self, source: Imported) -> Value:
        contents, dtype = source.contents, source.type.dtype
        assert contents is not None
        if not is_static(contents):
            return self._symbolic(contents, dtype)
        if contents.ndim == 0:
            return self.literal(contents, dtype)
        if not source.weight and contents.size > 1 and _is_uniform(contents):
            fill = self.literal(contents.reshape(-1)[0], dtype)
            return self.builder.op("broadcast", fill, shape=contents.shape)
        value = self.graph.constant(Constant(contents, source.name), name=source.name)
        if source.weight:
            self.name_value(value, source.name)
        return value

    def _symbolic(self, contents: Array, dtype: DType) -> Value:
        b = self.builder
        parts = [self._element(e, dtype) for e in contents.reshape(-1)]
        if contents.ndim == 0:
            return parts[0]
        flat = [b.op("reshape", p, shape=(1,)) for p in parts]
        whole = b.op("concat", *flat, axis=0) if len(flat) > 1 else flat[0]
        return whole if contents.ndim == 1 else b.op("reshape", whole, shape=contents.shape)

    def _element(self, element: Any, dtype: DType) -> Value:
        b = self.builder
        if isinstance(element, Quotient):
            top = b.op("cast", self.dim(element.numerator), dtype=f64)
            ratio = b.op("div", top, self.literal(element.denominator, f64))
            return ratio if dtype == f64 else b.op("cast", ratio, dtype=dtype)
        if not isinstance(element, Expr):
            return self.literal(element, dtype)
        value = self.dim(element)
        return value if dtype == i64 else b.op("cast", value, dtype=dtype)


def _is_uniform(contents: Array) -> bool:
    flat = contents.reshape(-1)
    return bool((flat == flat[0]).all())


@dataclass
class Scope:
    """The names visible to the nodes of one source graph or function body.

    ``outer``: the enclosing graph's names. ``bindings``: attributes of the function call.
    ``prefix``: stands before node names, so that names of inlined bodies are unique.
    ``region`` and ``origin``: set where the nodes stand for one node of the source model.
    """

    frame: Frame
    opsets: Mapping[str, int]
    outer: Scope | None = None
    prefix: str = ""
    bindings: Mapping[str, AttributeProto | None] | None = None
    region: str | None = None
    origin: str | None = None
    depth: int = 0
    is_main: bool = False
    values: dict[str, Imported] = field(default_factory=dict)

    def lookup(self, name: str) -> Imported | None:
        """The value of that name here or further out; None if there is none."""
        scope: Scope | None = self
        while scope is not None:
            found = scope.values.get(name)
            if found is not None:
                return found
            scope = scope.outer
        return None
