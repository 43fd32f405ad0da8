"""Every error a user can see, and the process exit code that belongs to it.

A message names the thing; the hint says what to do next. Exit codes: 1 a check failed, 2 usage,
3 the model or plan is invalid or unsupported, 4 the environment, 70 a bug in fusec.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class FusecError(Exception):
    """Base of every error that is reported without a traceback."""

    exit_code = 70

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class CheckFailed(FusecError):
    """A verification, limit or ``--fail-if`` check did not hold."""

    exit_code = 1


class UsageError(FusecError):
    """An argument or option is wrong, or something needed was not given."""

    exit_code = 2


class InvalidModel(FusecError):
    """The model file is damaged, malformed, or not a model at all."""

    exit_code = 3


@dataclass(frozen=True)
class Unsupported:
    """One thing the frontend cannot import: node name, operator, how often, why."""

    node: str
    op: str
    reason: str
    count: int = 1


class UnsupportedModel(FusecError):
    """The model is valid but uses things fusec cannot import; all of them are listed."""

    exit_code = 3

    def __init__(self, items: Sequence[Unsupported], *, hint: str | None = None) -> None:
        lines = [f"  {i.node}: {i.op} (x{i.count}): {i.reason}" for i in items]
        super().__init__("unsupported model:\n" + "\n".join(lines), hint=hint)
        self.items = tuple(items)


class InvalidPlan(FusecError):
    """A plan file is damaged, hostile, or of an unknown version; the message names the entry."""

    exit_code = 3


class InvalidText(FusecError):
    """IR text does not parse; the message names line and column."""

    exit_code = 3


class EnvironmentProblem(FusecError):
    """Disk, permission, memory, a missing GPU or a missing optional package."""

    exit_code = 4


class VerificationError(FusecError):
    """A graph breaks an invariant of the IR: a bug in the pass that made it."""

    exit_code = 70


class InternalError(FusecError):
    """A bug in fusec."""

    exit_code = 70


INTERRUPTED = 130


def exit_code(error: BaseException) -> int:
    """The exit code of the process that ends with ``error``; the only place that decides it.

    0 done; 1 a check failed; 2 usage; 3 the model or plan is invalid or unsupported; 4 the
    environment (disk, permission, no GPU, missing extra, memory); 70 a bug in fusec;
    130 interrupted.
    """
    if isinstance(error, FusecError):
        return error.exit_code
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED
    if isinstance(error, MemoryError | OSError):
        return EnvironmentProblem.exit_code
    return InternalError.exit_code
