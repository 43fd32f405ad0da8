"""Worker processes: spills retried, equal kernels once, crashes survived, order kept."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fusec.codegen import NoConfigFits, compile_all
from fusec.codegen import parallel as workers
from fusec.codegen.parallel import Outcome, Task, with_binaries
from fusec.codegen.worker import outcome_of
from fusec.ir.types import f32
from fusec.target import resolve
from fusec.tile.candidates import interpreter_config
from fusec.tile.kernel import Config, Kernel
from tests.codegen.forms import FORMS
from tests.codegen.programs import pointwise

SM_80, SM_90 = resolve("sm_80"), resolve("sm_90")
SPILLS = Config("sm_80", (("m", 64), ("k", 16), ("n", 128)), 1, 2)
FITS = Config("sm_80", (("m", 32), ("k", 16), ("n", 16)), 4, 2)


def kernel(name: str, form: str = "conv", *configs: Config) -> Kernel:
    program = FORMS[form]().program
    return Kernel(name, program, (*configs, interpreter_config(program)), "")


def test_every_kernel_for_every_target_in_order() -> None:
    seen: list[tuple[int, int]] = []
    kernels = [kernel("first"), kernel("second", "softmax")]
    done = compile_all(kernels, [SM_80, SM_90], 2, lambda a, b: seen.append((a, b)))
    assert [k.name for k in done] == ["first", "second"]
    for compiled in done:
        assert [b.target for b in compiled.binaries] == ["sm_80", "sm_90"]
        assert [c.target for c in compiled.configs] == ["interpreter", "sm_80", "sm_90"]
        assert all(b.config == compiled.config(b.target) for b in compiled.binaries)
        assert all(b.entry == compiled.name for b in compiled.binaries)
    assert seen == [(i, 4) for i in range(1, 5)]


def test_number_of_workers_does_not_matter() -> None:
    kernels = [kernel("one"), kernel("two", "matmul")]
    assert compile_all(kernels, [SM_80], 1) == compile_all(kernels, [SM_80], 2)


def test_nothing_to_do() -> None:
    assert compile_all([], [SM_80]) == ()
    only = kernel("one")
    assert compile_all([only], []) == (only,)


def test_a_config_that_spills_gives_way_to_the_next() -> None:
    form = FORMS["conv"]()
    outcome = outcome_of(Task(form.program, "conv", SM_80, (SPILLS, FITS)))
    assert outcome.binary is not None
    assert outcome.binary.config == FITS
    (compiled,) = compile_all([kernel("conv", "conv", SPILLS)], [SM_80], 1)
    assert compiled.config("sm_80") != SPILLS
    assert compiled.binaries[0].resources.spills == 0


def test_no_config_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    form = FORMS["conv"]()
    assert "spills" in outcome_of(Task(form.program, "conv", SM_80, (SPILLS,))).reason
    monkeypatch.setattr(workers, "candidates", lambda *_: ())
    broken = Kernel("broken", pointwise("and", (f32, f32), f32, 4), (), "")
    wrong = replace(broken, configs=(Config("sm_80", (("x", 128),), 4, 1),))
    fine = kernel("fine", "softmax", Config("sm_80", (("x", 4), ("r", 64)), 4, 1))
    with pytest.raises(NoConfigFits, match="broken for sm_80") as caught:
        compile_all([fine, wrong], [SM_80], 2)
    assert caught.value.kernels == ("broken",)


def test_equal_code_is_compiled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def ask(self: object, task: Task) -> Outcome:
        asked.append(task.name)
        return outcome_of(task)

    monkeypatch.setattr(workers._Worker, "_ask", ask)
    first, second = kernel("first"), kernel("second")
    noted = replace(second.program, cost=first.program.cost)
    done = compile_all([first, replace(second, program=noted)], [SM_80], 1)
    assert asked == ["first"]
    assert done[0].binaries[0].data == done[1].binaries[0].data
    assert done[1].binaries[0].entry == "first"


def test_a_crash_takes_only_its_config_along(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that dies counts as a config that does not compile; the next gets a new one."""
    boot = workers._BOOT.replace(
        "from fusec.codegen.worker import main; main()",
        "from fusec.codegen import worker, parallel; import os\n"
        "old = worker.outcome_of\n"
        "def outcome_of(task):\n"
        "    if task.configs[0].num_warps == 8: os._exit(3)\n"
        "    return old(task)\n"
        "worker.outcome_of = outcome_of\n"
        "worker.main()",
    )
    monkeypatch.setattr(workers, "_BOOT", boot)
    crashes = replace(FITS, num_warps=8)
    worker = workers._Worker()
    program = FORMS["conv"]().program
    try:
        assert worker.compile(Task(program, "conv", SM_80, (crashes,))).reason == (
            "the compiler crashed"
        )
        outcome = worker.compile(Task(program, "conv", SM_80, (crashes, FITS)))
    finally:
        worker.stop()
    assert outcome.binary is not None
    assert outcome.binary.config == FITS


def test_binaries_replace_those_of_the_same_target() -> None:
    (first,) = compile_all([kernel("one")], [SM_80, SM_90], 2)
    again = with_binaries(first, [replace(first.binaries[0], entry="other")])
    assert [(b.target, b.entry) for b in again.binaries] == [("sm_90", "one"), ("sm_80", "other")]
