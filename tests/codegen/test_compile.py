"""Ahead-of-time compilation: reproducible, complete metadata, resources, options, signatures."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fusec.codegen.compile import compile_kernel, compile_options, compile_with_assembly
from fusec.errors import InternalError
from fusec.ir.sym import evaluate
from fusec.ir.types import f32
from fusec.target import TARGETS, Target, resolve
from fusec.tile.kernel import Config
from fusec.tile.program import TileProgram
from tests.codegen.forms import FORMS
from tests.codegen.programs import pointwise

SM_80 = resolve("sm_80")
ROOT = Path(__file__).parents[2]


def config(target: Target, warps: int = 4, stages: int = 2, **sizes: int) -> Config:
    return Config(target.name, tuple(sizes.items()), warps, stages)


@pytest.mark.parametrize("target", TARGETS, ids=lambda t: t.name)
def test_every_target_compiles_a_contraction(target: Target) -> None:
    form = FORMS["matmul"]()
    binary = compile_kernel(form.program, "k", target, config(target, m=32, k=16, n=32))
    assert binary.format == ("cubin" if target.kind == "cuda" else "hsaco")
    assert binary.data[:4] == b"\x7fELF"
    assert binary.resources.registers > 0
    assert binary.resources.spills == 0
    assert binary.resources.shared_bytes == binary.shared_bytes > 0


def test_metadata_of_a_launch() -> None:
    form = FORMS["matmul"]()
    binary = compile_kernel(form.program, "k", SM_80, config(SM_80, m=32, k=16, n=16))
    kinds = [(a.name, a.kind, a.dtype, a.divisor) for a in binary.arguments]
    pointers = [(n, "pointer", "float32", 16) for n in ("a", "b", "bias", "y")]
    scratch = [(f"scratch{i}", "scratch", "uint8", 1) for i in range(2)]
    assert kinds == [*pointers, ("rows", "integer", "int32", 1), *scratch]
    assert binary.entry == "k"
    assert evaluate(binary.grid, {"rows": 43}) == 2 * 2
    assert dict(binary.options)["enable_fp_fusion"] == "True"
    assert [name for name, _ in binary.options] == sorted(name for name, _ in binary.options)


def test_every_option_is_explicit() -> None:
    """Triton reads some defaults from the environment; none of those may be left to it."""
    options = compile_options(SM_80, config(SM_80))
    wanted = {"num_warps", "num_stages", "num_ctas", "enable_fp_fusion", "enable_reflect_ftz"}
    assert wanted | {"sanitize_overflow", "debug"} <= set(options)


SCRIPT = """
import hashlib, sys
from tests.codegen.forms import FORMS
from fusec.codegen.compile import compile_kernel
from fusec.target import resolve
from fusec.tile.kernel import Config
tiles = (("m", 32), ("k", 16), ("n", 32))
for target in ("sm_80", "sm_90", "gfx942"):
    made = FORMS["conv"]().program
    binary = compile_kernel(made, "conv", resolve(target), Config(target, tiles, 4, 2))
    print(hashlib.sha256(binary.data).hexdigest())
"""


def test_binaries_are_the_same_from_another_folder(tmp_path: Path) -> None:
    """Two processes in different folders, with different homes and environments."""
    outputs = []
    for name in ("one", "another/folder"):
        folder = tmp_path / name
        folder.mkdir(parents=True)
        environment = os.environ | {
            "PYTHONPATH": str(ROOT),
            "HOME": str(folder),
            "TRITON_DEFAULT_FP_FUSION": "0" if name == "one" else "1",
            "TRITON_CACHE_DIR": str(folder / "cache"),
        }
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        outputs.append(done.stdout.split())
        assert not (folder / "cache").exists()
    assert len(outputs[0]) == 3
    assert outputs[0] == outputs[1]


def test_binaries_hold_no_paths_or_lines() -> None:
    form = FORMS["conv"]()
    done = compile_with_assembly(form.program, "conv", SM_80, config(SM_80, m=32, k=16, n=16))
    for text in (str(ROOT).encode(), b"/tmp", b"fusec kernel", b".debug_line"):
        assert text not in done.binary.data
    assert ".loc" not in done.assembly


def test_spills_are_reported() -> None:
    form = FORMS["conv"]()
    chosen = config(SM_80, warps=1, m=64, k=16, n=128)  # 256 accumulators a thread
    binary = compile_kernel(form.program, "conv", SM_80, chosen)
    assert binary.resources.spills > 0


def test_what_does_not_compile_is_an_internal_error() -> None:
    made = pointwise("and", (f32, f32), f32, 4)
    with pytest.raises(InternalError, match="does not compile for sm_80"):
        compile_kernel(made, "k", SM_80, config(SM_80, x=128))


def test_wide_programs_take_wide_integers() -> None:
    form = FORMS["matmul"]()
    wide = TileProgram(**{**vars(form.program), "wide": True})
    binary = compile_kernel(wide, "k", SM_80, config(SM_80, m=16, k=16, n=16))
    assert [a.dtype for a in binary.arguments if a.kind == "integer"] == ["int64"]


def test_divisible_symbols_are_assumed_so() -> None:
    from fusec.ir.sym import Symbol, symbol
    from fusec.tile.program import Axis, Load, Role, Store
    from tests.codegen.programs import buffer, program

    size = Symbol("size", 16, 4096, 16)
    x = symbol("x", below=size.expr)
    body = [
        Load("a", f32, ("x",), "a", x, (), None),
        Store("s", f32, ("x",), "out", "a", x, ()),
    ]
    axes = [Axis("x", size.expr, Role.GRID, True)]
    buffers = [buffer("a", f32, size.expr)], [buffer("out", f32, size.expr)]
    made = program("move", axes, body, *buffers, symbols=(size,))
    binary = compile_kernel(made, "k", SM_80, config(SM_80, x=128))
    assert [a.divisor for a in binary.arguments if a.kind == "integer"] == [16]
