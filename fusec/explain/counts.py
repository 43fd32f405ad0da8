"""What one run of a plan launches, moves and computes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from fusec.ir.graph import Graph, Node, Value
from fusec.ir.storage import WEIGHT
from fusec.ir.sym import evaluate
from fusec.plan import Plan
from fusec.tile.program import TileProgram

_NARROWING = ("slice", "gather")  # read as much as they give
_REARRANGING = ("reshape", "transpose", "reverse")  # read what is read of their result


@dataclass(frozen=True)
class Counts:
    """The figures of one plan; ``kernels`` counts device launches, externs included.

    With symbolic dims every figure is taken at the upper end of their ranges (at the lower end
    where there is none): ``at`` says at which sizes.
    """

    kernels: int
    distinct_kernels: int
    nodes_before: int
    nodes_after: int
    arena_bytes: int
    arena_lower_bound_bytes: int
    activation_bytes: int
    weight_bytes: int
    flops: int
    at: dict[str, int]

    def as_json(self) -> dict[str, Any]:
        """The keys that `optimize --json` and `inspect --json` promise."""
        data = asdict(self)
        return data if self.at else {k: v for k, v in data.items() if k != "at"}


def sizes_of(graph: Graph) -> dict[str, int]:
    """A size for each symbol: the top of its range, else its lowest size."""
    return {n: s.lo if s.hi is None else s.hi for n, s in graph.symbols.items()}


def count_plan(plan: Plan) -> Counts:
    """The figures of ``plan``."""
    at = sizes_of(plan.graph)
    kernels = {k.name: k for k in plan.kernels}
    moved, flops = 0, 0
    for launch, node in plan_launches(plan):
        kernel = kernels.get(launch)
        program = kernel.program if kernel is not None else None
        read, written = node_bytes(node, at)
        moved += read + written
        flops += node_flops(node, program, at)
    return Counts(
        kernels=len(plan.launches),
        distinct_kernels=len(plan.kernels),
        nodes_before=int(plan.summary.get("nodes_before", 0)),
        nodes_after=int(plan.summary.get("nodes_after", 0)),
        arena_bytes=evaluate(plan.memory.arena_bytes, at),
        arena_lower_bound_bytes=evaluate(plan.memory.lower_bound_bytes, at),
        activation_bytes=moved,
        weight_bytes=weight_bytes(plan.graph),
        flops=flops,
        at=at,
    )


def plan_launches(plan: Plan) -> Iterator[tuple[str, Node]]:
    """Each launch's kernel name (empty for externs and control) with its node, in order."""
    nodes = plan.nodes
    for launch in plan.launches:
        yield launch.kernel or "", nodes[launch.node]


def node_bytes(node: Node, at: Mapping[str, int]) -> tuple[int, int]:
    """Distinct bytes of non-constant operands read, and of results written, by one launch."""
    read: dict[object, int] = {}
    for index, value in enumerate(node.operands):
        if not is_weight(value):
            inner = node.graphs[0].inputs[index] if node.op.name == "fused" else value
            elements = elements_read(inner, at) if inner is not value else full_size(value, at)
            key = _place(value)
            size = elements * value.type.dtype.itemsize
            read[key] = min(
                full_size(value, at) * value.type.dtype.itemsize, read.get(key, 0) + size
            )
    written = sum(evaluate(r.type.nbytes, at) for r in node.results)
    return sum(read.values()), written


def full_size(value: Value, at: Mapping[str, int]) -> int:
    """Number of elements."""
    return evaluate(value.type.numel, at)


def elements_read(value: Value, at: Mapping[str, int]) -> int:
    """How much of a body's input its readers touch: all of it, but for slices and gathers."""
    total, full = 0, full_size(value, at)
    for use in value.uses:
        node = use.user
        if node is None or total >= full:
            return full
        if use.index == 0 and (node.op.name in _NARROWING):
            total += min(full, full_size(node.results[0], at))
        elif node.op.name in _REARRANGING:
            total += elements_read(node.results[0], at)
        else:
            return full
    return min(total, full)


def node_flops(node: Node, program: TileProgram | None, at: Mapping[str, int]) -> int:
    """Operations of one launch."""
    if program is not None:
        return evaluate(program.cost.flops, at)
    operands = [v.type for v in node.operands]
    return evaluate(node.op.flops(operands, [r.type for r in node.results], node.attrs), at)


def is_weight(value: Value) -> bool:
    """Whether a value is constant data, views of it included."""
    graph = value.graph
    storage = graph.storages.get(value)
    if storage is not None and storage.root in graph.roots:
        return graph.roots[storage.root].kind == WEIGHT
    node = value.node
    while node is not None and node.op.is_view:
        node = node.operands[0].node
    return node is not None and node.is_constant


def weight_bytes(graph: Graph) -> int:
    """Bytes of constant data, nested graphs included, equal tensors counted once by name."""
    sizes: dict[object, int] = {}
    for node in graph.nodes:
        data = node.results[0].constant if node.results else None
        if data is not None and not data.is_literal:
            sizes[data.name or id(data)] = int(data.array.nbytes)
        for nested in node.graphs:
            sizes[id(nested)] = weight_bytes(nested)
    return sum(sizes.values())


def _place(value: Value) -> object:
    """Equal for operands that are the same window of the same root."""
    storage = value.graph.storages.get(value)
    if storage is None:
        return id(value)
    return storage.root, storage.offset, storage.strides, value.type
