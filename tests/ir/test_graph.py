"""Graph editing, the builder, constants, keys, views for networkx, and speed at 10,000 nodes."""

from __future__ import annotations

import io
import subprocess
import sys
import time
from typing import Any

import networkx
import numpy as np
import pytest

from fusec.ir import (
    Constant,
    Graph,
    GraphBuilder,
    Storage,
    Symbol,
    Tensor,
    Value,
    all_ops,
    bf16,
    f32,
    get_op,
    graph_view,
    i32,
    i64,
    parse_graph,
    print_graph,
    structural_key,
    u8,
    verify_graph,
)
from fusec.ir.graph_view import named_view
from fusec.ir.op import Op, register
from tests.ir.graphs import seeded_graph

T = Tensor(f32, (4,))


def names(graph: Graph) -> list[str]:
    return [n.result.name for n in graph.nodes]


def chain() -> tuple[Graph, GraphBuilder, Value]:
    graph = Graph()
    return graph, GraphBuilder(graph), graph.add_input("x", T)


# -- editing -------------------------------------------------------------------------------------


def test_nodes_stand_in_order_and_move() -> None:
    graph, b, x = chain()
    y = b.hint("y").op("neg", x)
    z = b.hint("z").op("exp", x)
    assert z.node is not None
    assert y.node is not None
    early = GraphBuilder(graph, before=y.node).hint("w").op("sin", x)
    assert names(graph) == ["w", "y", "z"]
    graph.move_before(z.node, y.node)
    assert names(graph) == ["w", "z", "y"]
    graph.move_before(z.node, None)
    graph.move_before(z.node, z.node)
    assert names(graph) == ["w", "y", "z"]
    assert [n.result.name for n in graph.reversed_nodes] == ["z", "y", "w"]
    assert early.node is not None
    assert early.node.next is y.node
    assert len(graph) == 3
    verify_graph(graph)


def test_replace_erase_and_uses() -> None:
    graph, b, x = chain()
    y = b.op("neg", x)
    z = b.op("add", y, y)
    graph.set_outputs([z, y])
    assert y.use_count == 3
    assert y.is_output
    assert y.users == (z.node,)
    assert y.node is not None
    graph.storages[y] = Storage("r", 0, (1,))
    with pytest.raises(ValueError, match="still used"):
        graph.erase(y.node)
    new = GraphBuilder(graph, before=y.node).op("exp", x)
    graph.replace_node(y.node, [new])
    assert z.node is not None
    assert z.node.operands == (new, new)
    assert graph.outputs == (z, new)
    assert not graph.storages
    verify_graph(graph)


def test_erasing_while_walking() -> None:
    graph, b, x = chain()
    for _ in range(5):
        b.op("neg", x)
    kept = b.op("exp", x)
    graph.set_outputs([kept])
    for node in graph.nodes:
        if node.op.name == "neg":
            graph.erase(node)
    assert names(graph) == ["exp"]
    verify_graph(graph)


def test_names_stay_distinct() -> None:
    graph, b, x = chain()
    first, second = b.hint("x").op("neg", x), b.hint("x.1").op("neg", x)
    assert [first.name, second.name, b.hint("x").op("neg", x).name] == ["x.1", "x.1.1", "x.2"]
    verify_graph(graph)


def test_create_refuses() -> None:
    graph, b, x = chain()
    with pytest.raises(ValueError, match="add takes 2 operands, not 1"):
        b.op("add", x)
    with pytest.raises(ValueError, match="if takes at least 1 operands, not 0"):
        b.op("if")
    with pytest.raises(ValueError, match="has 1 results, not 2"):
        b.hint("a", "b").op("neg", x)
    with pytest.raises(ValueError, match="have different dtypes f32 and i32"):
        b.op("add", x, b.literal(1, i32))
    with pytest.raises(ValueError, match="dims 4 and 3 do not broadcast"):
        b.op("add", x, b.constant(np.ones(3, np.float32)))
    with pytest.raises(ValueError, match="must be a float"):
        b.op("floor", b.literal(1, i64))
    with pytest.raises(KeyError):
        b.op("negate", x)
    assert len(graph) == 3  # nothing of what was refused is left
    verify_graph(graph)


def test_symbolic_broadcasts() -> None:
    n, m = Symbol("n", 1, 8).expr, Symbol("m", 1, 8).expr
    graph = Graph()
    b = GraphBuilder(graph)
    x, y = graph.add_input("x", Tensor(f32, (n, 1))), graph.add_input("y", Tensor(f32, (m,)))
    assert b.op("add", x, y).type.shape == (n, m)
    assert b.op("add", x, x).type.shape == (n, 1)
    with pytest.raises(ValueError, match="do not broadcast"):
        b.op("add", graph.add_input("z", Tensor(f32, (n,))), y)
    with pytest.raises(ValueError, match="do not broadcast"):  # n may be 4, or not
        b.op("add", graph.add_input("z", Tensor(f32, (n,))), b.constant(np.ones(4, np.float32)))


# -- builder, constants --------------------------------------------------------------------------


def test_builder_stamps_origins_and_regions() -> None:
    graph, b, x = chain()
    with b.at(origins=("b", "a", "b"), region="Softmax:a"):
        y = b.op("neg", x)
        with b.at(origins=["c"]):
            z = b.op("neg", y)
    w = b.op("neg", z)
    stamps = [(v.node.origins, v.node.region) for v in (y, z, w) if v.node]
    assert stamps == [(("a", "b"), "Softmax:a"), (("c",), "Softmax:a"), ((), None)]
    assert graph.outputs == ()


def test_builder_results() -> None:
    _, b, x = chain()
    with pytest.raises(ValueError, match="has 2 results"):
        b.op("sort", x, axis=0)
    values, places = b.hint("v", "p").ops("sort", x, axis=0)
    assert (values.name, places.name) == ("v", "p")
    assert b.hint("zero").literal(0, bf16).name == "zero"
    assert b.constant(np.ones(2, np.float32), "w").name == "w"


def test_constants() -> None:
    one, same = Constant(np.arange(3)), Constant(np.arange(3), "named")
    assert one == same
    assert hash(one) == hash(same)
    assert one != Constant(np.arange(3, dtype=np.int32))
    assert one != Constant(np.arange(3).reshape(1, 3))
    assert one != Constant(np.array([0, 1, 3]))
    assert one != 3
    assert Constant(np.full(5, -0.0)) != Constant(np.zeros(5))
    literal = Constant.scalar(1.5, bf16)
    assert literal.is_literal
    assert literal.item() == 1.5
    assert Constant.scalar(300, u8).item() == 44
    assert Constant(np.array([[7]])).item() == 7
    assert str(literal.type) == "bf16[]"
    assert "named" in repr(same)
    big = np.zeros((1 << 23,), np.float32)
    assert Constant(big).digest == Constant(big.copy()).digest
    assert Constant(np.asfortranarray(np.arange(6).reshape(2, 3))) == Constant(
        np.arange(6).reshape(2, 3)
    )


# -- keys and views ------------------------------------------------------------------------------


def test_structural_key_ignores_names_and_origins_only() -> None:
    def make(**change: Any) -> Any:
        graph = Graph(change.get("graph", "g"))
        x = graph.add_input(change.get("input", "x"), change.get("type", T))
        b = GraphBuilder(graph)
        with b.at(origins=change.get("origins", ()), region=change.get("region")):
            y = b.hint(change.get("name", "y")).op(
                change.get("op", "add"), x, b.literal(change.get("value", 1.0), f32)
            )
        z = b.op("pad", y, padding=((0, 1),), value=change.get("pad", 0.0))
        graph.set_outputs([z, *change.get("more", lambda _: [])(y)])
        return structural_key(graph)

    key = make()
    hash(key)
    same: list[dict[str, Any]] = [
        {"graph": "h"},
        {"input": "i"},
        {"name": "n"},
        {"origins": ["o"]},
        {"region": "r"},
    ]
    for change in same:
        assert make(**change) == key
    differ: list[dict[str, Any]] = [
        {"type": Tensor(f32, (5,))},
        {"op": "sub"},
        {"value": 2.0},
        {"value": -1.0},
        {"pad": -0.0},
        {"pad": 0},
        {"pad": False},
        {"more": lambda y: [y]},
    ]
    for change in differ:
        assert make(**change) != key, change
    assert make(pad=float("nan")) == make(pad=float("nan"))
    assert len({make(**c) for c in differ}) == len(differ)


def test_structural_key_sees_wiring_and_bodies() -> None:
    def make(swap: bool, inner: str) -> Any:
        graph = Graph()
        x, y = graph.add_input("x", T), graph.add_input("y", T)
        b = GraphBuilder(graph)
        body = Graph("body")
        body.set_outputs([GraphBuilder(body).op(inner, body.add_input("a", T))])
        z = b.op("sub", *((y, x) if swap else (x, y)))
        graph.set_outputs([b.op("fused", z, graphs=[body])])
        return structural_key(graph)

    keys = [make(s, i) for s in (False, True) for i in ("neg", "exp")]
    assert len(set(keys)) == 4
    assert make(False, "neg") == keys[0]


def test_graph_view() -> None:
    graph, b, x = chain()
    with b.at(origins=("n",)):
        y = b.op("neg", x)
    z = b.op("add", y, y)
    w = b.op("add", z, b.op("neg", x))
    graph.set_outputs([w])
    view = graph_view(graph)
    assert view.number_of_nodes() == 5
    assert view.edges[y.node, z.node]["values"] == ("neg",)
    assert view.nodes[x]["op"] == "input"
    assert view.nodes[y.node]["origins"] == ("n",)
    order = list(networkx.topological_sort(view))
    assert order.index(y.node) < order.index(z.node) < order.index(w.node)
    buffer = io.BytesIO()
    networkx.write_graphml(named_view(graph), buffer)
    assert b"add.1" in buffer.getvalue()


def test_edge_of_several_values() -> None:
    graph, b, x = chain()
    values, places = b.ops("sort", x, axis=0)
    y = b.op("gather", values, places, axis=0)
    view = graph_view(graph)
    assert view.edges[values.node, y.node]["values"] == (values.name, places.name)


# -- registry, import ----------------------------------------------------------------------------


def test_registry() -> None:
    ops = all_ops()
    assert len({op.name for op in ops}) == len(ops)
    assert all(get_op(op.name) is op for op in ops)
    assert all(op.evaluate is not None for op in ops)
    with pytest.raises(ValueError, match="declared twice"):
        register(get_op("add"))
    with pytest.raises(KeyError):
        get_op("sin").attribute("axis")
    assert get_op("concat").is_variadic
    assert isinstance(get_op("add"), Op)
    assert [op.family.value for op in map(get_op, ("add", "conv", "reshape"))] == [
        "pointwise",
        "contraction",
        "view",
    ]


def test_import_needs_no_torch() -> None:
    code = "import sys, fusec.ir; sys.exit('torch' in sys.modules or 'networkx' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# -- speed ---------------------------------------------------------------------------------------


def long_graph(count: int) -> Graph:
    graph = Graph()
    graph.symbols["n"] = Symbol("n", 1, 64)
    x = y = graph.add_input("x", Tensor(f32, (graph.symbols["n"].expr, 3, 32, 32)))
    b = GraphBuilder(graph)
    for i in range(count):
        with b.at(origins=(f"/layer{i}/op",)):
            y = b.op("maximum", y, x) if i % 2 else b.op("exp", y)
    graph.set_outputs([y])
    return graph


def test_ten_thousand_nodes() -> None:
    start = time.process_time()
    graph = long_graph(10_000)
    verify_graph(graph)
    text = print_graph(graph)
    again = parse_graph(text)
    assert structural_key(again) == structural_key(graph)
    assert time.process_time() - start < 5  # about 0.8 s alone on one core


def test_seeded_graphs_are_deterministic() -> None:
    assert print_graph(seeded_graph(5)) == print_graph(seeded_graph(5))
