"""Random networks through fuse, storages, memory plan and kernels, in Triton's interpreter."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fusec.compiler import make_kernels
from fusec.ir import evaluate_graph, verify_graph
from fusec.ir.reference import array_to_torch, to_numpy
from fusec.passes.base import Context
from fusec.passes.fuse import Fuse
from fusec.passes.registry import make_pass
from fusec.plan import Plan, make_launches
from fusec.plan.audit import audit
from fusec.runtime.session import Session
from tests.passes.network_graphs import Network
from tests.passes.test_fuse import count_candidates

TOLERANCE = {"float32": 1e-4, "float64": 1e-9, "float16": 2e-2, "bfloat16": 1e-1}
KINDS = [
    *(("float32", s) for s in (False, True)),
    *(("float64", s) for s in (False, True)),
    *(("float16", s) for s in (False, True)),
    ("bfloat16", False),
]
SEEDS = 4  # a kind


def compiled(net: Network) -> Plan:
    """The plan of a network; its graph is changed in place."""
    graph, context = net.graph, Context()
    wanted = count_candidates(graph)
    assert Fuse().run(graph, context)
    assert len([r for r in context.remarks if r.kind != "analysis"]) == wanted
    assert not Fuse().run(graph, Context())
    for name in ("eliminate-dead-code", "assign-storage", "plan-memory"):
        make_pass(name).run(graph, Context())
        verify_graph(graph)
    assert graph.memory is not None
    assert audit(graph, graph.memory) == ()
    names, kernels = make_kernels(graph, (), "ieee")
    return Plan(graph, kernels, make_launches(graph, names))


def assert_close(found: torch.Tensor, wanted: torch.Tensor, tolerance: float) -> None:
    assert found.shape == wanted.shape and found.dtype == wanted.dtype
    if not wanted.is_floating_point():
        assert torch.equal(found, wanted)
        return
    x, y = found.double(), wanted.double()
    assert torch.equal(x.isnan(), y.isnan()) and torch.equal(x.isinf(), y.isinf())
    x, y = x.nan_to_num(), y.nan_to_num()
    assert float((x - y).norm()) <= tolerance * max(float(y.norm()), 1e-2 * y.numel() ** 0.5)


@pytest.mark.parametrize(("kind", "symbolic"), KINDS)
@pytest.mark.parametrize("seed", range(SEEDS))
def test_kernels_compute_what_the_graph_means(kind: str, symbolic: bool, seed: int) -> None:
    net = Network(seed, kind, symbolic=symbolic)
    sizes = ((1, 1), (3, 33)) if symbolic else ((0, 0),)
    envs = [dict(zip(("batch", "keys"), s, strict=True)) if symbolic else {} for s in sizes]
    inputs = [net.operands(env, seed) for env in envs]
    wanted = [evaluate_graph(net.graph, i, env) for i, env in zip(inputs, envs, strict=True)]
    session = Session(compiled(net), "interpreter", poison=True)
    for env, tensors, expected in zip(envs, inputs, wanted, strict=True):
        values = zip(net.graph.inputs, tensors, strict=True)
        found = session.run({v.name: to_numpy(x, v.type.dtype) for v, x in values}, symbols=env)
        for output, array, y in zip(net.graph.outputs, found.values(), expected, strict=True):
            x = array_to_torch(np.ascontiguousarray(array).reshape(y.shape), output.type.dtype)
            assert_close(x, y, TOLERANCE[kind])
