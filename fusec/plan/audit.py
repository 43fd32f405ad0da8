"""The auditor of memory plans: shares no code with the planner, and trusts nothing that it wrote.

Everything is recomputed from graph and storages, at several values of the symbols, in numbers.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from fusec.ir.graph import Graph, Node, Value
from fusec.ir.overlap import samples, window
from fusec.ir.storage import ARENA, MemoryPlan
from fusec.ir.sym import evaluate

Env = Mapping[str, int]


@dataclass(frozen=True)
class _Block:
    """A root in numbers: bytes [low, high) during launches [start, end]."""

    root: str
    low: int
    high: int
    start: int
    end: int


def audit(graph: Graph, plan: MemoryPlan) -> tuple[str, ...]:
    """Every fault of a plan as a sentence; empty when it is sound.

    Checked: each arena root has one lifetime and one offset; lifetimes cover every use; sizes
    cover every value; offsets are aligned and inside the arena; no two roots overlap in time and
    space; the lower bound is the largest sum of live bytes.
    """
    faults = list(_names(graph, plan))
    if faults:
        return tuple(faults)
    faults += _lifetimes(graph, plan)
    for env in samples(graph.symbols.values()):
        faults += _sizes(graph, plan, env)
        faults += _space(plan, env)
        faults += _bound(plan, env)
    return tuple(dict.fromkeys(faults))


def _names(graph: Graph, plan: MemoryPlan) -> Iterator[str]:
    for value in graph.values:
        if value not in graph.storages or graph.storages[value].root not in graph.roots:
            yield f"%{value.name} has no storage"
            return
    used = {graph.storages[value].root for value in graph.values}
    arena = {name for name, root in graph.roots.items() if root.kind == ARENA and name in used}
    for what, names in (
        ("lifetime", [life.root for life in plan.lifetimes]),
        ("offset", [name for name, _ in plan.offsets]),
    ):
        if len(set(names)) != len(names):
            yield f"a root has more than one {what}"
        for name in sorted(arena ^ set(names)):
            yield f"root {name} {f'has no {what}' if name in arena else 'is not in the arena'}"
    if plan.alignment < 1:
        yield f"an alignment of {plan.alignment} bytes"


# -- time ----------------------------------------------------------------------------------------


def _lifetimes(graph: Graph, plan: MemoryPlan) -> Iterator[str]:
    planned = {life.root: life for life in plan.lifetimes}
    for value, time in _touches(graph):
        life = planned.get(graph.storages[value].root)
        if life is not None and not life.start <= time <= life.end:
            yield (
                f"%{value.name} is used by launch {time}, outside the life of "
                f"{life.root} ({life.start} to {life.end})"
            )


def _touches(graph: Graph) -> Iterator[tuple[Value, int]]:
    """Each value with each launch that reads or writes it; outputs with the last one."""
    time = -1
    for node in graph.nodes:
        if _runs(graph, node):
            time += 1
            for value in (*node.operands, *node.results):
                yield value, time
    for value in graph.outputs:
        yield value, max(time, 0)


def _runs(graph: Graph, node: Node) -> bool:
    if node.is_constant:
        return False
    if not node.op.is_view:
        return True
    root = graph.storages[node.results[0]].root
    return any(graph.storages[v].root != root for v in node.operands)


# -- space ---------------------------------------------------------------------------------------


def _sizes(graph: Graph, plan: MemoryPlan, env: Env) -> Iterator[str]:
    """Roots hold their values, and the plan reserves the bytes of the roots."""
    for value, storage in graph.storages.items():
        room = evaluate(graph.roots[storage.root].nbytes, env)
        region = window(value.type, storage, env)
        if region.size and (region.low < 0 or region.high >= room):
            yield f"%{value.name} reaches outside root {storage.root} of {room} bytes"
    for life in plan.lifetimes:
        need, have = evaluate(graph.roots[life.root].nbytes, env), evaluate(life.nbytes, env)
        if have < need:
            yield f"root {life.root} needs {need} bytes, the plan has {have}"


def _blocks(plan: MemoryPlan, env: Env) -> list[_Block]:
    offsets = {name: evaluate(offset, env) for name, offset in plan.offsets}
    return [
        _Block(
            life.root,
            offsets[life.root],
            offsets[life.root] + evaluate(life.nbytes, env),
            life.start,
            life.end,
        )
        for life in plan.lifetimes
    ]


def _space(plan: MemoryPlan, env: Env) -> Iterator[str]:
    capacity = evaluate(plan.arena_bytes, env)
    blocks = _blocks(plan, env)
    for block in blocks:
        if block.low % plan.alignment:
            yield f"root {block.root} at {block.low} is not aligned to {plan.alignment} bytes"
        if block.low < 0 or block.high > capacity:
            yield f"root {block.root} reaches outside the arena of {capacity} bytes"
    yield from _overlaps([b for b in blocks if b.high > b.low and b.start <= b.end])


def _overlaps(blocks: list[_Block]) -> Iterator[str]:
    """Sweep over time with the live blocks in order of address; neighbours must not meet."""
    events = sorted(
        [(b.start, 1, i) for i, b in enumerate(blocks)]
        + [(b.end + 1, 0, i) for i, b in enumerate(blocks)]
    )
    live: list[tuple[int, int, int]] = []  # (low, high, index)
    for _, begins, i in events:
        block = blocks[i]
        key = (block.low, block.high, i)
        at = bisect_left(live, key)
        if not begins:
            del live[at]
            continue
        for low, high, other in live[max(0, at - 1) : at + 1]:
            if low < block.high and block.low < high:
                yield f"roots {blocks[other].root} and {block.root} overlap at launch {block.start}"
                return  # neighbours do not tell about the others any more
        insort(live, key)


def _bound(plan: MemoryPlan, env: Env) -> Iterator[str]:
    """The lower bound again: the largest sum, over launches, of live bytes rounded up."""
    step = plan.alignment
    changes: dict[int, int] = {}
    for life in plan.lifetimes:
        size = (evaluate(life.nbytes, env) + step - 1) // step * step
        changes[life.start] = changes.get(life.start, 0) + size
        changes[life.end + 1] = changes.get(life.end + 1, 0) - size
    total = most = 0
    for _, change in sorted(changes.items()):
        total += change
        most = max(most, total)
    claimed, capacity = evaluate(plan.lower_bound_bytes, env), evaluate(plan.arena_bytes, env)
    if claimed != most:
        yield f"the lower bound is {most} bytes, the plan says {claimed}"
    if capacity < most:
        yield f"an arena of {capacity} bytes is below the lower bound of {most}"
