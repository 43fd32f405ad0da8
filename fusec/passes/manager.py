"""The pass manager: runs passes in order and owns everything between them.

Between two passes it verifies, times, counts, records what changed, and calls the caller's check.
"""

from __future__ import annotations

import gc
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from fusec.errors import VerificationError
from fusec.ir.graph import Graph
from fusec.ir.verify import verify_graph
from fusec.passes.base import Context, Options, Pass
from fusec.passes.changes import Change, Snapshot, diff_lines
from fusec.passes.remarks import Remark

Check = Callable[[Graph, str], None]  # the graph after a pass that changed it, the pass's name
Observe = Callable[[Graph, "PassRecord"], None]


@dataclass(frozen=True)
class PassRecord:
    """One run of one pass. Nodes are counted without constants, nested graphs not counted."""

    name: str
    options: tuple[tuple[str, Any], ...]
    changed: bool
    nodes_before: int
    nodes_after: int
    changes: tuple[Change, ...]
    remarks: tuple[Remark, ...]
    seconds: float = field(default=0.0, compare=False)  # not in `to_data`: plans hold no times

    @cached_property
    def diff(self) -> tuple[str, ...]:
        """What changed, by SSA identity: ``@`` rule, ``-`` removed, ``+`` added, ``~`` updated."""
        return tuple(diff_lines(self.changes))

    def to_data(self) -> dict[str, Any]:
        """As JSON data, without the time."""
        return {
            "pass": self.name,
            "options": dict(self.options),
            "changed": self.changed,
            "nodes_before": self.nodes_before,
            "nodes_after": self.nodes_after,
            "changes": [c.to_data() for c in self.changes],
            "remarks": [r.to_data() for r in self.remarks],
        }

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> PassRecord:
        """The inverse of `to_data`; KeyError or TypeError when it is malformed."""
        return cls(
            data["pass"],
            tuple(data["options"].items()),
            data["changed"],
            data["nodes_before"],
            data["nodes_after"],
            tuple([Change.from_data(c) for c in data["changes"]]),
            tuple([Remark.from_data(r) for r in data["remarks"]]),
        )


@dataclass(frozen=True)
class Trace:
    """The records of one run of a `PassManager`, in order."""

    records: tuple[PassRecord, ...] = ()

    @property
    def seconds(self) -> float:
        """Spent inside passes."""
        return sum(r.seconds for r in self.records)

    def to_json_lines(self) -> str:
        """One line a pass; the same compilation gives the same bytes."""
        return "".join(
            json.dumps(r.to_data(), ensure_ascii=False, separators=(",", ":")) + "\n"
            for r in self.records
        )

    @classmethod
    def from_json_lines(cls, lines: Iterable[str]) -> Trace:
        """The inverse of `to_json_lines`; ValueError, KeyError or TypeError when malformed."""
        return cls(tuple([PassRecord.from_data(json.loads(x)) for x in lines if x.strip()]))


class PassManager:
    """Runs ``passes`` in order.

    ``verify``: check the structure of the graph before the first pass and after each that changed
    it, and that passes say truthfully whether they did. ``check``: called after each pass that
    changed the graph; it raises to stop. ``observe``: called after each pass.
    """

    def __init__(
        self,
        passes: Sequence[Pass],
        options: Options = Options(),  # noqa: B008  (it is frozen)
        *,
        verify: bool = True,
        check: Check | None = None,
        observe: Observe | None = None,
    ) -> None:
        self.passes = tuple(passes)
        self.options = options
        self.verify = verify
        self.check = check
        self.observe = observe

    def run(self, graph: Graph) -> Trace:
        """Transform the graph in place.

        VerificationError: the graph was broken before, or a pass broke it or lied about it.
        """
        if self.verify:
            verify_graph(graph)
        records = []
        snapshot = Snapshot(graph)
        for one in self.passes:
            with _frozen_heap():
                record, snapshot = self._run(one, graph, snapshot)
            records.append(record)
            if record.changed and self.check is not None:
                self.check(graph, one.name)
            if self.observe is not None:
                self.observe(graph, record)
        return Trace(tuple(records))

    def _run(self, one: Pass, graph: Graph, before: Snapshot) -> tuple[PassRecord, Snapshot]:
        nodes_before = count_nodes(graph)
        context = Context(one.name, self.options)
        start = time.perf_counter()
        changed = one.run(graph, context)
        seconds = time.perf_counter() - start
        after = Snapshot(graph)
        if self.verify:
            _check_truthful(one, changed, before, after)
        if changed:
            context.recorder.complete(one.name, before, after)
            self._verify(one, graph)
        counts = nodes_before, count_nodes(graph)
        found = tuple(context.changes), tuple(context.remarks)
        return PassRecord(one.name, one.options, changed, *counts, *found, seconds), after

    def _verify(self, one: Pass, graph: Graph) -> None:
        if not self.verify:
            return
        try:
            verify_graph(graph)
        except VerificationError as error:
            raise VerificationError(f"after pass {one.name}: {error.message}") from error


@contextmanager
def _frozen_heap() -> Iterator[None]:
    """Spare what exists from the garbage collector's scans.

    A pass makes many small objects beside a large graph; scanning the graph again and again would
    make passes slower than linear.
    """
    if gc.get_freeze_count():
        yield  # somebody else froze the heap: it is theirs to thaw
        return
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def count_nodes(graph: Graph) -> int:
    """Nodes of a graph that are not constants, nested graphs not counted."""
    return sum(not node.is_constant for node in graph.nodes)


def _check_truthful(one: Pass, changed: bool, before: Snapshot, after: Snapshot) -> None:
    if changed != (before != after):
        said, did = ("a change", "nothing") if changed else ("no change", "something")
        raise VerificationError(f"pass {one.name} reports {said}, but changed {did}")
