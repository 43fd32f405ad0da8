"""Check the size budgets: no file and no function longer than `[tool.fusec.budgets]` allows.

A function's length runs from its `def` to its last line, docstring included, nested functions
included. Exceptions are named in pyproject.toml with their reason; one that is no longer needed
is an error too, so that the list only shrinks.
"""

from __future__ import annotations

import ast
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Budgets:
    """The limits, where they hold, and who is excused."""

    roots: Sequence[str]
    exclude: Sequence[str]
    file_lines: int
    function_lines: int
    exceptions: Mapping[str, str]

    @classmethod
    def read(cls, pyproject: Path) -> Budgets:
        """Read `[tool.fusec.budgets]`."""
        table = tomllib.loads(pyproject.read_text("utf-8"))["tool"]["fusec"]["budgets"]
        return cls(
            roots=table["roots"],
            exclude=table["exclude"],
            file_lines=table["file-lines"],
            function_lines=table["function-lines"],
            exceptions=table.get("exceptions", {}),
        )


@dataclass(frozen=True)
class Excess:
    """One file or function over its budget."""

    name: str
    line: int
    length: int
    budget: int


def functions(tree: ast.AST, prefix: str = "") -> Iterator[tuple[str, int, int]]:
    """Yield the qualified name, first line and length of every function under `tree`."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            name = f"{prefix}{node.name}"
            if not isinstance(node, ast.ClassDef):
                yield name, node.lineno, (node.end_lineno or node.lineno) - node.lineno + 1
            yield from functions(node, f"{name}.")
        else:
            yield from functions(node, prefix)


def excesses(path: Path, name: str, budgets: Budgets) -> Iterator[Excess]:
    """Yield what is too long in one file."""
    text = path.read_text("utf-8")
    lines = len(text.splitlines())
    if lines > budgets.file_lines:
        yield Excess(name, 1, lines, budgets.file_lines)
    for function, line, length in functions(ast.parse(text)):
        if length > budgets.function_lines:
            yield Excess(f"{name}::{function}", line, length, budgets.function_lines)


def sources(root: Path, budgets: Budgets) -> Iterator[Path]:
    """Yield the Python files under the budgeted roots, in a fixed order."""
    excluded = [root / part for part in budgets.exclude]
    for part in budgets.roots:
        for path in sorted((root / part).rglob("*.py")):
            if not any(path.is_relative_to(folder) for folder in excluded):
                yield path


def main() -> int:
    """Print every excess and every stale exception; 1 if there is any."""
    root = Path(__file__).resolve().parent.parent
    budgets = Budgets.read(root / "pyproject.toml")
    found = {
        excess.name: (path, excess)
        for path in sources(root, budgets)
        for excess in excesses(path, path.relative_to(root).as_posix(), budgets)
    }
    stale = [name for name in budgets.exceptions if name not in found]
    over = [item for name, item in found.items() if name not in budgets.exceptions]
    for path, excess in over:
        where = f"{path.relative_to(root).as_posix()}:{excess.line}"
        print(f"{where}: {excess.name} has {excess.length} lines, the budget is {excess.budget}")
    for name in stale:
        print(f"pyproject.toml: the exception for {name} is no longer needed")
    return 1 if over or stale else 0


if __name__ == "__main__":
    sys.exit(main())
