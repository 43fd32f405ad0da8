"""The text form: golden text, round trips of random graphs and every literal, and bad text."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusec.errors import InvalidText
from fusec.ir import (
    Constant,
    Graph,
    GraphBuilder,
    Root,
    Storage,
    Symbol,
    Tensor,
    bf16,
    collect_weights,
    dtype,
    f32,
    i64,
    parse_graph,
    print_graph,
    print_node,
    structural_key,
    verify_graph,
)
from fusec.ir.types import DTYPES
from tests.ir.graphs import graphs
from tests.ir.harness import draw

GOLDEN = Path(__file__).parent.parent / "golden" / "ir" / "text_form.txt"


def example() -> Graph:
    """One of everything the text form has."""
    graph = Graph("main")
    n = Symbol("n", 1, 64, 4)
    graph.symbols = {"n": n, "m": Symbol("m", 0, None, 1, n.expr * 2)}
    x = graph.add_input("x", Tensor(f32, (n.expr, 3, 8, 8)))
    b = GraphBuilder(graph)
    w = b.hint("w").constant(np.zeros((4, 3, 3, 3), np.float32), "conv/weight:0")
    with b.at(origins=("/conv1/Conv", "/bn"), region='Softmax:"/a"'):
        y = b.op("conv", x, w, strides=[1, 1], padding=[(1, 1), (0, 2)], dilations=[1, 1])
    z = b.op("maximum", y, b.literal(0.1, f32))
    table = b.constant(np.array([0, 2, 1]))
    picked = b.op("gather", z, table, axis=1)
    half = b.op("mul", b.op("cast", picked, dtype=bf16), b.literal(-math.inf, bf16))
    values, places = b.hint("values", "odd name").ops("top_k", half, k=2, axis=3, largest=False)
    body = Graph("body")
    inner = GraphBuilder(body)
    arg = body.add_input("x", values.type)
    body.set_outputs([inner.op("reduce_sum", arg, axes=[1, 2, 3], acc=dtype("f64"))])
    total = b.op("fused", values, graphs=[body])
    limit = Symbol("count", 0, None, 1, n.expr + 1)
    graph.symbols["count"] = limit
    found = b.op("extern", total, function="nonzero", dims=(limit.expr,))
    length = b.op("dim", value=3 * n.expr + 1)
    graph.set_outputs([total, found, length, places])
    graph.output_names = ["total", found.name, "length", "odd name"]
    graph.roots = {
        r.name: r for r in (Root("x", "input", n.expr * 768), Root("r0", "arena", n.expr * 2048))
    }
    graph.storages = {
        x: Storage("x", 0, (192, 64, 8, 1)),
        y: Storage("r0", n.expr, (256, 64, 8, 1)),
        total: Storage("r0", 0, (1,)),
    }
    return graph


def test_golden_text(update_golden: bool) -> None:
    text = print_graph(example())
    if update_golden:
        GOLDEN.parent.mkdir(parents=True, exist_ok=True)
        GOLDEN.write_text(text)
    assert text == GOLDEN.read_text()


def test_example_round_trips() -> None:
    graph = example()
    text = print_graph(graph)
    again = parse_graph(text, collect_weights(graph))
    assert print_graph(again) == text
    assert structural_key(again) == structural_key(graph)
    assert again.output_names == graph.output_names
    assert again.symbols == graph.symbols
    assert again.roots == graph.roots
    assert list(again.storages.values()) == list(graph.storages.values())
    assert [n.origins for n in again.nodes] == [n.origins for n in graph.nodes]
    assert [n.region for n in again.nodes] == [n.region for n in graph.nodes]


@given(graphs())
@settings(max_examples=150)
def test_random_graphs_round_trip(graph: Graph) -> None:
    verify_graph(graph)
    text = print_graph(graph)
    again = parse_graph(text, collect_weights(graph))
    verify_graph(again)
    assert print_graph(again) == text
    assert structural_key(again) == structural_key(graph)
    blank = parse_graph(text)
    assert print_graph(blank) == text


@pytest.mark.parametrize("kind", [d.name for d in DTYPES])
def test_literals_keep_every_bit(kind: str) -> None:
    special = np.array([math.nan, math.inf, -math.inf, 0.0, -0.0, 1.0, 1e-9, 3e4, 0.1])
    if dtype(kind).is_float:
        with np.errstate(all="ignore"):
            array = np.append(special, draw(np.random.default_rng(0), kind, (7,))).astype(
                dtype(kind).numpy
            )
    else:
        array = draw(np.random.default_rng(0), kind, (16,))
    check_literals(array)


@given(st.integers(0, 2**16 - 1))
def test_every_half_survives(bits: int) -> None:
    for kind in ("float16", "bfloat16"):
        check_literals(np.array([bits], np.uint16).view(dtype(kind).numpy))


@given(st.integers(0, 2**32 - 1))
def test_every_float_survives(bits: int) -> None:
    check_literals(np.array([bits], np.uint32).view(np.float32))


@given(st.integers(0, 255))
def test_every_float8_survives(bits: int) -> None:
    for kind in ("float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz"):
        check_literals(np.array([bits], np.uint8).view(dtype(kind).numpy))


def check_literals(array: Any) -> None:
    graph = Graph()
    b = GraphBuilder(graph)
    one = graph.constant(Constant(array[0].reshape(())))
    graph.set_outputs([b.constant(array), one])
    again = parse_graph(print_graph(graph))
    for old, new in zip(graph.outputs, again.outputs, strict=True):
        assert old.constant is not None
        assert new.constant is not None
        assert old.constant.array.tobytes() == new.constant.array.tobytes()
        assert old.type == new.type


@given(st.text(min_size=1, max_size=12))
def test_any_name_survives(name: str) -> None:
    graph = Graph(name)
    x = graph.add_input(name, Tensor(f32, ()))
    with GraphBuilder(graph).at(origins=(name,), region=name) as b:
        y = b.hint(name).op("neg", x)
    graph.set_outputs([y, x])
    graph.output_names = ["y", name + "!"]
    text = print_graph(graph)
    again = parse_graph(text)
    assert print_graph(again) == text
    assert again.inputs[0].name == name
    assert again.output_names == graph.output_names
    assert again.outputs[0].node is not None
    assert again.outputs[0].node.origins == (name,)


def test_print_node_is_one_line() -> None:
    node = example().outputs[0].node
    assert node is not None
    assert print_node(node) == "%fused = fused(%values) : f32[n] @r0+0[1]".replace("f32", "bf16")


def test_one_name_for_different_data_is_told_apart() -> None:
    graph = Graph()
    b = GraphBuilder(graph)
    for fill in (0, 0, 1, 2):
        b.constant(np.full(20, fill), "w")
    weights = collect_weights(graph)
    assert [(k, v.array[0]) for k, v in weights.items()] == [("w", 0), ("w.1", 1), ("w.2", 2)]
    again = parse_graph(print_graph(graph), weights)
    assert structural_key(again) == structural_key(graph)


def test_unnamed_large_constants_are_named_by_their_value() -> None:
    graph = Graph()
    graph.set_outputs([GraphBuilder(graph).hint("table").constant(np.arange(100))])
    assert "constant @table : i64[100]" in print_graph(graph)
    again = parse_graph(print_graph(graph), collect_weights(graph))
    assert structural_key(again) == structural_key(graph)


def test_placeholders_take_no_memory() -> None:
    graph = parse_graph("graph g() { %w = constant @w : f32[1000000, 1000000] return %w }")
    assert graph.outputs[0].constant is not None
    assert set(graph.outputs[0].constant.array.strides) == {0}


def test_indentation_and_blank_lines_do_not_matter() -> None:
    text = print_graph(example())
    assert print_graph(parse_graph(text.replace("\n", " \n\n\t  "))) == text
    assert print_graph(parse_graph("\n".join(line.strip() for line in text.split("\n")))) == text


HEAD = "graph g(%x: f32[2, 3]) {\n  "
BAD = [
    ("", "a graph is expected"),
    ("graf g() { return }", "a graph is expected"),
    ("graph g() { return } graph", "nothing is expected after"),
    (HEAD + "return %y }", "%y is not defined"),
    (HEAD + "%y = neg(%x) : f32[2, 3]", "is expected"),
    (HEAD + "%y = neg(%z) : f32[2, 3] return %y }", "line 2, column 12: %z is not defined"),
    (HEAD + "%y = negate(%x) : f32[2, 3] return %y }", "no op is named 'negate'"),
    (HEAD + "%y = neg(%x) : f32[3, 3] return %y }", r"%y has type f32\[2, 3\], not f32\[3, 3\]"),
    (HEAD + "%y = neg(%x) : f23[2, 3] return %y }", "no element type"),
    (HEAD + "%y = neg(%x, %x) : f32[2, 3] return %y }", "takes 1 operands, not 2"),
    (HEAD + "%y, %z = neg(%x) : f32[2, 3], f32[2, 3] return %y }", "has 1 results, not 2"),
    (HEAD + "%x = neg(%x) : f32[2, 3] return %x }", "%x is defined twice"),
    (HEAD + "%y = transpose(%x) : f32[3, 2] return %y }", "needs attribute perm"),
    (HEAD + "%y = transpose(%x) {perm=[0, 0]} : f32[3, 2] return %y }", "not a permutation"),
    (HEAD + "%y = transpose(%x) {perm=none} : f32[3, 2] return %y }", "is expected"),
    (HEAD + "%y = transpose(%x) {perm=[1, 0], perm=[1, 0]} : f32[3, 2] return %y }", "twice"),
    (HEAD + "%y = transpose(%x) {axes=[1, 0]} : f32[3, 2] return %y }", "no attribute axes"),
    (HEAD + "%y = cumsum(%x) {axis=0, reverse=1} : f32[2, 3] return %y }", "true or false"),
    (HEAD + "%y = reshape(%x) {shape=[n, 3]} : f32[2, 3] return %y }", "a declared symbol"),
    (HEAD + "%y = reshape(%x) {shape=[3, 2} : f32[2, 3] return %y }", "expected"),
    (HEAD + '%y = extern(%x) {function="sin"} : f32[2, 3] return %y }', "no extern function sin"),
    ("graph g() { symbol n in 5..1 return }", "no value between"),
    ("graph g() { symbol n in 1..5 symbol n in 1..5 return }", "declared twice"),
    ("graph g() { symbol min in 1..5 return }", "not an identifier"),
    ("graph g() { root r stack 4 return }", "no kind of root"),
    ("graph g() { root r arena 4\n root r arena 4\n return }", "declared twice"),
    ("graph g(%x: f32[n]) { return %x }", "a declared symbol"),
    ("graph g() { %c = constant 1 : f32[n] return %c }", "declared symbol"),
    ("graph g() { %c = constant 300 : u8[] return %c }", "do not fit"),
    ("graph g() { %c = constant -1 : u8[] return %c }", "do not fit"),
    ("graph g() { %c = constant 1.5 : i8[] return %c }", "do not fit"),
    ("graph g() { %c = constant maybe : bool[] return %c }", "number"),
    ("graph g() { %c = constant [1, 2] : i8[3] return %c }", "do not fit"),
    ("graph g() { %c = constant nan(0x1) : f32[] return %c }", "do not fit"),
    ("graph g() { %c = constant @w : f32[99999999999, 99999999999999] return %c }", "do not fit"),
    ('graph "g\n" { return }', r"a (name|quoted string)"),
    ("graph g(" + "[" * 5000, "expected"),
    (
        'graph g() { %y = extern() {function="nonzero", arguments={a=' + "[" * 5000,
        "nested too deep",
    ),
    (
        "graph g() { %y = fused() : f32[] {" + "graph g() { %y = fused() : f32[] {" * 40,
        "more than 32",
    ),
]


@pytest.mark.parametrize(("text", "message"), BAD, ids=[str(i) for i in range(len(BAD))])
def test_bad_text(text: str, message: str) -> None:
    with pytest.raises(InvalidText, match=message):
        parse_graph(text)


def test_missing_weight() -> None:
    with pytest.raises(InvalidText, match=r"line 1, column .*no weight w"):
        parse_graph("graph g() { %w = constant @w : f32[2] return %w }", {})


def test_weight_of_another_type() -> None:
    data = {"w": Constant(np.zeros(3, np.int64))}
    with pytest.raises(InvalidText, match=r"has type i64\[3\], not f32\[2\]"):
        parse_graph("graph g() { %w = constant @w : f32[2] return %w }", data)


@given(st.data())
@settings(max_examples=200)
def test_damaged_text_never_crashes(data: st.DataObject) -> None:
    text = print_graph(example())
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 20)))
    new = data.draw(st.text(alphabet='{}[]()%=@,.:+-*/ \n"0123456789abfnx', max_size=5))
    try:
        parse_graph(text[:start] + new + text[end:])
    except InvalidText as error:
        assert error.message.startswith("line ")


def test_symbols_of_the_same_name_in_types_and_i64() -> None:
    graph = Graph()
    graph.symbols["i64"] = Symbol("i64", 1, 4)
    x = graph.add_input("x", Tensor(i64, (graph.symbols["i64"].expr,)))
    graph.set_outputs([x])
    assert print_graph(parse_graph(print_graph(graph))) == print_graph(graph)
