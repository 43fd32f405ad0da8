"""What `lower` makes of every body of the tile tests: runs as torch computes it, and compiles."""

from __future__ import annotations

import pytest
import torch

from fusec.codegen import compile_all, launch_interpreted
from fusec.target import resolve
from fusec.tile.candidates import candidates, interpreter_config
from fusec.tile.kernel import Config, Kernel
from fusec.tile.lower import lower
from fusec.tile.program import TileProgram
from tests.tile.bodies import CASES, Case


def lowered(case: Case) -> TileProgram:
    program = lower(case.graph())
    assert isinstance(program, TileProgram), program
    return program


def small_config(program: TileProgram) -> Config:
    """The last candidate of a GPU: other tile sizes than the interpreter's."""
    config = candidates(program, resolve("sm_80"))[-1].config
    return Config("interpreter", config.tiles, config.num_warps, config.num_stages)


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_interpreted(case: Case) -> None:
    program = lowered(case)
    operands = case.operands()
    expected = list(case.eager(*operands))
    names = [b.name for b in program.operands]
    for config in (interpreter_config(program), small_config(program)):
        outs = [torch.full_like(e, 7).contiguous() for e in expected]
        tensors = dict(zip(names, (t.contiguous() for t in operands), strict=True))
        tensors |= {b.name: o for b, o in zip(program.results, outs, strict=True)}
        launch_interpreted(program, "kernel", config, tensors, {})
        for out, value in zip(outs, expected, strict=True):
            torch.testing.assert_close(out, value, rtol=1e-4, atol=1e-4, equal_nan=True)


@pytest.mark.parametrize("target", ["sm_80", pytest.param("sm_90", marks=pytest.mark.slow)])
def test_all_compile_without_spills(target: str) -> None:
    kernels = []
    for at, case in enumerate(CASES):
        program = lowered(case)
        kernels.append(Kernel(f"kernel_{at}", program, (interpreter_config(program),), ""))
    for kernel in compile_all(kernels, [resolve(target)]):
        (binary,) = kernel.binaries
        assert binary.target == target
        assert binary.resources.spills == 0
