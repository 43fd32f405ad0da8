"""The trace of a compilation as text and JSON: pass table, diffs, remarks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from fusec.explain.units import human_bytes, shorten, table, wrap
from fusec.passes.manager import PassRecord, Trace
from fusec.passes.remarks import MISSED, Remark

DIFF_LINES = 20
TOP_MISSED = 10


def pass_table(trace: Trace) -> str:
    """One row a pass, in the order they ran."""
    head = ["pass", "changed", "nodes", "passed", "missed"]
    rows = [head]
    for record in trace.records:
        kinds = [r.kind for r in record.remarks]
        nodes = f"{record.nodes_before} -> {record.nodes_after}"
        passed, missed = kinds.count("passed"), kinds.count(MISSED)
        changed = "yes" if record.changed else "-"
        rows.append([record.name, changed, nodes, str(passed or "-"), str(missed or "-")])
    return table(rows, right=frozenset({3, 4}))


def diff_text(record: PassRecord, width: int, limit: int | None = DIFF_LINES) -> list[str]:
    """The diff of one pass, at most ``limit`` lines of it, cut to ``width``."""
    lines = [f"== {title(record)}"]
    shown = record.diff if limit is None else record.diff[:limit]
    lines += [shorten(line, width) for line in shown]
    left = len(record.diff) - len(shown)
    if left:
        lines.append(f"   ... {left} more lines: --pass {record.name} --diff")
    return lines


def title(record: PassRecord) -> str:
    """A pass with its effect."""
    return f"{record.name}: {record.nodes_before} -> {record.nodes_after} nodes"


def remarks_of(trace: Trace, kind: str | None = None) -> list[Remark]:
    """All remarks, or those of one kind, in order."""
    return [r for p in trace.records for r in p.remarks if kind is None or r.kind == kind]


def bytes_at_stake(remark: Remark) -> int:
    """What a missed fusion costs in bytes, as far as the remark says."""
    value = dict(remark.args).get("bytes", 0)
    return int(value) if isinstance(value, int | float) else 0


def missed_text(remarks: Sequence[Remark], width: int, limit: int | None = TOP_MISSED) -> list[str]:
    """Missed chances, most bytes first; the reason of each."""
    ranked = sorted(remarks, key=lambda r: -bytes_at_stake(r))
    shown = ranked if limit is None else ranked[:limit]
    lines: list[str] = []
    for remark in shown:
        stake = bytes_at_stake(remark)
        head = f"{human_bytes(stake):>9}" if stake else f"{'':>9}"
        lines.append(shorten(f"{head}  {remark.code}  {', '.join(remark.origins)}", width))
        lines += wrap(remark.message, width, " " * 11)
    if len(ranked) > len(shown):
        lines.append(f"... {len(ranked) - len(shown)} more: --missed")
    return lines


def trace_json(trace: Trace) -> dict[str, Any]:
    """The keys ``passes`` and ``remarks`` that `explain --format json` promises."""
    return {
        "passes": [
            {
                "name": r.name,
                "changed": r.changed,
                "nodes_before": r.nodes_before,
                "nodes_after": r.nodes_after,
                "diff": list(r.diff),
            }
            for r in trace.records
        ],
        "remarks": [remark_json(r) for r in remarks_of(trace)],
    }


def remark_json(remark: Remark) -> dict[str, Any]:
    """One remark as JSON data."""
    return {
        "kind": remark.kind,
        "pass": getattr(remark, "pass_name"),  # noqa: B009
        "code": remark.code,
        "origins": list(remark.origins),
        "message": remark.message,
        "args": dict(remark.args),
    }


def changed_records(trace: Trace) -> Iterator[PassRecord]:
    """The passes that changed the graph."""
    return (r for r in trace.records if r.changed)
