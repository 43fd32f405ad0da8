"""Numbers for people."""

from __future__ import annotations

import textwrap


def human_bytes(count: int) -> str:
    """Decimal units, as in 5.2 MB; whole bytes below 1 kB."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if abs(value) < 1000:
            return f"{int(value)} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def human_flops(count: int) -> str:
    """Operations, as in 8.2 GFLOP."""
    value = float(count)
    for unit in ("", "k", "M", "G", "T"):
        if abs(value) < 1000 or unit == "T":
            return f"{int(value)} FLOP" if not unit else f"{value:.1f} {unit}FLOP"
        value /= 1000
    raise AssertionError


def human_seconds(seconds: float) -> str:
    """As in 340 ms, 2.1 s or 3 min."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def table(rows: list[list[str]], *, right: frozenset[int] = frozenset(), indent: str = "") -> str:
    """Rows as aligned columns; the columns in ``right`` are numbers. The first row is the head."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [
            f"{cell:>{w}}" if i in right else f"{cell:<{w}}"
            for i, (cell, w) in enumerate(zip(row, widths))
        ]
        lines.append((indent + "  ".join(cells)).rstrip())
    return "\n".join(lines)


def shorten(text: str, width: int) -> str:
    """``text``, cut with an ellipsis when it is longer than ``width``."""
    return text if len(text) <= width else text[: max(1, width - 3)] + "..."


def wrap(text: str, width: int, indent: str) -> list[str]:
    """Lines of at most ``width`` columns, each indented; long words are broken."""
    return textwrap.wrap(text, width, initial_indent=indent, subsequent_indent=indent) or [indent]
