"""Exit codes, streams and the options that every command has."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

import fusec
from fusec import errors
from fusec.cli import COMMANDS
from tests.cli.conftest import Invoke

ROOT = Path(__file__).resolve().parent.parent.parent


def test_version(invoke: Invoke) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert invoke("--version").stdout == f"fusec {fusec.__version__}\n"
    assert fusec.__version__ == project["version"]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(invoke: Invoke, name: str) -> None:
    done = invoke(name, "--help")
    assert done.code == 0 and done.stdout.startswith(f"Usage: fusec {name}")
    for option in ("--verbose", "--quiet", "--debug"):
        assert option in done.stdout
    command = import_module(f"fusec.commands.{name}").command
    assert command.name == name


def test_help_lists_every_command(invoke: Invoke) -> None:
    text = invoke("--help").stdout
    assert all(f"\n  {name} " in text for name in COMMANDS)


@pytest.mark.parametrize("arguments", [["frobnicate"], ["inspect"], ["inspect", "--frob"], []])
def test_usage_errors(invoke: Invoke, arguments: list[str]) -> None:
    done = invoke(*arguments)
    assert done.code == 2
    assert "Usage:" in done.stderr


CODES = {
    errors.CheckFailed("x"): 1,
    errors.UsageError("x"): 2,
    errors.InvalidModel("x"): 3,
    errors.UnsupportedModel([]): 3,
    errors.InvalidPlan("x"): 3,
    errors.InvalidText("x"): 3,
    errors.EnvironmentProblem("x"): 4,
    MemoryError(): 4,
    OSError(28, "No space left on device", "a.plan"): 4,
    KeyboardInterrupt(): 130,
    errors.VerificationError("x"): 70,
    errors.InternalError("x"): 70,
    ZeroDivisionError("x"): 70,
}


@pytest.mark.parametrize("error", CODES, ids=lambda e: type(e).__name__)
def test_exit_codes(
    invoke: Invoke, small_plan: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    def fail(path: object) -> None:
        raise error

    monkeypatch.setattr("fusec.plan.read_plan", fail)
    done = invoke("inspect", small_plan)
    assert done.code == CODES[error] == errors.exit_code(error)
    is_bug = done.code == 70
    assert ("Traceback" in done.stderr) is is_bug
    assert ("this is a bug in fusec" in done.stderr) is is_bug
    assert done.stdout == ""


def test_debug_shows_tracebacks(invoke: Invoke, small_model: Path) -> None:
    assert "Traceback" not in invoke("inspect", small_model).stderr
    for arguments in (["inspect", small_model, "--debug"], ["--debug", "inspect", small_model]):
        done = invoke(*arguments)
        assert done.code == 3 and "Traceback" in done.stderr


def test_a_long_unexpected_error_is_cut(
    invoke: Invoke, small_plan: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: object) -> None:
        raise KeyError("x" * 10_000)

    monkeypatch.setattr("fusec.plan.read_plan", fail)
    last = invoke("inspect", small_plan).stderr.splitlines()[-2]
    assert last.startswith("fusec: error: KeyError") and len(last) < 400


def test_quiet_and_verbose(invoke: Invoke, small_plan: Path, tmp_path: Path) -> None:
    assert invoke("verify", small_plan).stderr != ""
    assert invoke("verify", small_plan, "-q").stderr == ""
    assert invoke("-q", "verify", small_plan).stderr == ""
    text = tmp_path / "g.txt"
    text.write_text("graph main(%x: f32[2]) {\n  %y = neg(%x) : f32[2]\n  return %y\n}\n")
    assert invoke("opt", text, "--passes", "canonicalize").stderr == ""
    assert "canonicalize: unchanged" in invoke("opt", text, "--passes", "canonicalize", "-v").stderr


def run(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "fusec", *arguments]
    return subprocess.run(  # type: ignore[call-overload, no-any-return]
        command, cwd=ROOT, capture_output=True, text=True, **options
    )


def test_as_a_module() -> None:
    assert run("--version").stdout == f"fusec {fusec.__version__}\n"


def test_completion() -> None:
    environment = {**os.environ, "_FUSEC_COMPLETE": "bash_source"}
    done = run(env=environment)
    assert "_fusec_completion" in done.stdout


def test_a_reader_that_leaves(small_plan: Path) -> None:
    command = f"{sys.executable} -m fusec inspect {small_plan} --json"
    shell = ["bash", "-c", f"{command} | head -c 1; exit ${{PIPESTATUS[0]}}"]
    done = subprocess.run(shell, cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "{"
    assert "Traceback" not in done.stderr


def test_interrupt(tmp_path: Path) -> None:
    fifo = tmp_path / "g.txt"
    os.mkfifo(fifo)  # the command waits for somebody to write
    command = [sys.executable, "-m", "fusec", "opt", str(fifo)]
    started = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    time.sleep(3)
    started.send_signal(signal.SIGINT)
    _, stderr = started.communicate(timeout=60)
    assert started.returncode == 130
    assert "interrupted" in stderr and "Traceback" not in stderr
