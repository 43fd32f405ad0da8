"""Every kernel of random graphs computes its body, and the whole graph stays the same.

Kernels run whole (`tests.tile.simulate`); those of a sample run tile by tile in the interpreter.
"""

from __future__ import annotations

from collections import Counter

import pytest
import torch

from fusec.codegen.interpret import launch_interpreted
from fusec.ir import Graph, evaluate_graph, verify_graph
from fusec.passes.manager import PassManager
from fusec.passes.pipeline import pipeline
from fusec.tile.candidates import interpreter_config
from fusec.tile.lower import lower
from fusec.tile.program import TileProgram
from tests.passes.random_graphs import random_graph
from tests.tile.simulate import simulate

SEEDS = range(3000, 3060)
INTERPRETED = range(3000, 3012)


def draw(graph: Graph, seed: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [
        torch.randn([int(str(d)) for d in v.type.shape], generator=generator) for v in graph.inputs
    ]


def bodies(seed: int) -> list[Graph]:
    graph = random_graph(seed, 24)
    PassManager(pipeline(2)).run(graph)
    verify_graph(graph)
    inputs, source = draw(graph, seed), random_graph(seed, 24)
    wanted = evaluate_graph(source, inputs)
    for found, expected in zip(evaluate_graph(graph, inputs), wanted, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4, equal_nan=True)
    return [n.graphs[0] for n in graph.nodes if n.op.name == "fused"]


def lowered(body: Graph) -> TileProgram:
    program = lower(body)
    assert isinstance(program, TileProgram), program
    return program


def test_kernels_compute_their_bodies() -> None:
    kinds: Counter[str] = Counter()
    for seed in SEEDS:
        for body in bodies(seed):
            program, operands = lowered(body), draw(body, seed)
            kinds[program.kind] += 1
            for found, wanted in zip(
                simulate(program, operands), evaluate_graph(body, operands), strict=True
            ):
                torch.testing.assert_close(found, wanted, rtol=2e-4, atol=2e-4, equal_nan=True)
    assert min(kinds[k] for k in ("contraction", "reduction", "move", "window", "pointwise")) > 20


@pytest.mark.parametrize("seed", INTERPRETED)
def test_tiles_compute_what_the_whole_does(seed: int) -> None:
    for body in bodies(seed):
        program, operands = lowered(body), draw(body, seed)
        wanted = evaluate_graph(body, operands)
        results = [torch.full_like(w.contiguous(), float("nan")) for w in wanted]
        buffers = [b.name for b in (*program.operands, *program.results)]
        tensors = dict(zip(buffers, [*operands, *results], strict=True))
        launch_interpreted(program, "kernel", interpreter_config(program), tensors, {})
        for found, expected in zip(results, wanted, strict=True):
            torch.testing.assert_close(found, expected, rtol=2e-4, atol=2e-4, equal_nan=True)
