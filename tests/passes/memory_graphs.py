"""Random graphs of launches and aliases with sizes of their own, for the tests of memory passes."""

from __future__ import annotations

from hypothesis import strategies as st

from fusec.ir import Graph, GraphBuilder, Tensor, Value, f32


@st.composite
def graphs(draw: st.DrawFn, most: int = 24) -> Graph:
    """Rank-1 values; ``concat``, ``pad`` and ``neg`` run, ``slice`` and ``reshape`` are aliases."""
    graph = Graph()
    build = GraphBuilder(graph)
    values = [graph.add_input("x", Tensor(f32, (draw(st.integers(1, 90)),)))]
    for _ in range(draw(st.integers(1, most))):
        values.append(_step(draw, build, values))
    count = draw(st.integers(1, min(3, len(values) - 1)))
    outputs = draw(st.permutations(values[1:]))[:count]
    graph.set_outputs(outputs)
    return graph


def _step(draw: st.DrawFn, build: GraphBuilder, values: list[Value]) -> Value:
    recent = values[-6:]
    x = draw(st.sampled_from(recent))
    (size,) = x.type.shape
    assert isinstance(size, int)
    kind = draw(st.sampled_from(["neg", "neg", "concat", "pad", "slice", "reshape", "shrink"]))
    if kind == "concat" and size < 4000:
        return build.op("concat", x, draw(st.sampled_from(recent)), axis=0)
    if kind == "pad" and size < 4000:
        return build.op("pad", x, padding=((draw(st.integers(0, 300)), 0),), value=0.0)
    if kind in ("slice", "shrink"):
        start = draw(st.integers(0, size - 1))
        sizes = (draw(st.integers(1, size - start)),)
        piece = build.op("slice", x, starts=(start,), sizes=sizes, steps=(1,))
        return build.op("neg", piece) if kind == "shrink" else piece
    if kind == "reshape":
        return build.op("reshape", x, shape=(size,))
    return build.op("neg", x)
