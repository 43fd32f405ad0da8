"""Each kernel form: interpreted with several tile sizes it is what torch computes; it compiles."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
import torch

from fusec.codegen import grid_count, print_kernel, printer
from fusec.codegen.compile import compile_with_assembly
from fusec.target import resolve
from fusec.tile.candidates import candidates, interpreter_config
from fusec.tile.kernel import Config
from fusec.tile.program import Statement
from tests.codegen.forms import FORMS, Form
from tests.codegen.programs import run, tiles

GOLDEN = Path(__file__).parents[1] / "golden" / "kernels"


@pytest.fixture(params=FORMS)
def form(request: pytest.FixtureRequest) -> Form:
    return FORMS[request.param]()


def results(form: Form, config: Config) -> dict[str, torch.Tensor]:
    """Run into buffers full of a value that no result has."""
    outputs = {name: torch.full_like(value, 1e30) for name, value in form.expected.items()}
    run(form.program, form.inputs | outputs, config, form.symbols)
    return outputs


def test_interpreted_with_several_tile_sizes(form: Form) -> None:
    for config in (*(tiles(**s) for s in form.sizes), interpreter_config(form.program)):
        for name, value in results(form, config).items():
            torch.testing.assert_close(
                value, form.expected[name], rtol=2e-6, atol=2e-5, equal_nan=True
            )


OTHERS = [pytest.param(name, marks=pytest.mark.slow) for name in ("sm_75", "gfx942")]


@pytest.mark.parametrize("target", ["sm_80", "sm_90", *OTHERS])
def test_compiles_without_spills(form: Form, target: str) -> None:
    config = candidates(form.program, resolve(target))[0].config
    compiled = compile_with_assembly(form.program, form.name, resolve(target), config)
    assert compiled.binary.resources.spills == 0
    assert compiled.binary.entry == form.name


def test_golden_text(form: Form, update_golden: bool) -> None:
    """`pytest --update-golden` rewrites the expected kernels."""
    path = GOLDEN / f"{form.name}.py"
    text = print_kernel(form.program, form.name)
    if update_golden:
        path.write_text(text, "utf-8")
    assert path.read_text("utf-8") == text


def test_lines_fit_and_names_are_used(form: Form) -> None:
    text = print_kernel(form.program, form.name)
    assert max(len(line) for line in text.splitlines()) <= 100
    for function in ast.parse(text).body:
        names = [n for n in ast.walk(function) if isinstance(n, ast.Name)]
        read = {n.id for n in names if isinstance(n.ctx, ast.Load)}
        written = {n.id for n in names if isinstance(n.ctx, ast.Store)}
        assert written <= read


def test_every_statement_has_an_emitter() -> None:
    assert set(printer._EMITTERS) == set(Statement.__subclasses__())


def test_grid_covers_the_extents(form: Form) -> None:
    config = tiles(**form.sizes[0])
    covered = grid_count(form.program, config, form.symbols)
    expected = 1
    for axis in form.program.axes:
        if axis.in_grid:
            extent = axis.extent if isinstance(axis.extent, int) else form.symbols["rows"]
            expected *= -(-extent // config.tile(axis.name))
    assert covered == expected
