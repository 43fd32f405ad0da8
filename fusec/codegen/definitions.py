"""The named index values of a kernel: program ids, axis indices, their masks, parts, positions.

Statements are printed first and say which names they use; a definition is printed only if something
uses it, at the top of the kernel, or at the top of each loop that it depends on.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Definition:
    """``name = text``; ``uses``: the definitions it reads; ``loop``: its loop's axis."""

    name: str
    text: str
    uses: frozenset[str]
    loop: str | None


class Definitions:
    """Every name that could be defined, in an order in which each comes after what it uses."""

    def __init__(self) -> None:
        self._table: dict[str, Definition] = {}

    def add(self, name: str, text: str, uses: frozenset[str], loop: str | None = None) -> None:
        """Declare a name; ``loop`` defaults to the loop of what it uses (at most one)."""
        for used in sorted(uses):
            if loop is None and used in self._table:
                loop = self._table[used].loop
        self._table[name] = Definition(name, text, uses, loop)

    def resolve(self, used: set[str], loop: str | None) -> tuple[list[Definition], set[str]]:
        """The definitions to print in ``loop``, in order, and the names left for outside of it."""
        needed = self._closure(used)
        here = [d for d in self._table.values() if d.name in needed and d.loop == loop]
        rest = {n for n in needed if n not in self._table or self._table[n].loop != loop}
        return here, rest

    def _closure(self, used: set[str]) -> set[str]:
        needed, stack = set(), list(used)
        while stack:
            name = stack.pop()
            if name not in needed:
                needed.add(name)
                stack += self._table[name].uses if name in self._table else ()
        return needed
