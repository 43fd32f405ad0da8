"""Small plans for the tests of plan and runtime: every node of a graph as a kernel of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusec.codegen.printer import print_kernel
from fusec.ir import Constant, Graph, GraphBuilder, Node, Symbol, Tensor, Value, f32, symbol
from fusec.passes.assign_storage import AssignStorage
from fusec.passes.base import Context
from fusec.passes.plan_memory import PlanMemory
from fusec.plan import Golden, Plan, make_launches
from fusec.tile.kernel import INTERPRETER, Argument, Binary, Config, Kernel, Resources
from fusec.tile.lower import lower
from fusec.tile.program import Refusal, Role, TileProgram

Array = NDArray[Any]


def wrap(graph: Graph, nodes: Sequence[Node]) -> None:
    """Put each node into a ``fused`` node of its own; literals go inside."""
    for node in nodes:
        body = Graph("body")
        outer: list[Value] = []
        inner: list[Value] = []
        for value in node.operands:
            data = value.constant
            if data is not None and data.is_literal:
                inner.append(body.constant(data))
            else:
                inner.append(body.add_input(f"in{len(outer)}", value.type))
                outer.append(value)
        body.set_outputs(body.create(node.op, inner, node.attrs).results)
        names = [r.name for r in node.results]
        fused = graph.create(
            "fused", outer, {}, graphs=[body], names=names, origins=node.origins, before=node
        )
        graph.replace_node(node, fused.results)
    for node in graph.reversed_nodes:
        if node.is_constant and not node.result.uses:
            graph.erase(node)


def place(graph: Graph) -> Graph:
    """Run the two memory passes."""
    AssignStorage().run(graph, Context())
    PlanMemory().run(graph, Context())
    return graph


def kernel_of(node: Node, name: str) -> Kernel:
    """The kernel of a fused node at its storages, with a small interpreter config."""
    assert node.graph is not None
    storages = node.graph.storages
    program = lower(
        node.graphs[0],
        operands=[storages[v] for v in node.operands],
        results=[storages[v] for v in node.results],
    )
    assert not isinstance(program, Refusal), program
    return Kernel(name, program, (_config(program),), print_kernel(program, name))


def _config(program: TileProgram) -> Config:
    """Tiles of up to 16; of a FULL axis the whole extent, where tiles must divide, a divisor."""
    tiles = []
    for axis in program.axes:
        if axis.is_vector:
            extent = axis.extent if isinstance(axis.extent, int) else 16
            size = 16 if axis.masked else min(16, extent & -extent)
            whole = 1 << (extent - 1).bit_length()
            tiles.append((axis.name, whole if axis.role is Role.FULL else size))
    return Config(INTERPRETER, tuple(tiles), 4, 1)


def plan_of(graph: Graph, **fields: Any) -> Plan:
    """A plan of a placed graph: one kernel for each fused node."""
    fused = [n for n in graph.nodes if n.op.name == "fused"]
    kernels = tuple(kernel_of(node, f"k{i}") for i, node in enumerate(fused))
    names = {n.results[0].name: k.name for n, k in zip(fused, kernels, strict=True)}
    return Plan(graph, kernels, make_launches(graph, names), **fields)


def mlp(batch: int | Symbol = 4) -> Graph:
    """``relu(x @ w + b)`` twice, and the sum over the last dim: 6 kernels, 4 weights."""
    rng = np.random.default_rng(0)
    graph = Graph()
    rows: Any = batch
    if isinstance(batch, Symbol):
        graph.symbols[batch.name] = batch
        rows = symbol(batch.name, batch.lo, batch.hi, batch.divisor)
    build = GraphBuilder(graph)
    value = graph.add_input("x", Tensor(f32, (rows, 8)))
    for layer in range(2):
        weight = rng.standard_normal((8, 8)).astype(np.float32)
        bias = rng.standard_normal(8).astype(np.float32)
        w = graph.constant(Constant(weight, f"layer{layer}/weight"))
        b = graph.constant(Constant(bias, f"layer{layer}/bias"))
        value = build.op("matmul", value, w)
        value = build.op("add", value, b)
        value = build.op("maximum", value, build.literal(0.0, f32))
    total = build.op("reduce_sum", value, axes=(1,))
    graph.set_outputs([value, total])
    graph.output_names = ["features", "total"]
    wrap(graph, [n for n in graph.nodes if not n.is_constant])
    return graph


def mlp_reference(x: Array, graph: Graph) -> dict[str, Array]:
    """`mlp` in numpy, in float64."""
    del graph
    rng = np.random.default_rng(0)
    value = x.astype(np.float64)
    for _ in range(2):
        weight = rng.standard_normal((8, 8)).astype(np.float32)
        bias = rng.standard_normal(8).astype(np.float32)
        value = np.maximum(value @ weight + bias, 0)
    return {"features": value, "total": value.sum(axis=1)}


def with_everything() -> Plan:
    """A plan that has every kind of entry."""
    graph = place(mlp())
    rng = np.random.default_rng(1)
    x = rng.standard_normal((4, 8)).astype(np.float32)
    golden = Golden(
        {"x": x},
        {k: v.astype(np.float32) for k, v in mlp_reference(x, graph).items()},
        "numpy",
        np.__version__,
        1,
        {"features": 1e-5, "total": 2e-5},
    )
    plan = plan_of(
        graph,
        options={"level": 2, "passes": ["fuse", "assign-storage"], "dims": {"batch": [1, 8, 1]}},
        targets=("sm_80",),
        golden=golden,
        trace=({"pass": "fuse", "changed": True, "remarks": []}, {"pass": "assign-storage"}),
        producer={"fusec": "0", "torch": "2"},
        summary={"nodes_before": 9, "ratio": 0.5, "name": "ümlaut"},
    )
    first = replace(plan.kernels[0], binaries=(binary_of(plan.kernels[0]),))
    return replace(plan, kernels=(first, *plan.kernels[1:]))


def binary_of(kernel: Kernel) -> Binary:
    """Something that looks like machine code for sm_80."""
    return Binary(
        target="sm_80",
        format="cubin",
        data=b"\x7fELF" + bytes(range(256)),
        entry=kernel.name,
        arguments=(Argument("in0", "pointer", "f32", 16), Argument("batch", "integer", "i32")),
        grid=4,
        num_warps=4,
        shared_bytes=1024,
        resources=Resources(32, 0, 1024),
        config=Config("sm_80", kernel.configs[0].tiles, 4, 2),
        options=(("enable_fp_fusion", "True"),),
    )
