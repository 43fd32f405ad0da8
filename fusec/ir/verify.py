"""The verifier: what holds for every graph between passes, as a table of checks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NoReturn

from fusec.errors import VerificationError
from fusec.ir.attributes import misfit
from fusec.ir.graph import Graph, Node, Use, Value, normalize_attrs
from fusec.ir.op import Family, Kind
from fusec.ir.overlap import find_overwritten, is_alias, samples, window
from fusec.ir.storage import Storage
from fusec.ir.sym import Dim, Expr, Symbol, evaluate, free_symbols
from fusec.ir.text import print_node
from fusec.ir.view_layout import misplaced

Check = Callable[[Graph, Mapping[str, Symbol]], None]


def verify_graph(graph: Graph) -> None:
    """Raise VerificationError, which names the check and the node, if an invariant is broken."""
    _verify(graph, {})


def _verify(graph: Graph, outer: Mapping[str, Symbol]) -> None:
    symbols = {**outer, **graph.symbols}
    for name, check in CHECKS:
        try:
            check(graph, symbols)
        except _Broken as error:
            raise VerificationError(f"{name}: {error} (graph {graph.name})") from None
    for node in graph.nodes:
        for nested in node.graphs:
            _verify(nested, symbols)


class _Broken(Exception):
    """What a check found."""


def _fail(message: str, node: Node | None = None) -> NoReturn:
    raise _Broken(message if node is None else f"{message}: {print_node(node)}")


# -- structure -----------------------------------------------------------------------------------


def check_links(graph: Graph, symbols: Mapping[str, Symbol]) -> None:  # noqa: ARG001
    """The list of nodes is linked both ways, its length is right, values point home."""
    count, last = 0, None
    for node in graph.nodes:
        if node.graph is not graph or node.previous is not last:
            _fail("a node is not linked to its neighbours and graph", node)
        for index, value in enumerate(node.results):
            if value.node is not node or value.index != index or value.graph is not graph:
                _fail(f"result %{value.name} does not point back", node)
        count, last = count + 1, node
    if count != len(graph):
        _fail(f"{count} nodes are linked, {len(graph)} are counted")
    for index, value in enumerate(graph.inputs):
        if value.node is not None or value.index != index or value.graph is not graph:
            _fail(f"input %{value.name} does not point back")


def check_names(graph: Graph, symbols: Mapping[str, Symbol]) -> None:  # noqa: ARG001
    """The names of values are distinct."""
    seen: set[str] = set()
    for value in graph.values:
        if value.name in seen:
            _fail(f"two values are named %{value.name}")
        seen.add(value.name)


def check_dominance(graph: Graph, symbols: Mapping[str, Symbol]) -> None:  # noqa: ARG001
    """Every value is defined, in this graph, before it is used."""
    defined = set(graph.inputs)
    for node in graph.nodes:
        for value in node.operands:
            if value not in defined:
                _fail(f"operand %{value.name} is not defined before", node)
        defined.update(node.results)
    for value in graph.outputs:
        if value not in defined:
            _fail(f"output %{value.name} is not defined")


def check_uses(graph: Graph, symbols: Mapping[str, Symbol]) -> None:  # noqa: ARG001
    """Use lists name each use exactly once."""
    expected: dict[Value, set[tuple[int, int]]] = {value: set() for value in graph.values}
    for node in graph.nodes:
        for index, value in enumerate(node.operands):
            expected[value].add((id(node), index))
    for index, value in enumerate(graph.outputs):
        expected[value].add((0, index))
    for value, uses in expected.items():
        if value.use_count != len(uses) or {_key(use) for use in value.uses} != uses:
            _fail(f"the use list of %{value.name} is wrong")


def _key(use: Use) -> tuple[int, int]:
    return (id(use.user) if use.user is not None else 0, use.index)


def check_outputs(graph: Graph, symbols: Mapping[str, Symbol]) -> None:  # noqa: ARG001
    """Output names, where there are any, are distinct and as many as outputs."""
    if graph.output_names and len(graph.output_names) != len(graph.outputs):
        _fail(f"{len(graph.output_names)} names for {len(graph.outputs)} outputs")
    if len(set(graph.output_names)) != len(graph.output_names):
        _fail("two outputs have the same name")


# -- types ---------------------------------------------------------------------------------------


def check_types(graph: Graph, symbols: Mapping[str, Symbol]) -> None:  # noqa: ARG001
    """Attributes follow the op's schema; the stored types are the inferred ones."""
    for node in graph.nodes:
        try:
            node.op.check_count(len(node.operands))
            if list(node.attrs) != list(node.op.defaults):
                normalize_attrs(node.op, node.attrs)
                _fail("attributes are not in the order of the schema", node)
            wrong = misfit(node.op, node.attrs) if node.attrs else None
            if wrong is not None:
                _fail(f"attribute {wrong} does not hold {node.op.kinds[wrong].value}", node)
            types = node.op.infer([v.type for v in node.operands], node.attrs, node.graphs)
        except ValueError as error:
            _fail(str(error), node)
        if types != tuple([v.type for v in node.results]):
            inferred = ", ".join(map(str, types))
            _fail(f"the inferred type is {inferred}", node)


def check_symbols(graph: Graph, symbols: Mapping[str, Symbol]) -> None:
    """Every symbol in a shape, attribute or storage is declared, with the same range."""
    for key, symbol in graph.symbols.items():
        if key != symbol.name:
            _fail(f"symbol {symbol.name} is declared as {key}")
    known = set(symbols.values())
    for value in graph.values:
        for dim in value.type.shape:
            if isinstance(dim, Expr):
                _check_declared(dim, known, value.name)
    for node in graph.nodes:
        if node.op.has_dims:
            for dim in _attribute_dims(node):
                _check_declared(dim, known, repr(node))


def _attribute_dims(node: Node) -> Iterator[Dim]:
    for key, kind in node.op.kinds.items():
        value = node.attrs[key]
        if kind is Kind.DIM and value is not None:
            yield value
        elif kind is Kind.DIMS:
            yield from value
        elif kind is Kind.PAIRS:
            yield from (side for pair in value for side in pair)


def _check_declared(dim: Dim, known: set[Symbol], where: str) -> None:
    for symbol in free_symbols(dim):
        if symbol not in known:
            _fail(f"symbol {symbol.name} of {where} is not declared with its range")


def check_bodies(graph: Graph, symbols: Mapping[str, Symbol]) -> None:  # noqa: ARG001
    """The body of a ``fused`` holds literals only, no storages, and no nested graph."""
    for node in graph.nodes:
        if node.op.family is Family.FUSED:
            (body,) = node.graphs
            if body.storages or body.roots:
                _fail("the body of a fused node has storages", node)
            for inner in body.nodes:
                if inner.is_constant and not inner.attrs["data"].is_literal:
                    _fail("the body of a fused node holds a constant that is no scalar", node)
                if inner.graphs or inner.op.family is Family.EXTERN:
                    _fail(f"the body of a fused node holds {inner.op.name}", node)


# -- storages ------------------------------------------------------------------------------------


def check_storages(graph: Graph, symbols: Mapping[str, Symbol]) -> None:
    """Storages belong to values of the graph and stay inside their roots."""
    known = set(symbols.values())
    for key, root in graph.roots.items():
        if key != root.name:
            _fail(f"root {root.name} is declared as {key}")
        _check_declared(root.nbytes, known, f"root {key}")
    for value, storage in graph.storages.items():
        _check_storage(graph, value, storage, known)
    for env in samples(symbols.values()) if graph.storages else ():
        for value, storage in graph.storages.items():
            _check_extent(value, storage, graph.roots[storage.root].nbytes, env)


def _check_storage(graph: Graph, value: Value, storage: Storage, known: set[Symbol]) -> None:
    if value.graph is not graph:
        _fail(f"the storage of %{value.name} belongs to another graph")
    if storage.root not in graph.roots:
        _fail(f"%{value.name} stands in an unknown root {storage.root}")
    if len(storage.strides) != value.type.rank:
        _fail(f"%{value.name} has {value.type.rank} dims and {len(storage.strides)} strides")
    for dim in (storage.offset, *storage.strides):
        _check_declared(dim, known, f"the storage of %{value.name}")


def _check_extent(value: Value, storage: Storage, nbytes: Dim, env: Mapping[str, int]) -> None:
    region = window(value.type, storage, env)
    if region.size and (region.low < 0 or region.high >= evaluate(nbytes, env)):
        where = f"root {storage.root} of {nbytes} bytes"
        _fail(f"the storage of %{value.name} leaves its {where}")


def check_views(graph: Graph, symbols: Mapping[str, Symbol]) -> None:  # noqa: ARG001
    """A view whose result stands in its operand's root is the window that the view op means."""
    for node in graph.nodes:
        if is_alias(node, graph.storages):
            value = misplaced(node, graph.storages)
            if value is not None:
                _fail(f"%{value.name} does not stand where the view means", node)


def check_schedule(graph: Graph, symbols: Mapping[str, Symbol]) -> None:
    """No reader of a region is scheduled after another value is written there."""
    for env in samples(symbols.values()) if graph.storages else ():
        message = find_overwritten(graph, env)
        if message is not None:
            _fail(message)


CHECKS: tuple[tuple[str, Check], ...] = (
    ("links", check_links),
    ("names", check_names),
    ("dominance", check_dominance),
    ("uses", check_uses),
    ("outputs", check_outputs),
    ("types", check_types),
    ("symbols", check_symbols),
    ("bodies", check_bodies),
    ("storages", check_storages),
    ("views", check_views),
    ("schedule", check_schedule),
)


def describe() -> Iterable[tuple[str, str]]:
    """Name and meaning of every check."""
    return [(name, (check.__doc__ or "").strip()) for name, check in CHECKS]
