"""What the tests of the command line share: a small model, its plan, and a way to call commands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner

from fusec.cli import cli
from tests.cli.small_model import save, small_cnn


@dataclass(frozen=True)
class Answer:
    """What a command said, and how it ended."""

    code: int
    stdout: str
    stderr: str


Invoke = Callable[..., Answer]


def call(arguments: Sequence[str | Path]) -> Answer:
    """Run one command in this process."""
    done = CliRunner().invoke(cli, [str(a) for a in arguments], prog_name="fusec")
    return Answer(done.exit_code, done.stdout, done.stderr)


@pytest.fixture(scope="session")
def invoke() -> Invoke:
    return lambda *arguments: call(arguments)


@pytest.fixture(scope="session")
def small_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CNN of 11 nodes."""
    return save(small_cnn(), tmp_path_factory.mktemp("model") / "small.onnx")


@pytest.fixture(scope="session")
def small_plan(small_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its plan, with golden outputs."""
    path = tmp_path_factory.mktemp("plan") / "small.plan"
    done = call(["optimize", small_model, "-o", path, "--golden"])
    assert done.code == 0, done.stderr
    return path
