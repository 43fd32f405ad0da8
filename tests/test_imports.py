"""The parts of fusec import each other only as the table of the design allows."""

from __future__ import annotations

import ast
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "fusec"

_BELOW_EXPLAIN = {"ir", "target", "frontend", "tile", "passes", "codegen", "plan"}
_BELOW_CLI = {*_BELOW_EXPLAIN, "runtime", "explain", "verification", "compiler", "fusec"}

# What each part may import of fusec besides itself; `errors` is open to all.
ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "target": set(),
    "ir": set(),
    "frontend": {"ir"},
    "tile": {"ir", "target"},
    "passes": {"ir", "target", "tile"},
    "codegen": {"ir", "target", "tile"},
    "plan": {"ir", "tile"},
    "runtime": {"plan", "codegen", "tile", "ir", "target"},
    "explain": _BELOW_EXPLAIN,
    "verification": {*_BELOW_EXPLAIN, "runtime"},
    "compiler": {*_BELOW_EXPLAIN, "runtime", "explain", "verification"},
    "fusec": _BELOW_CLI,  # fusec/__init__.py, the public API
    "commands": _BELOW_CLI,
    "cli": {*_BELOW_CLI, "commands"},
    "__main__": {"cli"},
}

# The parts that may know Triton exists.
TRITON = {"codegen", "runtime", "commands"}

# Commands that answer at once: no torch, and this much processor time at most.
QUICK = ["--help", "passes", "inspect --help"]
QUICK_SECONDS = 0.4


def part_of(module: str) -> str:
    """The part of fusec that a dotted module name belongs to; `fusec` for the package itself."""
    names = module.split(".")
    return names[1] if len(names) > 1 else names[0]


def module_name(path: Path) -> str:
    names = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(names[:-1] if names[-1] == "__init__" else names)


def absolute(node: ast.ImportFrom, path: Path) -> str:
    """The dotted name that a `from ... import` names, relative dots resolved."""
    if not node.level:
        return node.module or ""
    package = path.relative_to(ROOT).parent.parts
    base = package[: len(package) - node.level + 1]
    return ".".join([*base, *([node.module] if node.module else [])])


def is_part(name: str) -> bool:
    return (PACKAGE / name).is_dir() or (PACKAGE / f"{name}.py").is_file()


def named_by_call(node: ast.Call) -> Iterator[str]:
    """The module that `import_module("x")` or `__import__("x")` names by a constant."""
    function = ast.unparse(node.func).rpartition(".")[2]
    if function in {"import_module", "__import__"} and node.args:
        first = node.args[0]
        if isinstance(first, ast.Constant) and isinstance(first.value, str):
            yield first.value


def imported(path: Path) -> Iterator[tuple[int, str]]:
    """Every (line, module) that a file imports, inside functions and type checks too."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            module = absolute(node, path)
            for alias in node.names:
                child = module == "fusec" and is_part(alias.name)
                yield node.lineno, f"fusec.{alias.name}" if child else module
        elif isinstance(node, ast.Call):
            for name in named_by_call(node):
                yield node.lineno, name


def violations(path: Path) -> Iterator[str]:
    own = part_of(module_name(path))
    allowed = ALLOWED.get(own, set()) | {own, "errors"}
    for line, module in imported(path):
        where = f"{path.relative_to(ROOT).as_posix()}:{line}"
        if module.partition(".")[0] == "fusec" and part_of(module) not in allowed:
            yield f"{where}: {own} may not import {module}"
        if module.partition(".")[0] == "triton" and own not in TRITON:
            yield f"{where}: {own} may not know triton"


def test_every_part_is_in_the_table() -> None:
    parts = {part_of(module_name(path)) for path in PACKAGE.rglob("*.py")}
    assert parts <= ALLOWED.keys()


def test_imports_follow_the_table() -> None:
    found = [line for path in sorted(PACKAGE.rglob("*.py")) for line in violations(path)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import fusec.plan", "fusec.plan"),
        ("from fusec import plan", "fusec.plan"),
        ("from ..plan import write", "fusec.plan"),
        ("from .. import plan", "fusec.plan"),
        ("def late():\n    from fusec.plan.write import save", "fusec.plan.write"),
        ("import importlib\nimportlib.import_module('fusec.plan')", "fusec.plan"),
    ],
)
def test_the_walker_sees_every_form(
    source: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "fusec" / "ir"
    package.mkdir(parents=True)
    (tmp_path / "fusec" / "plan").mkdir()
    file = package / "graph.py"
    file.write_text(source)
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    monkeypatch.setattr(sys.modules[__name__], "PACKAGE", tmp_path / "fusec")
    assert expected in [module for _, module in imported(file)]
    assert any("ir may not import" in line for line in violations(file))


def processor_seconds(command: list[str]) -> float:
    """User and system time of one child process, which a busy machine does not stretch."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, capture_output=True, cwd=ROOT)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


@pytest.mark.parametrize("arguments", QUICK)
def test_quick_commands_do_not_import_torch(arguments: str) -> None:
    command = [sys.executable, "-X", "importtime", "-m", "fusec", *arguments.split()]
    environment = {**os.environ, "NO_COLOR": "1"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment)
    assert done.returncode == 0, done.stderr
    modules = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "click" in modules
    assert not modules & {"torch", "triton", "onnxruntime"}


@pytest.mark.parametrize("arguments", QUICK)
def test_quick_commands_are_quick(arguments: str) -> None:
    command = [sys.executable, "-m", "fusec", *arguments.split()]
    assert min(processor_seconds(command) for _ in range(3)) <= QUICK_SECONDS
