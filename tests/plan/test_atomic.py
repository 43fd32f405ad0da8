"""A plan file appears whole or not at all, whatever the disk says."""

from __future__ import annotations

import errno
import os
import tempfile
import zlib
from pathlib import Path
from typing import Any

import pytest

from fusec.errors import EnvironmentProblem, UsageError
from fusec.plan import write_plan
from fusec.plan.atomic import whole_file
from tests.plan.sample import with_everything


def refuse(code: int) -> Any:
    def fail(*args: object, **kwargs: object) -> None:
        raise OSError(code, os.strerror(code))

    return fail


def test_the_file_appears_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "a.plan"
    with whole_file(path) as file:
        file.write(b"whole")
        assert not path.exists()
    assert path.read_bytes() == b"whole"
    assert [p.name for p in tmp_path.iterdir()] == ["a.plan"]


def test_it_has_the_mode_of_a_plain_new_file(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.write_bytes(b"")
    with whole_file(tmp_path / "a.plan"):
        pass
    assert (tmp_path / "a.plan").stat().st_mode == plain.stat().st_mode


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, MemoryError])
def test_an_error_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, error: type[BaseException]
) -> None:
    path = tmp_path / "a.plan"
    path.write_bytes(b"old")
    with pytest.raises(error), whole_file(path) as file:
        file.write(b"new")
        raise error
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.plan"]


def test_a_full_disk_is_an_environment_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = 0

    def full(chunk: Any, crc: int) -> int:
        nonlocal calls
        calls += 1
        if calls > 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        return crc + len(chunk)

    monkeypatch.setattr(zlib, "crc32", full)
    with pytest.raises(EnvironmentProblem, match="No space left") as caught:
        write_plan(with_everything(), tmp_path / "a.plan")
    assert "free some space" in str(caught.value.hint)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("where", ["mkstemp", "fsync", "replace"])
def test_a_refusal_of_the_system_is_an_environment_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    owner: Any = tempfile if where == "mkstemp" else os
    monkeypatch.setattr(owner, where, refuse(errno.EACCES))
    path = tmp_path / "a.plan"
    with pytest.raises(EnvironmentProblem, match="Permission denied") as caught, whole_file(path):
        pass
    monkeypatch.undo()
    assert str(path) in caught.value.message
    assert "-o" in str(caught.value.hint)
    assert list(tmp_path.iterdir()) == []


def test_folders_are_usage_errors(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is a directory"), whole_file(tmp_path):
        pass
    with pytest.raises(UsageError, match="does not exist"), whole_file(tmp_path / "no" / "a.plan"):
        pass


def test_long_names_are_fine(tmp_path: Path) -> None:
    with whole_file(tmp_path / ("x" * 250)) as file:
        file.write(b"x")
    assert (tmp_path / ("x" * 250)).read_bytes() == b"x"


def test_a_device_is_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(UsageError, match="is a device"), whole_file(pipe) as file:
        file.write(b"x")
    assert pipe.is_fifo()
