"""The process that compiles kernels for `fusec.codegen.parallel`."""

from __future__ import annotations

import os
import sys

from fusec.codegen.compile import compile_kernel
from fusec.codegen.parallel import Outcome, Task, receive, send
from fusec.errors import FusecError


def main() -> None:
    """Answer tasks until the input ends."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what libraries print is not an answer
    while True:
        try:
            task = receive(sys.stdin.buffer)
        except EOFError:
            return
        send(answers, outcome_of(task))


def outcome_of(task: Task) -> Outcome:
    """Compile with the first config that does not spill."""
    reason = "no config"
    for config in task.configs:
        try:
            binary = compile_kernel(task.program, task.name, task.target, config)
        except FusecError as error:
            reason = error.message.splitlines()[0]
            continue
        if binary.shared_bytes > task.target.shared_per_block:
            reason = f"{binary.shared_bytes} bytes of shared memory"
        elif binary.resources.spills:
            reason = f"{binary.resources.spills} bytes of spills"
        else:
            return Outcome(binary)
    return Outcome(None, reason)
