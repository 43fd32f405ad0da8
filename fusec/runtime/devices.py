"""Where a plan can run."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec

from fusec.errors import EnvironmentProblem, UsageError

AUTO, CUDA, REFERENCE, INTERPRETER = "auto", "cuda", "reference", "interpreter"
DEVICES = (AUTO, CUDA, REFERENCE, INTERPRETER)


@dataclass(frozen=True)
class Device:
    """A device by name, and why it was chosen."""

    name: str
    reason: str

    @property
    def torch_name(self) -> str:
        """Where its tensors are."""
        return "cuda" if self.name == CUDA else "cpu"


def choose_device(name: str = AUTO) -> Device:
    """The device of that name; ``auto`` is ``cuda`` where usable, else ``reference``.

    UsageError for an unknown name, EnvironmentProblem for one that cannot be used here.
    """
    if name not in DEVICES:
        raise UsageError(f"no device {name!r}", hint=f"one of {', '.join(DEVICES)}")
    if name == AUTO:
        problem = cuda_problem()
        return Device(REFERENCE, problem) if problem else Device(CUDA, "a CUDA device is usable")
    if name == CUDA and (problem := cuda_problem()):
        hint = "`fusec doctor` says more; --device reference runs on the CPU"
        raise EnvironmentProblem(f"cannot use cuda: {problem}", hint=hint)
    if name == INTERPRETER and find_spec("triton") is None:
        hint = "install triton (Linux only), or use --device reference"
        raise EnvironmentProblem("the interpreter needs triton", hint=hint)
    return Device(name, "asked for")


def cuda_problem() -> str:
    """Why no CUDA device can be used; empty when one can."""
    import torch

    if find_spec("triton") is None:
        return "triton is not installed"
    if not torch.cuda.is_available():
        return f"torch {torch.__version__} finds no CUDA device"
    return ""
