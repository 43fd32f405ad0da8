"""Two plans side by side; their launches are matched by origins."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from fusec.explain.counts import Counts
from fusec.explain.kernel_list import KernelRow
from fusec.explain.units import human_bytes, shorten, table

_FIGURES = (
    "kernels",
    "distinct_kernels",
    "activation_bytes",
    "arena_bytes",
    "weight_bytes",
    "flops",
)
_COMPARED = ("kind", "bytes_read", "bytes_written", "flops", "registers", "spills", "shared_bytes")


@dataclass(frozen=True)
class Difference:
    """``changed``: pairs of launches with equal origins that differ in a figure."""

    figures: tuple[tuple[str, int, int], ...]
    only_a: tuple[KernelRow, ...]
    only_b: tuple[KernelRow, ...]
    changed: tuple[tuple[KernelRow, KernelRow], ...]

    @property
    def is_empty(self) -> bool:
        """Whether nothing differs."""
        same = all(a == b for _, a, b in self.figures)
        return same and not (self.only_a or self.only_b or self.changed)

    def as_json(self) -> dict[str, Any]:
        """The same as data."""
        return {
            "figures": {name: {"a": a, "b": b} for name, a, b in self.figures},
            "only_a": [row.as_json() for row in self.only_a],
            "only_b": [row.as_json() for row in self.only_b],
            "changed": [{"a": a.as_json(), "b": b.as_json()} for a, b in self.changed],
        }


def compare(
    counts: tuple[Counts, Counts], rows: tuple[list[KernelRow], list[KernelRow]]
) -> Difference:
    """What differs between plan A and plan B."""
    a, b = rows
    both = Counter(r.origins for r in a) & Counter(r.origins for r in b)
    paired_a, only_a = _split(a, both)
    paired_b, only_b = _split(b, both)
    changed = tuple((x, y) for x, y in zip(paired_a, paired_b, strict=True) if _differ(x, y))
    figures = tuple((f, getattr(counts[0], f), getattr(counts[1], f)) for f in _FIGURES)
    return Difference(figures, tuple(only_a), tuple(only_b), changed)


def _split(
    rows: list[KernelRow], both: Counter[tuple[str, ...]]
) -> tuple[list[KernelRow], list[KernelRow]]:
    """Rows with a partner in the other plan, sorted by origins; and the others, in order."""
    left = both.copy()
    paired, alone = [], []
    for row in rows:
        if left[row.origins] > 0:
            left[row.origins] -= 1
            paired.append(row)
        else:
            alone.append(row)
    return sorted(paired, key=lambda r: r.origins), alone


def _differ(a: KernelRow, b: KernelRow) -> bool:
    return any(getattr(a, name) != getattr(b, name) for name in _COMPARED)


def difference_text(difference: Difference, width: int) -> str:
    """Figures, then the launches that differ."""
    if difference.is_empty:
        return "no difference"
    rows = [["", "A", "B", "B - A"]]
    for name, a, b in difference.figures:
        show = human_bytes if name.endswith("bytes") else str
        rows.append([name, show(a), show(b), show(b - a) if b != a else "-"])
    lines = table(rows, right=frozenset({1, 2, 3})).splitlines()
    for mark, only in (("- ", difference.only_a), ("+ ", difference.only_b)):
        lines += [mark + _row_text(row) for row in only]
    for a_row, b_row in difference.changed:
        lines += ["- " + _row_text(a_row), "+ " + _row_text(b_row)]
    return "\n".join(shorten(line, width) for line in lines)


def _row_text(row: KernelRow) -> str:
    moved = human_bytes(row.bytes_read + row.bytes_written)
    return f"{row.name}  {row.kind}  {moved}  {', '.join(row.origins)}"
