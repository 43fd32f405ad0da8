"""The verifier: sound graphs pass; each check has a graph that breaks only it."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType

import numpy as np
import pytest

from fusec.errors import VerificationError
from fusec.ir import (
    Graph,
    GraphBuilder,
    Node,
    Root,
    Storage,
    Symbol,
    Tensor,
    Value,
    f32,
    verify_graph,
)
from fusec.ir.graph import Use
from fusec.ir.verify import CHECKS, describe

T = Tensor(f32, (4,))
N = Symbol("n", 1, 8)


def chain() -> tuple[Graph, list[Value]]:
    """x, neg(x), exp(neg), add(exp, x); the last is the output."""
    graph = Graph()
    x = graph.add_input("x", T)
    b = GraphBuilder(graph)
    y = b.op("neg", x)
    z = b.op("exp", y)
    w = b.op("add", z, x)
    graph.set_outputs([w])
    return graph, [x, y, z, w]


def node_of(value: Value) -> Node:
    assert value.node is not None
    return value.node


def place(graph: Graph, *storages: tuple[Value, str, int]) -> None:
    """Storages of 4 dense floats; each root has 32 bytes."""
    for value, root, offset in storages:
        graph.roots[root] = Root(root, "arena", 32)
        graph.storages[value] = Storage(root, offset, (1,))


def test_sound() -> None:
    graph, (x, y, z, w) = chain()
    verify_graph(graph)
    place(graph, (x, "a", 0), (y, "b", 0), (z, "b", 4), (w, "b", 0))
    verify_graph(graph)


def lost_link() -> Graph:
    graph, (_, y, z, _) = chain()
    node_of(z)._prev = None
    assert node_of(y).next is node_of(z)
    return graph


def wrong_count() -> Graph:
    graph, _ = chain()
    graph._count += 1
    return graph


def stray_result() -> Graph:
    graph, (_, y, _, _) = chain()
    y.index = 1
    return graph


def same_names() -> Graph:
    graph, (_, y, z, _) = chain()
    z.name = y.name
    return graph


def used_before() -> Graph:
    graph, (_, y, z, _) = chain()
    graph.move_before(node_of(z), node_of(y))
    return graph


def foreign_operand() -> Graph:
    graph, (_, _, z, _) = chain()
    _, (_, y, _, _) = chain()
    graph.set_operand(node_of(z), 0, y)
    return graph


def foreign_output() -> Graph:
    graph, _ = chain()
    graph.set_outputs([chain()[1][3]])
    return graph


def missing_use() -> Graph:
    graph, (x, *_) = chain()
    x._uses.popitem()
    return graph


def extra_use() -> Graph:
    graph, (_, y, _, w) = chain()
    y._uses[(id(node_of(w)), 0)] = Use(node_of(w), 0)
    return graph


def output_names_short() -> Graph:
    graph, (_, y, _, w) = chain()
    graph.set_outputs([w, y])
    graph.output_names = ["w"]
    return graph


def output_names_same() -> Graph:
    graph, (_, y, _, w) = chain()
    graph.set_outputs([w, y])
    graph.output_names = ["w", "w"]
    return graph


def wrong_type() -> Graph:
    graph, (_, y, _, _) = chain()
    y.type = Tensor(f32, (5,))
    return graph


def unordered_attrs() -> Graph:
    graph, (x, *_) = chain()
    y = GraphBuilder(graph).op("cumsum", x, axis=0)
    node_of(y).attrs = MappingProxyType(dict(list(node_of(y).attrs.items())[::-1]))
    return graph


def bad_attrs() -> Graph:
    graph, (x, *_) = chain()
    y = GraphBuilder(graph).op("cumsum", x, axis=0)
    node_of(y).attrs = MappingProxyType({**node_of(y).attrs, "axis": 3})
    return graph


def undeclared_symbol() -> Graph:
    graph = Graph()
    graph.set_outputs([graph.add_input("x", Tensor(f32, (N.expr,)))])
    return graph


def symbol_of_another_range() -> Graph:
    graph = undeclared_symbol()
    graph.symbols["n"] = Symbol("n", 1, 9)
    return graph


def symbol_in_attribute() -> Graph:
    graph, _ = chain()
    GraphBuilder(graph).op("dim", value=N.expr)
    return graph


def symbol_by_another_name() -> Graph:
    graph, _ = chain()
    graph.symbols["k"] = N
    return graph


def fused_with(build: Callable[[GraphBuilder, Value], Value]) -> Graph:
    graph, (x, *_) = chain()
    body = Graph("body")
    body.set_outputs([build(GraphBuilder(body), body.add_input("a", T))])
    GraphBuilder(graph).ops("fused", x, graphs=[body])
    return graph


def fused_holds_data() -> Graph:
    return fused_with(lambda b, a: b.op("add", a, b.constant(np.ones(4, np.float32))))


def fused_holds_fused() -> Graph:
    def build(b: GraphBuilder, a: Value) -> Value:
        inner = Graph("inner")
        inner.set_outputs([inner.add_input("a", T)])
        return b.op("fused", a, graphs=[inner])

    return fused_with(build)


def fused_holds_storage() -> Graph:
    graph = fused_with(lambda b, a: b.op("neg", a))
    (body,) = next(n for n in graph.nodes if n.graphs).graphs
    place(body, (body.inputs[0], "r", 0))
    return graph


def broken_nested() -> Graph:
    graph = fused_with(lambda b, a: b.op("neg", a))
    (body,) = next(n for n in graph.nodes if n.graphs).graphs
    node_of(body.outputs[0])._prev = node_of(body.outputs[0])
    return graph


def unknown_root() -> Graph:
    graph, (x, *_) = chain()
    graph.storages[x] = Storage("r", 0, (1,))
    return graph


def wrong_rank() -> Graph:
    graph, (x, *_) = chain()
    place(graph, (x, "r", 0))
    graph.storages[x] = Storage("r", 0, (4, 1))
    return graph


def past_the_end() -> Graph:
    graph, (x, *_) = chain()
    place(graph, (x, "r", 5))
    return graph


def before_the_start() -> Graph:
    graph, (x, *_) = chain()
    place(graph, (x, "r", 2))
    graph.storages[x] = Storage("r", 2, (-1,))
    return graph


def symbolic_past_the_end() -> Graph:
    graph = undeclared_symbol()
    graph.symbols["n"] = N
    graph.roots["r"] = Root("r", "arena", 16)
    graph.storages[graph.inputs[0]] = Storage("r", 0, (1,))
    return graph


def storage_of_another_graph() -> Graph:
    graph, (x, *_) = chain()
    place(graph, (x, "r", 0))
    graph.storages[chain()[1][0]] = Storage("r", 0, (1,))
    return graph


def root_by_another_name() -> Graph:
    graph, _ = chain()
    graph.roots["q"] = Root("r", "arena", 32)
    return graph


def read_after_overwritten() -> Graph:
    graph, (x, y, z, _) = chain()
    place(graph, (x, "r", 0), (y, "s", 0), (z, "r", 2))  # add reads x after exp wrote over it
    return graph


def output_overwritten() -> Graph:
    graph, (_, y, z, w) = chain()
    graph.set_outputs([w, y])
    place(graph, (y, "r", 0), (z, "r", 4), (w, "r", 3))
    return graph


def view_of_overwritten() -> Graph:
    graph = Graph()
    x = graph.add_input("x", T)
    b = GraphBuilder(graph)
    y = b.op("neg", x)
    view = b.op("reshape", y, shape=(2, 2))
    z = b.op("exp", x)
    graph.set_outputs([z, b.op("neg", view)])
    place(graph, (y, "r", 0), (z, "r", 0))
    graph.storages[view] = Storage("r", 0, (2, 1))
    return graph


def float_axis() -> Graph:
    graph, (x, *_) = chain()
    y = GraphBuilder(graph).op("cumsum", x, axis=0)
    node_of(y).attrs = MappingProxyType({**node_of(y).attrs, "axis": np.int64(0)})
    return graph


def misplaced_view() -> Graph:
    graph, (x, *_) = chain()
    y = GraphBuilder(graph).op("reverse", x, axes=(0,))
    place(graph, (x, "r", 0), (y, "r", 0))
    return graph


def misplaced_part() -> Graph:
    graph, (x, y, *_) = chain()
    whole = GraphBuilder(graph).op("concat", x, y, axis=0)
    place(graph, (x, "r", 0), (y, "r", 0), (whole, "r", 0))
    return graph


BROKEN: list[tuple[str, Callable[[], Graph], str]] = [
    ("links", lost_link, "not linked"),
    ("links", wrong_count, "3 nodes are linked, 4"),
    ("links", stray_result, "does not point back"),
    ("links", broken_nested, "graph body"),
    ("names", same_names, "two values are named %neg"),
    ("dominance", used_before, "%neg is not defined before"),
    ("dominance", foreign_operand, "is not defined before"),
    ("dominance", foreign_output, "output %add is not defined"),
    ("uses", missing_use, "use list of %x"),
    ("uses", extra_use, "use list of %neg"),
    ("outputs", output_names_short, "1 names for 2 outputs"),
    ("outputs", output_names_same, "two outputs have the same name"),
    ("types", wrong_type, r"inferred type is f32\[4\]"),
    ("types", unordered_attrs, "order of the schema"),
    ("types", bad_attrs, "axis 3"),
    ("symbols", undeclared_symbol, "symbol n of x is not declared"),
    ("symbols", symbol_of_another_range, "symbol n of x is not declared"),
    ("symbols", symbol_in_attribute, "symbol n of"),
    ("symbols", symbol_by_another_name, "declared as k"),
    ("bodies", fused_holds_data, "no scalar"),
    ("bodies", fused_holds_fused, "holds fused"),
    ("bodies", fused_holds_storage, "storages"),
    ("storages", unknown_root, "unknown root r"),
    ("storages", wrong_rank, "1 dims and 2 strides"),
    ("storages", past_the_end, "leaves its root"),
    ("storages", before_the_start, "leaves its root"),
    ("storages", symbolic_past_the_end, "leaves its root"),
    ("storages", storage_of_another_graph, "another graph"),
    ("storages", root_by_another_name, "declared as q"),
    ("types", float_axis, "attribute axis does not hold int"),
    ("views", misplaced_view, "%reverse does not stand where"),
    ("views", misplaced_part, "%neg does not stand where"),
    ("schedule", read_after_overwritten, "%x is read by %add"),
    ("schedule", output_overwritten, "output %neg is overwritten"),
    ("schedule", view_of_overwritten, "%reshape is read"),
]


@pytest.mark.parametrize(
    ("check", "make", "message"), BROKEN, ids=lambda x: getattr(x, "__name__", "")
)
def test_broken(check: str, make: Callable[[], Graph], message: str) -> None:
    with pytest.raises(VerificationError, match=rf"^{check}: .*({message})"):
        verify_graph(make())


def test_every_check_is_broken_here() -> None:
    assert {name for name, *_ in BROKEN} == {name for name, _ in CHECKS}
    assert all(text.endswith(".") for _, text in describe())


def test_in_place_and_disjoint_parts_pass() -> None:
    graph = Graph()
    x, y = graph.add_input("x", Tensor(f32, (2, 3))), graph.add_input("y", Tensor(f32, (2, 2)))
    b = GraphBuilder(graph)
    left, right = b.op("neg", x), b.op("neg", y)
    whole = b.op("concat", left, right, axis=1)
    again = b.op("exp", whole)  # in place
    graph.set_outputs([again])
    graph.roots["r"] = Root("r", "arena", 40)
    graph.storages = {
        left: Storage("r", 0, (5, 1)),
        right: Storage("r", 3, (5, 1)),
        whole: Storage("r", 0, (5, 1)),
        again: Storage("r", 0, (5, 1)),
    }
    verify_graph(graph)
    graph.storages[right] = Storage("r", 2, (5, 1))
    with pytest.raises(VerificationError, match=r"views: %neg.1 does not stand"):
        verify_graph(graph)
