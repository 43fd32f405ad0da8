"""Compiles many kernels for many targets in worker processes.

A worker is a fresh interpreter that reads tasks from its standard input and answers on its
standard output: it needs no importable ``__main__`` and shares no locks, and a compiler that
crashes takes only its worker along. Results do not depend on the number of workers or on who
finishes first.
"""

from __future__ import annotations

import os
import pickle
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import IO, Any

from fusec.codegen.printer import print_kernel
from fusec.errors import InternalError
from fusec.target import Target
from fusec.tile.candidates import candidates
from fusec.tile.kernel import Binary, Config, Kernel
from fusec.tile.program import TileProgram

Progress = Callable[[int, int], None]  # tasks done, tasks in all

_BOOT = "import sys; sys.path[:] = {path!r}; from fusec.codegen.worker import main; main()"
_LENGTH = 8


class NoConfigFits(InternalError):
    """Every candidate of some kernels spills or fails to compile; ``kernels`` names those."""

    def __init__(self, failures: Sequence[tuple[str, str, str]]) -> None:
        lines = [f"  {kernel} for {target}: {reason}" for kernel, target, reason in failures]
        super().__init__("kernels without a config that compiles:\n" + "\n".join(lines))
        self.kernels = tuple(dict.fromkeys(kernel for kernel, _, _ in failures))


@dataclass(frozen=True)
class Task:
    """One kernel to compile for one target with the first of ``configs`` that does not spill."""

    program: TileProgram
    name: str
    target: Target
    configs: tuple[Config, ...]


@dataclass(frozen=True)
class Outcome:
    """A binary, or why there is none."""

    binary: Binary | None
    reason: str = ""


def compile_all(
    kernels: Sequence[Kernel],
    targets: Sequence[Target],
    jobs: int | None = None,
    progress: Progress | None = None,
) -> tuple[Kernel, ...]:
    """The kernels with a binary and the config it was compiled with for each target.

    ``jobs``: worker processes (default: one a CPU). NoConfigFits if some kernel has no config that
    compiles without spills.
    """
    tasks = [_task(kernel, target) for kernel in kernels for target in targets]
    outcomes = _run(tasks, jobs or os.cpu_count() or 1, progress)
    failures = [
        (task.name, task.target.name, outcome.reason)
        for task, outcome in zip(tasks, outcomes, strict=True)
        if outcome.binary is None
    ]
    if failures:
        raise NoConfigFits(failures)
    binaries = [o.binary for o in outcomes if o.binary is not None]
    each = len(targets)
    rows = [binaries[i * each : (i + 1) * each] for i in range(len(kernels))]
    return tuple(with_binaries(kernel, row) for kernel, row in zip(kernels, rows, strict=True))


def with_binaries(kernel: Kernel, binaries: Iterable[Binary]) -> Kernel:
    """The kernel with these binaries and their configs in place of those of the same targets."""
    new = {b.target: b for b in binaries}
    configs = tuple(new[c.target].config if c.target in new else c for c in kernel.configs)
    known = {c.target for c in configs}
    configs += tuple(b.config for b in new.values() if b.target not in known)
    kept = tuple(b for b in kernel.binaries if b.target not in new)
    return replace(kernel, configs=configs, binaries=kept + tuple(new.values()))


def _task(kernel: Kernel, target: Target) -> Task:
    """The kernel's own config first, then the model's candidates."""
    own = tuple(c for c in kernel.configs if c.target == target.name)
    others = (c.config for c in candidates(kernel.program, target))
    return Task(kernel.program, kernel.name, target, tuple(dict.fromkeys((*own, *others))))


# ------------------------------------------------------------------------------- workers


def _same_code(task: Task) -> tuple[Any, ...]:
    """Equal for tasks that compile to the same binary: comments do not count."""
    lines = print_kernel(task.program, "kernel").splitlines()
    code = tuple(line for line in lines if not line.lstrip().startswith("#"))
    return code, task.target.name, task.configs, _interface(task.program)


def _interface(program: TileProgram) -> tuple[Any, ...]:
    """What decides about the signature and the grid beside the source."""
    buffers = [(b.name, b.type.dtype) for b in (*program.operands, *program.results)]
    return tuple(buffers), program.symbols, program.grid, program.axes


def _run(tasks: Sequence[Task], jobs: int, progress: Progress | None) -> list[Outcome]:
    """The outcome of each task; equal ones are compiled once, the longest programs first."""
    keys = [_same_code(task) for task in tasks]
    first = {key: at for at, key in reversed(list(enumerate(keys)))}
    distinct = sorted(first.values(), key=lambda at: (-len(keys[at][0]), at))
    todo: queue.SimpleQueue[int] = queue.SimpleQueue()
    for at in distinct:
        todo.put(at)
    pool = _Pool(tasks, todo, len(distinct), progress)
    pool.run(min(jobs, len(distinct)))
    return [pool.outcomes[first[key]] for key in keys]


class _Pool:
    """Threads that each feed one worker process."""

    def __init__(
        self,
        tasks: Sequence[Task],
        todo: queue.SimpleQueue[int],
        total: int,
        progress: Progress | None,
    ) -> None:
        self.tasks, self.todo, self.total, self.progress = tasks, todo, total, progress
        self.outcomes: dict[int, Outcome] = {}
        self.errors: list[BaseException] = []
        self.lock = threading.Lock()

    def run(self, jobs: int) -> None:
        threads = [threading.Thread(target=self._feed, daemon=True) for _ in range(jobs)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self.errors:
            raise self.errors[0]

    def _feed(self) -> None:
        worker = _Worker()
        try:
            while not self.errors:
                try:
                    at = self.todo.get_nowait()
                except queue.Empty:
                    break
                self._done(at, worker.compile(self.tasks[at]))
        except BaseException as error:
            self.errors.append(error)
        finally:
            worker.stop()

    def _done(self, at: int, outcome: Outcome) -> None:
        with self.lock:
            self.outcomes[at] = outcome
            if self.progress is not None:
                self.progress(len(self.outcomes), self.total)


class _Worker:
    """One worker process, started when first needed and again after a crash."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def compile(self, task: Task) -> Outcome:
        """Try the configs in order; a config that crashes the compiler counts as not compiling."""
        reason = "no config"
        for config in task.configs:
            outcome = self._ask(replace(task, configs=(config,)))
            if outcome.binary is not None:
                return outcome
            reason = outcome.reason
        return Outcome(None, reason)

    def _ask(self, task: Task) -> Outcome:
        process = self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            send(process.stdin, task)
            outcome = receive(process.stdout)
        except (BrokenPipeError, EOFError):
            self.stop()
            return Outcome(None, "the compiler crashed")
        assert isinstance(outcome, Outcome)
        return outcome

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            # The compiler's own diagnostics are long; what matters comes back in the outcome.
            self._process = subprocess.Popen(
                [sys.executable, "-c", _BOOT.format(path=sys.path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        return self._process

    def stop(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is None:
            return
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()
        process.terminate()
        process.wait()


def send(stream: IO[bytes], message: Any) -> None:
    """Write one message with its length."""
    data = pickle.dumps(message)
    stream.write(len(data).to_bytes(_LENGTH, "little") + data)
    stream.flush()


def receive(stream: IO[bytes]) -> Any:
    """Read one message; EOFError at the end. Both ends are this program's own processes."""
    length = stream.read(_LENGTH)
    if len(length) < _LENGTH:
        raise EOFError
    data = stream.read(int.from_bytes(length, "little"))
    return pickle.loads(data)  # noqa: S301 - from our own worker, never from a file
