"""`GraphBuilder`: create nodes at one place, with shared origins, region and name hints."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from fusec.ir.constant import Constant
from fusec.ir.graph import Graph, Node, Value
from fusec.ir.types import DType


class GraphBuilder:
    """Creates nodes before ``before`` (at the end for None).

    >>> from fusec.ir import Graph, GraphBuilder, Tensor, f32
    >>> graph = Graph()
    >>> x = graph.add_input("x", Tensor(f32, (2, 3)))
    >>> b = GraphBuilder(graph)
    >>> str(b.op("maximum", x, b.literal(0.0, f32)).type)
    'f32[2, 3]'
    """

    def __init__(self, graph: Graph, before: Node | None = None) -> None:
        self.graph = graph
        self.before = before
        self.origins: tuple[str, ...] = ()
        self.region: str | None = None
        self._hints: tuple[str, ...] = ()

    def op(self, name: str, *operands: Value, graphs: Sequence[Graph] = (), **attrs: Any) -> Value:
        """The only result of a new node; ValueError if it has several."""
        results = self.ops(name, *operands, graphs=graphs, **attrs)
        if len(results) != 1:
            raise ValueError(f"{name} has {len(results)} results; use ops")
        return results[0]

    def ops(
        self, name: str, *operands: Value, graphs: Sequence[Graph] = (), **attrs: Any
    ) -> tuple[Value, ...]:
        """The results of a new node."""
        node = self.graph.create(
            name,
            operands,
            attrs,
            graphs=graphs,
            names=self._hints,
            origins=self.origins,
            region=self.region,
            before=self.before,
        )
        self._hints = ()
        return node.results

    def literal(self, value: bool | int | float | complex, dtype: DType) -> Value:
        """A rank-0 constant."""
        return self._constant(Constant.scalar(value, dtype))

    def constant(self, array: np.ndarray[Any, Any], name: str | None = None) -> Value:
        """A constant with this data; ``name`` is the weight's name."""
        return self._constant(Constant(array, name))

    def _constant(self, data: Constant) -> Value:
        hint = self._hints[0] if self._hints else None
        self._hints = ()
        return self.graph.constant(data, name=hint, origins=self.origins, before=self.before)

    def hint(self, *names: str) -> GraphBuilder:
        """Names for the results of the next node: ``b.hint("y").op("add", x, x)``."""
        self._hints = names
        return self

    @contextmanager
    def at(
        self, origins: Iterable[str] | None = None, region: str | None = None
    ) -> Iterator[GraphBuilder]:
        """Stamp the nodes made inside with origins and region; None keeps what holds outside."""
        outer = self.origins, self.region
        if origins is not None:
            self.origins = tuple(origins)
        if region is not None:
            self.region = region
        try:
            yield self
        finally:
            self.origins, self.region = outer
