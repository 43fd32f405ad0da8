"""The SSA graph: `Graph`, `Node`, `Value`. Values compare by identity.

Use lists are kept by graph methods only; nodes stand in one deterministic order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from fusec.ir.constant import Constant
from fusec.ir.op import REQUIRED, Op, get_op
from fusec.ir.storage import MemoryPlan, Root, Storage
from fusec.ir.sym import Dim, Symbol
from fusec.ir.types import Tensor


@dataclass(frozen=True, eq=False, slots=True)
class Use:
    """One use of a value: operand ``index`` of ``user``; ``user`` is None for a graph output."""

    user: Node | None
    index: int


class Value:
    """An SSA value: a graph input (``node`` is None) or result ``index`` of ``node``."""

    __slots__ = ("_uses", "graph", "index", "name", "node", "type")

    def __init__(
        self, graph: Graph, name: str, type: Tensor, node: Node | None, index: int
    ) -> None:
        self.graph = graph
        self.name = name
        self.type = type
        self.node = node
        self.index = index
        self._uses: dict[tuple[int, int], Use] = {}

    @property
    def uses(self) -> tuple[Use, ...]:
        """Every use, in order of insertion; graph outputs included."""
        return tuple(self._uses.values())

    @property
    def users(self) -> tuple[Node, ...]:
        """The distinct nodes that read it, in order of their first use."""
        return tuple(dict.fromkeys(u.user for u in self._uses.values() if u.user is not None))

    @property
    def is_output(self) -> bool:
        """Whether it is an output of its graph."""
        return any(u.user is None for u in self._uses.values())

    @property
    def use_count(self) -> int:
        return len(self._uses)

    @property
    def has_one_use(self) -> bool:
        return len(self._uses) == 1

    @property
    def constant(self) -> Constant | None:
        """Its data when it is the result of a ``constant`` node."""
        if self.node is not None and self.node.op.name == "constant":
            data: Constant = self.node.attrs["data"]
            return data
        return None

    def __repr__(self) -> str:
        return f"%{self.name}: {self.type}"


class Node:
    """One operation. ``origins``: names of the source nodes it came from, sorted, without repeats.

    ``region``: the label of the rich source op whose decomposition made it; used by remarks only.
    """

    __slots__ = (
        "_next",
        "_prev",
        "attrs",
        "graph",
        "graphs",
        "op",
        "operands",
        "origins",
        "region",
        "results",
    )

    def __init__(self, op: Op, attrs: Mapping[str, Any], graphs: Sequence[Graph]) -> None:
        self.op = op
        self.attrs: Mapping[str, Any] = MappingProxyType(dict(attrs))
        self.graphs = tuple(graphs)
        self.operands: tuple[Value, ...] = ()
        self.results: tuple[Value, ...] = ()
        self.origins: tuple[str, ...] = ()
        self.region: str | None = None
        self.graph: Graph | None = None
        self._prev: Node | None = None
        self._next: Node | None = None

    @property
    def result(self) -> Value:
        """The only result; ValueError if there are several."""
        (value,) = self.results
        return value

    @property
    def flops(self) -> Dim:
        """Operations of one run, nested graphs included (of a loop: of one iteration)."""
        types, results = [v.type for v in self.operands], [v.type for v in self.results]
        total = self.op.flops(types, results, self.attrs)
        for graph in self.graphs:
            for node in graph.nodes:
                total = total + node.flops
        return total

    @property
    def next(self) -> Node | None:
        return self._next

    @property
    def previous(self) -> Node | None:
        return self._prev

    @property
    def is_constant(self) -> bool:
        return self.op.name == "constant"

    def __repr__(self) -> str:
        results = ", ".join(f"%{r.name}" for r in self.results)
        return f"{results} = {self.op.name}({', '.join('%' + o.name for o in self.operands)})"


def normalize_attrs(op: Op, attrs: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes in schema order, defaults filled in; ValueError for an unknown or missing one."""
    full = {**op.defaults, **attrs}
    if len(full) != len(op.defaults):
        unknown = sorted(set(attrs) - set(op.defaults))
        raise ValueError(f"{op.name} has no attribute {unknown[0]}")
    for name, value in full.items():
        if value is REQUIRED:
            raise ValueError(f"{op.name} needs attribute {name}")
        if isinstance(value, list | tuple | dict):
            full[name] = _frozen(value)
    return full


def _frozen(value: list[Any] | tuple[Any, ...] | dict[str, Any]) -> tuple[Any, ...]:
    """Lists as tuples, inner ones too; a map as its sorted items."""
    items = sorted(value.items()) if isinstance(value, dict) else value
    return tuple([_frozen(v) if isinstance(v, list | tuple) else v for v in items])


class Graph:
    """Nodes in execution order between inputs and outputs, with declared symbols and storages."""

    def __init__(self, name: str = "main") -> None:
        self.name = name
        self.inputs: list[Value] = []
        self.outputs: tuple[Value, ...] = ()
        self.output_names: list[str] = []  # parallel to outputs; the names of the source model
        self.symbols: dict[str, Symbol] = {}
        self.storages: dict[Value, Storage] = {}
        self.roots: dict[str, Root] = {}
        self.memory: MemoryPlan | None = None
        self._first: Node | None = None
        self._last: Node | None = None
        self._names: dict[str, int] = {}
        self._count = 0

    # -- reading ---------------------------------------------------------------------------------

    @property
    def nodes(self) -> Iterator[Node]:
        """The nodes in order. The node just yielded may be erased, and nodes inserted around it."""
        node = self._first
        while node is not None:
            following = node._next
            yield node
            node = following if node.graph is None else node._next

    @property
    def reversed_nodes(self) -> Iterator[Node]:
        node = self._last
        while node is not None:
            previous = node._prev
            yield node
            node = previous if node.graph is None else node._prev

    def __len__(self) -> int:
        """Number of nodes, nested graphs not counted."""
        return self._count

    @property
    def values(self) -> Iterator[Value]:
        """Inputs, then every result in order."""
        yield from self.inputs
        for node in self.nodes:
            yield from node.results

    # -- building --------------------------------------------------------------------------------

    def fresh_name(self, hint: str) -> str:
        """A name not yet used by a value of this graph: the hint, or the hint with a number."""
        if hint not in self._names:
            self._names[hint] = 0
            return hint
        while True:
            self._names[hint] += 1
            name = f"{hint}.{self._names[hint]}"
            if name not in self._names:
                self._names[name] = 0
                return name

    def add_input(self, name: str, type: Tensor) -> Value:
        value = Value(self, self.fresh_name(name), type, None, len(self.inputs))
        self.inputs.append(value)
        return value

    def create(
        self,
        op: Op | str,
        operands: Sequence[Value] = (),
        attrs: Mapping[str, Any] = MappingProxyType({}),
        *,
        graphs: Sequence[Graph] = (),
        names: Sequence[str] = (),
        origins: Iterable[str] = (),
        region: str | None = None,
        before: Node | None = None,
        types: Sequence[Tensor] | None = None,
    ) -> Node:
        """Make a node and put it before ``before`` (at the end by default).

        Result types are inferred; ``types`` is only for the text parser, which checks them later.
        ValueError says why when operands or attributes do not fit the op.
        """
        op = get_op(op) if isinstance(op, str) else op
        op.check_count(len(operands))
        full = normalize_attrs(op, attrs)
        if types is None:
            types = op.infer([v.type for v in operands], full, graphs)
        if len(names) > len(types):
            raise ValueError(f"{op.name} has {len(types)} results, not {len(names)}")
        node = Node(op, full, graphs)
        node.origins = tuple(sorted(set(origins)))
        node.region = region
        self._link(node, before)
        node.operands = tuple(operands)
        for index, value in enumerate(node.operands):
            value._uses[(id(node), index)] = Use(node, index)
        hints = list(names) + [op.name] * (len(types) - len(names))
        node.results = tuple(
            Value(self, self.fresh_name(hint), type, node, i)
            for i, (hint, type) in enumerate(zip(hints, types, strict=True))
        )
        return node

    def constant(
        self,
        data: Constant,
        *,
        name: str | None = None,
        origins: Iterable[str] = (),
        before: Node | None = None,
    ) -> Value:
        """The result of a new ``constant`` node."""
        hint = name or data.name or "c"
        return self.create(
            "constant", (), {"data": data}, names=(hint,), origins=origins, before=before
        ).result

    def set_outputs(self, outputs: Sequence[Value]) -> None:
        for index, value in enumerate(self.outputs):
            del value._uses[(0, index)]
        self.outputs = tuple(outputs)
        for index, value in enumerate(self.outputs):
            value._uses[(0, index)] = Use(None, index)

    # -- editing ---------------------------------------------------------------------------------

    def set_operand(self, node: Node, index: int, value: Value) -> None:
        del node.operands[index]._uses[(id(node), index)]
        node.operands = (*node.operands[:index], value, *node.operands[index + 1 :])
        value._uses[(id(node), index)] = Use(node, index)

    def replace_uses(self, old: Value, new: Value) -> None:
        """Make every user of ``old`` (graph outputs too) use ``new``."""
        for use in old.uses:
            if use.user is None:
                outputs = list(self.outputs)
                outputs[use.index] = new
                self.set_outputs(outputs)
            else:
                self.set_operand(use.user, use.index, new)

    def erase(self, node: Node) -> None:
        """Remove a node whose results have no uses; ValueError otherwise."""
        if any(r._uses for r in node.results):
            raise ValueError(f"{node!r} is still used")
        for index, value in enumerate(node.operands):
            del value._uses[(id(node), index)]
        for result in node.results:
            self.storages.pop(result, None)
        self._unlink(node)

    def move_before(self, node: Node, anchor: Node | None) -> None:
        """Move a node before ``anchor`` (to the end for None)."""
        if node is not anchor:
            self._unlink(node)
            self._link(node, anchor)

    def replace_node(self, node: Node, values: Sequence[Value]) -> None:
        """Replace each result of ``node`` by the value at its place, then erase the node."""
        for old, new in zip(node.results, values, strict=True):
            self.replace_uses(old, new)
        self.erase(node)

    def _link(self, node: Node, before: Node | None) -> None:
        node.graph = self
        node._next = before
        node._prev = before._prev if before is not None else self._last
        if node._prev is not None:
            node._prev._next = node
        else:
            self._first = node
        if before is not None:
            before._prev = node
        else:
            self._last = node
        self._count += 1

    def _unlink(self, node: Node) -> None:
        if node._prev is not None:
            node._prev._next = node._next
        else:
            self._first = node._next
        if node._next is not None:
            node._next._prev = node._prev
        else:
            self._last = node._prev
        node.graph = None
        node._prev = node._next = None
        self._count -= 1
