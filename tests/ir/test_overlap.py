"""Overlap of byte regions against sets of bytes; which nodes are aliases."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from fusec.ir import Graph, GraphBuilder, Root, Storage, Symbol, Tensor, f16, f32, verify_graph
from fusec.ir.overlap import Window, is_alias, overlaps, samples, window
from fusec.ir.sym import evaluate


@st.composite
def storages(draw: st.DrawFn) -> Window:
    rank = draw(st.integers(0, 3))
    shape = [draw(st.integers(0 if rank else 1, 4)) for _ in range(rank)]
    strides = [draw(st.sampled_from([-6, -1, 0, 1, 2, 3, 5, 6, 12, 24])) for _ in range(rank)]
    kind = draw(st.sampled_from([f16, f32]))
    offset = draw(st.integers(0, 60))
    return window(Tensor(kind, tuple(shape)), Storage("r", offset, tuple(strides)), {})


def bytes_of(w: Window) -> set[int]:
    found = {w.start} if w.size else set()
    for size, stride in w.levels:
        found = {b + i * stride for b in found for i in range(size)}
    return found


@given(storages(), storages())
@settings(max_examples=500)
def test_overlaps_agrees_with_bytes(a: Window, b: Window) -> None:
    assert overlaps(a, b) == bool(bytes_of(a) & bytes_of(b))
    if a.size:
        assert (a.low, a.high) == (min(bytes_of(a)), max(bytes_of(a)))


def test_large_interleaved_parts_need_no_enumeration() -> None:
    shape = Tensor(f32, (64, 128, 56, 56))
    strides = (256 * 3136, 3136, 56, 1)
    left = window(shape, Storage("r", 0, strides), {})
    right = window(shape, Storage("r", 128 * 3136, strides), {})
    shifted = window(shape, Storage("r", 127 * 3136, strides), {})
    assert not overlaps(left, right)
    assert overlaps(left, shifted)


def test_odd_large_layouts_count_as_overlapping() -> None:
    a = Window(0, ((300, 7), (300, 5), (4, 1)), 360000)
    b = Window(1, ((300, 11), (300, 5), (4, 1)), 360000)
    assert overlaps(a, b)


def test_samples_keep_to_the_declared_ranges() -> None:
    n = Symbol("n", 2, 64, 2)
    k = Symbol("k", 0, None, 1, n.expr)
    free = Symbol("m", 1, None, 4)
    found = samples([k, free, n])
    assert len(found) == 3
    for env in found:
        assert 2 <= env["n"] <= 64
        assert env["n"] % 2 == env["m"] % 4 == 0
        assert 0 <= env["k"] < evaluate(n.expr, env)
    assert samples([]) == [{}]


def test_alias_of_one_root_writes_nothing() -> None:
    graph = Graph()
    x = graph.add_input("x", Tensor(f32, (2, 3)))
    b = GraphBuilder(graph)
    y = b.op("reshape", x, shape=(6,))
    z = b.op("neg", y)
    graph.set_outputs([z])
    for name in ("r", "s"):
        graph.roots[name] = Root(name, "arena", 24)
    assert y.node is not None
    assert z.node is not None
    assert not is_alias(y.node, graph.storages)
    graph.storages[x] = Storage("r", 0, (3, 1))
    graph.storages[y] = Storage("r", 0, (1,))
    assert is_alias(y.node, graph.storages)
    assert not is_alias(z.node, graph.storages)
    graph.storages[y] = Storage("s", 0, (1,))
    assert not is_alias(y.node, graph.storages)
    verify_graph(graph)
