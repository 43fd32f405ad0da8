"""Passes on random graphs: they verify, compute the same, and have nothing left to do."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from fusec.ir import Graph, print_graph, verify_graph
from fusec.passes.base import Pass
from fusec.passes.manager import PassManager
from fusec.passes.pipeline import REQUIRED, pipeline
from fusec.passes.registry import make_pass
from tests.ir.graphs import inputs_of, seeded_graph
from tests.passes.cases import assert_same, assert_settled, run

SEEDS = range(120)
# Sums that were written as two may be added in another order; all else is exact.
TOLERANCE = {"canonicalize": 2e-6}
FRONT = tuple(p for p in pipeline(3) if p.name not in REQUIRED)
NAMES = tuple(dict.fromkeys(p.name for p in FRONT))


def _check(seed: int, passes: tuple[Pass, ...], tolerance: float) -> Graph:
    graph, reference = seeded_graph(seed), seeded_graph(seed)
    PassManager(passes).run(graph)
    verify_graph(graph)
    for n in (1, 3):
        with np.errstate(all="ignore"):
            found, wanted = (run(g, inputs_of(g, n, seed)) for g in (graph, reference))
        assert_same(found, wanted, tolerance)
    assert graph.output_names == reference.output_names
    return graph


@pytest.mark.parametrize("name", NAMES)
def test_one_pass(name: str) -> None:
    one = make_pass(name)
    for seed in SEEDS:
        assert_settled(one, _check(seed, (one,), TOLERANCE.get(name, 0.0)))


def test_all_passes() -> None:
    for seed in SEEDS:
        _check(seed + 1000, FRONT, 2e-6)


def test_any_order() -> None:
    names = itertools.cycle(itertools.permutations(NAMES[:4]))
    for seed, order in zip(SEEDS, names, strict=False):
        _check(seed + 2000, tuple(map(make_pass, order)), 2e-6)


def test_twice_gives_the_same_text() -> None:
    for seed in SEEDS[:20]:
        first, second = seeded_graph(seed), seeded_graph(seed)
        traces = [PassManager(FRONT).run(g).to_json_lines() for g in (first, second)]
        assert print_graph(first) == print_graph(second) and traces[0] == traces[1]
