"""Device functions printed above a kernel that calls them.

They live as ordinary source in ``fusec/codegen/device/*.py``; a generated module holds a copy of
those it needs, so that it stands alone. The files are read as text: Triton is not imported here.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

MODULES = ("combine", "integer", "float32", "float64", "float8")


@dataclass(frozen=True)
class Helper:
    """One device function: its source without annotations, and the helpers it calls."""

    name: str
    source: str
    calls: tuple[str, ...]


@lru_cache(maxsize=1)
def all_helpers() -> dict[str, Helper]:
    """Every device function by name, in file order."""
    found: dict[str, tuple[str, ast.FunctionDef]] = {}
    for module in MODULES:
        text = files("fusec.codegen.device").joinpath(f"{module}.py").read_text("utf-8")
        lines = text.splitlines()
        for node in ast.parse(text).body:
            if isinstance(node, ast.FunctionDef):
                start = node.decorator_list[0].lineno - 1
                found[node.name] = ("\n".join(lines[start : node.end_lineno]), node)
    return {name: _helper(name, *entry, names=set(found)) for name, entry in found.items()}


def _helper(name: str, source: str, node: ast.FunctionDef, names: set[str]) -> Helper:
    read = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
    plain = re.sub(r": Tile\b|\s*-> (Tile|tuple\[.*?\])(?=:)", "", source)
    return Helper(name, plain, tuple(sorted(read & names - {name})))


class Helpers:
    """The device functions one kernel needs."""

    def __init__(self) -> None:
        self._used: set[str] = set()

    def use(self, name: str) -> str:
        """Mark a helper, and what it calls, as needed; returns its name. KeyError if unknown."""
        if name not in self._used:
            self._used.add(name)
            for callee in all_helpers()[name].calls:
                self.use(callee)
        return name

    @property
    def sources(self) -> list[str]:
        """Sources of the needed helpers, callees first."""
        ordered: dict[str, str] = {}
        for name in sorted(self._used, key=list(all_helpers()).index):
            _place(name, ordered)
        return list(ordered.values())


def _place(name: str, ordered: dict[str, str]) -> None:
    helper = all_helpers()[name]
    for callee in helper.calls:
        _place(callee, ordered)
    ordered.setdefault(name, helper.source)
