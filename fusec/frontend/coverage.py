"""The coverage report: what an import makes of each operator of a model."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

SUPPORTED, DECOMPOSED, UNSUPPORTED = "supported", "decomposed", "unsupported"


class NodeRecord(Protocol):
    """What became of one source node."""

    @property
    def node(self) -> str: ...

    @property
    def domain(self) -> str: ...

    @property
    def op(self) -> str: ...

    @property
    def status(self) -> str: ...

    @property
    def reason(self) -> str: ...


@dataclass(frozen=True)
class OperatorRow:
    """Nodes of one operator that fare alike. ``op`` has its domain in front unless the default."""

    op: str
    status: str
    reason: str
    nodes: tuple[str, ...]

    @property
    def count(self) -> int:
        """How many nodes."""
        return len(self.nodes)


@dataclass(frozen=True)
class Coverage:
    """One row for each operator and outcome, unsupported ones first, then by name.

    ``notes``: annotations of the file that contradict what its operators compute.
    """

    rows: tuple[OperatorRow, ...]
    notes: tuple[str, ...] = ()

    @property
    def is_complete(self) -> bool:
        """Whether the model can be imported."""
        return not any(row.status == UNSUPPORTED for row in self.rows)


def summarize(records: Iterable[NodeRecord], notes: Iterable[str] = ()) -> Coverage:
    """Group records by operator and outcome."""
    groups: dict[tuple[str, str, str], list[str]] = {}
    for r in records:
        op = f"{r.domain}::{r.op}" if r.domain else r.op
        groups.setdefault((op, r.status, r.reason), []).append(r.node)
    rows = [OperatorRow(*key, tuple(nodes)) for key, nodes in groups.items()]
    rows.sort(key=lambda row: (row.status != UNSUPPORTED, row.op, row.status, row.reason))
    return Coverage(tuple(rows), tuple(notes))
