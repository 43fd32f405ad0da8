"""The trace of a compilation as text and JSON: pass table, diffs, remarks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fusec.errors import InvalidPlan
from fusec.explain.units import human_bytes, shorten, table, wrap
from fusec.passes.manager import PassRecord, Trace
from fusec.passes.remarks import MISSED, Remark
from fusec.plan import Plan

DIFF_LINES = 20  # shown of each pass
TOP_MISSED = 10


def trace_of(plan: Plan) -> Trace:
    """The trace that a plan holds; InvalidPlan when it is malformed."""
    try:
        return Trace(tuple(PassRecord.from_data(data) for data in plan.trace))
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidPlan(f"trace.jsonl is malformed: {error!r}") from None


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


def trace_text(trace: Trace, width: int, names: Sequence[str] = (), full: bool = False) -> str:
    """The pass table, diffs and top missed; or those of the passes in ``names`` only."""
    shown = [r for r in trace.records if not names or r.name in names]
    lines = [] if names else [pass_table(trace), ""]
    for record in shown:
        if record.changed:
            lines += [*diff_text(record, width, None if full else DIFF_LINES), ""]
        elif names:
            lines += [f"== {title(record)}: nothing changed", ""]
    missed = [r for record in shown for r in record.remarks if r.kind == MISSED]
    if missed:
        lines += ["missed, most bytes first:", *missed_text(missed, width)]
    return "\n".join(lines).rstrip()


def trace_json(trace: Trace, names: Sequence[str] = ()) -> dict[str, Any]:
    """The keys ``passes`` and ``remarks`` that `explain --format json` promises."""
    shown = [r for r in trace.records if not names or r.name in names]
    return {
        "passes": [
            {
                "name": r.name,
                "changed": r.changed,
                "nodes_before": r.nodes_before,
                "nodes_after": r.nodes_after,
                "diff": list(r.diff),
            }
            for r in shown
        ],
        "remarks": [r.to_data() for p in shown for r in p.remarks],
    }
