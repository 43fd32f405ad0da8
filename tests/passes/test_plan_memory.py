"""`plan-memory`: offsets of arena roots, checked by the auditor and against brute force."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusec.errors import UsageError
from fusec.ir import Graph, GraphBuilder, Lifetime, Symbol, Tensor, f32, symbol
from fusec.ir.launches import launch_nodes
from fusec.ir.sym import evaluate
from fusec.passes.assign_storage import AssignStorage
from fusec.passes.base import Context
from fusec.passes.memory.free_list import Interval, sweep
from fusec.passes.memory.offsets import lower_bound, place
from fusec.passes.plan_memory import PlanMemory, plan_memory
from fusec.plan import audit
from tests.passes.memory_graphs import graphs


def buffers(most: int, horizon: int = 12, sizes: int = 20) -> st.SearchStrategy[list[Interval]]:
    one = st.tuples(st.integers(0, horizon), st.integers(0, 5), st.integers(1, sizes)).map(
        lambda t: (t[0], t[0] + t[1], t[2])
    )
    return st.lists(one, max_size=most)


def check_placement(placed: Sequence[int], given: Sequence[Interval], height: int) -> None:
    """No two buffers meet in time and space; nothing reaches outside."""
    for i, (start, end, size) in enumerate(given):
        assert placed[i] >= 0
        assert placed[i] + size <= height
        for j in range(i):
            meets = given[j][0] <= end and start <= given[j][1]
            apart = placed[i] + size <= placed[j] or placed[j] + given[j][2] <= placed[i]
            assert apart or not meets, (i, j)


def live_bytes(given: Sequence[Interval]) -> int:
    times = range(max((e for _, e, _ in given), default=0) + 1)
    return max((sum(n for s, e, n in given if s <= t <= e) for t in times), default=0)


def optimum(given: Sequence[Interval]) -> int:
    """The least height: some order, each at the lowest place that is free, is optimal."""
    best = sum(size for _, _, size in given)
    for order in permutations(range(len(given))):
        placed: dict[int, int] = {}
        for i in order:
            start, end, size = given[i]
            taken = sorted(
                (placed[j], placed[j] + given[j][2])
                for j in placed
                if given[j][0] <= end and start <= given[j][1]
            )
            at = 0
            for low, high in taken:
                if low >= at + size:
                    break
                at = max(at, high)
            placed[i] = at
        best = min(best, max((placed[i] + given[i][2] for i in placed), default=0))
    return best


@given(buffers(40))
def test_placements_are_sound(given: list[Interval]) -> None:
    result = place(given)
    check_placement(result.offsets, given, result.height)
    assert result.lower_bound == lower_bound(given) == live_bytes(given)
    assert result.height >= result.lower_bound
    assert place(given) == result


@given(buffers(30), st.booleans(), st.booleans())
def test_sweeps_are_sound(given: list[Interval], best_fit: bool, backwards: bool) -> None:
    offsets = sweep(given, best_fit=best_fit, backwards=backwards)
    check_placement(offsets, given, sum(size for _, _, size in given))


@settings(max_examples=60)
@given(buffers(6, horizon=5, sizes=9))
def test_few_buffers_are_placed_optimally(given: list[Interval]) -> None:
    assert place(given).height == optimum(given)


def test_no_buffers_need_no_arena() -> None:
    assert place([]).height == 0
    assert plan_memory([]).arena_bytes == 0


def network(count: int, seed: int) -> list[Interval]:
    """Lifetimes as networks have them: mostly short, some skip connections."""
    rng = random.Random(seed)
    lives = [rng.choice([1, 1, 1, 1, 2, 3, 10, 60]) for _ in range(count)]
    return [(i, i + life, 256 * rng.randrange(1, 4000)) for i, life in enumerate(lives)]


def test_network_like_lifetimes_come_close_to_the_bound() -> None:
    for seed in range(3):
        result = place(network(1000, seed))
        assert result.height <= 1.09 * result.lower_bound


@pytest.mark.parametrize("shape", ["network", "all at once", "nested"])
def test_ten_thousand_buffers_take_a_moment(shape: str) -> None:
    given = {
        "network": network(10_000, 1),
        "all at once": [(0, 10**6, 256 * i) for i in range(1, 10_001)],
        "nested": [(i, 30_000 - i, 256 * (1 + i % 7)) for i in range(10_000)],
    }[shape]
    start = time.process_time()
    result = place(given)
    assert time.process_time() - start < 2.5
    assert result.height <= 1.05 * result.lower_bound


# -- on graphs -------------------------------------------------------------------------------------


def planned(graph: Graph, alignment: int = 256) -> Graph:
    AssignStorage().run(graph, Context())
    PlanMemory(alignment).run(graph, Context())
    return graph


@given(graphs(), st.sampled_from([1, 64, 256]))
def test_random_graphs_pass_the_audit(graph: Graph, alignment: int) -> None:
    planned(graph, alignment)
    assert graph.memory is not None
    assert audit(graph, graph.memory) == ()
    assert not PlanMemory(alignment).run(graph, Context())


def chain(length: int) -> Graph:
    graph = Graph()
    build = GraphBuilder(graph)
    value = graph.add_input("x", Tensor(f32, (100,)))
    for _ in range(length):
        value = build.op("neg", value)
    graph.set_outputs([value])
    return graph


def test_a_chain_needs_two_buffers() -> None:
    memory = planned(chain(9)).memory
    assert memory is not None
    assert memory.arena_bytes == memory.lower_bound_bytes == 1024
    assert memory.lifetimes[1] == Lifetime("r1", 400, 1, 2)


def test_an_alias_keeps_its_root_alive() -> None:
    graph = Graph()
    build = GraphBuilder(graph)
    x = graph.add_input("x", Tensor(f32, (64,)))
    y = build.op("exp", x)
    part = build.op("slice", y, starts=(8,), sizes=(8,), steps=(1,))
    z = build.op("neg", x)
    for _ in range(3):
        z = build.op("neg", z)
    graph.set_outputs([build.op("neg", z), build.op("neg", part)])
    planned(graph)
    assert graph.memory is not None
    assert graph.memory.lifetimes[0] == Lifetime("r0", 256, 0, 6)
    assert len(launch_nodes(graph)) == 7


def test_what_an_output_reads_lives_to_the_end() -> None:
    graph = Graph()
    build = GraphBuilder(graph)
    x = graph.add_input("x", Tensor(f32, (8, 8)))
    turned = build.op("transpose", build.op("exp", x), perm=(1, 0))
    graph.set_outputs([build.op("neg", build.op("abs", x)), turned])
    planned(graph)
    assert graph.memory is not None
    assert graph.memory.lifetimes[0].end == 2


def test_it_needs_storages() -> None:
    with pytest.raises(UsageError, match="has no storage"):
        PlanMemory().run(chain(2), Context())


# -- symbols ---------------------------------------------------------------------------------------


def symbolic(hi: int | None) -> Graph:
    graph = Graph()
    graph.symbols["n"] = Symbol("n", 1, hi)
    n = symbol("n", 1, hi)
    build = GraphBuilder(graph)
    x = graph.add_input("x", Tensor(f32, (n, 33)))
    a = build.op("exp", x)
    b = build.op("concat", a, x, axis=1)
    c = build.op("reduce_sum", b, axes=(1,))
    d = build.op("reduce_max", b, axes=(1,))
    e = build.op("add", c, d)
    graph.set_outputs([build.op("neg", build.op("neg", e))])
    return planned(graph)


def test_bounded_sizes_count_with_their_bound() -> None:
    graph = symbolic(16)
    assert graph.memory is not None
    assert audit(graph, graph.memory) == ()
    assert graph.memory.arena_bytes == graph.memory.lower_bound_bytes
    assert graph.memory.lifetimes[0].nbytes == 16 * 33 * 4


def test_unbounded_sizes_give_offsets_as_expressions() -> None:
    graph = symbolic(None)
    memory = graph.memory
    assert memory is not None
    assert audit(graph, memory) == ()
    small, large = (evaluate(memory.arena_bytes, {"n": n}) for n in (1, 1000))
    assert small < large
    assert evaluate(memory.lower_bound_bytes, {"n": 1000}) <= large
    assert not PlanMemory().run(graph, Context())


# -- the auditor -----------------------------------------------------------------------------------


def test_the_audit_finds_each_planted_fault() -> None:
    graph = planned(chain(6))
    memory = graph.memory
    assert memory is not None
    lives, offsets = memory.lifetimes, memory.offsets
    moved = tuple((name, 0) for name, _ in offsets)
    odd = ((offsets[0][0], 8), *offsets[1:])
    shorter = (replace(lives[0], end=0), *lives[1:])
    smaller = (replace(lives[0], nbytes=4), *lives[1:])
    for fault, words in (
        (replace(memory, offsets=moved), "overlap"),
        (replace(memory, offsets=odd), "not aligned"),
        (replace(memory, offsets=offsets[1:]), "has no offset"),
        (replace(memory, offsets=(*offsets, ("zz", 0))), "is not in the arena"),
        (replace(memory, offsets=(*offsets, offsets[0])), "more than one offset"),
        (replace(memory, lifetimes=lives[1:]), "has no lifetime"),
        (replace(memory, lifetimes=shorter), "outside the life"),
        (replace(memory, lifetimes=smaller), "needs 400 bytes, the plan has 4"),
        (replace(memory, arena_bytes=512), "outside the arena"),
        (replace(memory, lower_bound_bytes=512), "the lower bound is 1024 bytes"),
        (replace(memory, alignment=0), "alignment"),
    ):
        assert any(words in text for text in audit(graph, fault)), words


def test_the_audit_finds_a_value_outside_its_root() -> None:
    graph = planned(chain(3))
    assert graph.memory is not None
    value = launch_nodes(graph)[0].results[0]
    graph.storages[value] = replace(graph.storages[value], offset=1)
    assert any("reaches outside root" in text for text in audit(graph, graph.memory))
