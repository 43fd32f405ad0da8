"""The story of source nodes: each pass that touched them, and the kernel they ended in."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

from fusec.explain.counts import plan_launches
from fusec.explain.pass_table import trace_of
from fusec.explain.units import shorten
from fusec.passes.changes import Change, Line
from fusec.plan import Plan

_ORIGIN = re.compile(r'"((?:[^"\\]|\\.)*)"')


def matches(pattern: str, names: Sequence[str]) -> bool:
    """Whether the pattern, exact or a glob, names one of ``names``."""
    return any(name == pattern or fnmatchcase(name, pattern) for name in names)


def node_story(plan: Plan, pattern: str) -> dict[str, Any]:
    """Changes and remarks by pass, and the kernels, of the source nodes that ``pattern`` names."""
    passes = []
    for record in trace_of(plan).records:
        changes = [c for c in record.changes if matches(pattern, c.origins)]
        remarks = [r for r in record.remarks if matches(pattern, r.origins)]
        if changes or remarks:
            passes.append(
                {
                    "name": record.name,
                    "changes": [_only(pattern, c).to_data() for c in changes],
                    "remarks": [r.to_data() for r in remarks],
                }
            )
    kernels = [
        {"launch": i, "name": name or node.op.name, "origins": list(node.origins)}
        for i, (name, node) in enumerate(plan_launches(plan))
        if matches(pattern, node.origins)
    ]
    return {"node": pattern, "passes": passes, "kernels": kernels}


def _only(pattern: str, change: Change) -> Change:
    """A change without the lines of other source nodes, where some lines are of this one."""

    def kept(lines: tuple[Line, ...]) -> tuple[Line, ...]:
        return tuple(x for x in lines if matches(pattern, _ORIGIN.findall(x.text)))

    parts = kept(change.removed), kept(change.added), kept(change.updated)
    return (
        replace(change, removed=parts[0], added=parts[1], updated=parts[2])
        if any(parts)
        else change
    )


def story_text(story: dict[str, Any], width: int) -> str:
    """The story for people."""
    lines = [story["node"]]
    for entry in story["passes"]:
        lines.append(f"  {entry['name']}")
        for change in entry["changes"]:
            lines.append(f"    @ {change['rule']}")
            for sign, key in (("-", "removed"), ("+", "added"), ("~", "updated")):
                lines += [f"    {sign} {text}" for _, text in change.get(key, ())]
        for remark in entry["remarks"]:
            lines.append(f"    {remark['kind']} {remark['code']}: {remark['message']}")
    for kernel in story["kernels"]:
        lines.append(f"  launch {kernel['launch']}: kernel {kernel['name']}")
    if not story["kernels"]:
        lines.append("  no kernel computes it: it was folded into constants or removed")
    return "\n".join(shorten(line, width) for line in lines)


def is_known(story: dict[str, Any]) -> bool:
    """Whether anything in the trace or the plan came from a source node of that name."""
    return bool(story["passes"] or story["kernels"])
