"""Lines of source that fit: a statement too long for one line is broken inside its brackets."""

from __future__ import annotations

import re

LIMIT = 100
INDENT = "    "
_OPEN, _CLOSE = "([{", ")]}"
_KEYWORD = re.compile(r"\w+=(?!=)")  # of an argument; a comparison is none


def fit(text: str, depth: int, inside: bool = False) -> list[str]:
    """``text`` as lines of at most 100 columns at indentation ``depth``, broken in brackets.

    ``inside``: the text stands in brackets already, so it may break at its own operators.
    """
    line = INDENT * depth + text
    if len(line) <= LIMIT:
        return [line]
    summands = _split(text, (" + ", " - ", " & ", " | ")) if inside else [text]
    if len(summands) > 1:
        return [line for s in summands for line in fit(s, depth, True)]
    span = _widest_bracket(text)
    if span is None:
        return [line]
    start, end = span
    inner, comma = _pieces(text[start + 1 : end])
    lines = [INDENT * depth + text[: start + 1]]
    for piece in inner:
        lines += fit(piece + comma, depth + 1, True)
    return lines + [INDENT * depth + text[end:]]


def comment(text: str, depth: int) -> str:
    """One comment line, cut where it would be too long."""
    flat = " ".join(text.split())
    room = LIMIT - len(INDENT * depth) - 2
    if len(flat) > room:
        flat = flat[: room - 3].rstrip() + "..."
    return f"{INDENT * depth}# {flat}"


def _widest_bracket(text: str) -> tuple[int, int] | None:
    """The outermost round bracket with the longest content."""
    best: tuple[int, int] | None = None
    depth, start = 0, 0
    for at, char in enumerate(text):
        if char in _OPEN:
            if depth == 0:
                start = at
            depth += 1
        elif char in _CLOSE:
            depth -= 1
            wider = best is None or at - start > best[1] - best[0]
            if depth == 0 and char == ")" and at - start > 1 and wider:
                best = (start, at)
    return best


def _pieces(text: str) -> tuple[list[str], str]:
    """Split at outer commas, or else before outer operators; and what ends a piece."""
    commas = _split(text, (", ",))
    if len(commas) > 1 or _KEYWORD.match(commas[0]):
        return commas, ","
    return _split(text, (" + ", " - ", " & ", " | ")), ""


def _split(text: str, separators: tuple[str, ...]) -> list[str]:
    """Pieces of ``text`` between outer separators; operators stay at the start of their piece."""
    pieces, depth, start = [], 0, 0
    for at, char in enumerate(text):
        depth += (char in _OPEN) - (char in _CLOSE)
        if depth or not text.startswith(separators, at):
            continue
        pieces.append(text[start:at])
        start = at + (2 if char == "," else 1)
    pieces.append(text[start:])
    return [p for p in pieces if p]
