"""The interpreter's launcher: where tensors begin, limits of configs, threads, clean state."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch

from fusec.codegen import launch_interpreted, print_kernel
from fusec.errors import InternalError
from fusec.ir.sym import symbol
from fusec.ir.types import f32, i32
from fusec.tile.program import Apply, Axis, Literal, Load, Role, Store, TileProgram
from tests.codegen.forms import FORMS
from tests.codegen.programs import buffer, pointwise, program, run, tiles


def test_offsets_and_strides_of_storages() -> None:
    """Two windows of one root: every second element from 3, written backwards from 30."""
    x = symbol("x", below=9)
    body = [
        Load("a", f32, ("x",), "a", 3 + 2 * x, (), None),
        Apply("y", f32, ("x",), "neg", ("a",)),
        Store("s", f32, ("x",), "out", "y", 30 - x, ()),
    ]
    operands = [buffer("a", f32, 9, offset=3)]
    axes = [Axis("x", 9, Role.GRID, True)]
    made = program("pointwise", axes, body, operands, [buffer("out", f32, 9, offset=22)])
    root = torch.arange(40, dtype=torch.float32)
    expected = root.clone()
    expected[22:31] = -root[3:21:2].flip(0)
    run(made, {"a": root, "out": root}, tiles(x=16))
    assert torch.equal(root, expected)


def test_pointers_begin_at_the_tensor_given() -> None:
    """A view into a larger storage: its first element is element 0."""
    whole = torch.arange(20, dtype=torch.float32)
    out = torch.zeros(20)
    run(pointwise("neg", (f32,), f32, 5), {"a": whole[4:9], "out": out[10:15]})
    assert torch.equal(out[10:15], -whole[4:9])
    assert out[:10].abs().sum() + out[15:].abs().sum() == 0


def test_wide_index_arithmetic() -> None:
    """Offsets past 2**31 are right; a stride-0 root stands for a huge one."""
    made = pointwise("neg", (f32,), f32, 100)
    wide = TileProgram(**{**vars(made), "wide": True})
    text = print_kernel(wide, "k")
    assert "tl.program_id(0).to(tl.int64)" in text
    a, out = torch.randn(100), torch.zeros(100)
    run(wide, {"a": a, "out": out})
    assert torch.equal(out, -a)


def test_integer_literals_past_the_element_type_wrap_nothing() -> None:
    x = symbol("x", below=4)
    body = [
        Load("a", i32, ("x",), "a", x, (), None),
        Literal("big", i32, (), 2**31 - 1),
        Apply("y", i32, ("x",), "minimum", ("a", "big")),
        Store("s", i32, ("x",), "out", "y", x, ()),
    ]
    axes = [Axis("x", 4, Role.GRID, False)]
    made = program("pointwise", axes, body, [buffer("a", i32, 4)], [buffer("out", i32, 4)])
    a, out = torch.tensor([1, -5, 2**31 - 1, -(2**31)], dtype=torch.int32), torch.zeros(4).int()
    run(made, {"a": a, "out": out})
    assert torch.equal(out, a)


@pytest.mark.parametrize(("size", "message"), [(24, "power of two"), (0, "power of two")])
def test_tile_sizes_are_checked(size: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        run(pointwise("neg", (f32,), f32, 5), {}, tiles(x=size))


def test_unmasked_axes_are_never_overrun() -> None:
    made = pointwise("neg", (f32,), f32, 48)
    axes = (Axis("x", 48, Role.GRID, False),)
    exact = TileProgram(**{**vars(made), "axes": axes})
    with pytest.raises(ValueError, match="does not divide"):
        run(exact, {"a": torch.zeros(48), "out": torch.zeros(48)}, tiles(x=32))
    out = torch.zeros(48)
    run(exact, {"a": torch.ones(48), "out": out}, tiles(x=16))
    assert torch.equal(out, -torch.ones(48))


def test_full_axis_has_to_fit() -> None:
    form = FORMS["softmax"]()
    with pytest.raises(ValueError, match="does not hold"):
        run(form.program, form.inputs | form.expected, tiles(x=4, r=32))


def test_failures_name_the_kernel() -> None:
    made = pointwise("and", (f32, f32), f32, 4)  # there is no such op on floats
    with pytest.raises(InternalError, match="kernel"):
        run(made, {"a": torch.zeros(4), "b": torch.zeros(4), "out": torch.zeros(4)})


def test_triton_is_left_as_it_was() -> None:
    """After a run, even a failed one, Triton's language and interpreter are unchanged."""
    import triton.language as tl
    from triton.runtime import interpreter

    before = (tl.load, tl.reduce, tl.tensor.__add__, interpreter.ReduceOps.generic_reduce)
    state = dict(vars(interpreter.interpreter_builder))
    form = FORMS["softmax"]()
    run(form.program, form.inputs | form.expected, tiles(x=4, r=64))
    test_failures_name_the_kernel()
    after = (tl.load, tl.reduce, tl.tensor.__add__, interpreter.ReduceOps.generic_reduce)
    assert before == after
    left = vars(interpreter.interpreter_builder)
    assert {k: v for k, v in left.items() if not k.startswith("grid")} == {
        k: v for k, v in state.items() if not k.startswith("grid")
    }


def test_threads_take_turns() -> None:
    made = pointwise("add", (f32, f32), f32, 1000)
    outs = [torch.zeros(1000) for _ in range(4)]
    a = torch.randn(1000)

    def work(at: int) -> None:
        run(made, {"a": a, "b": torch.full((1000,), float(at)), "out": outs[at]}, tiles(x=128))

    threads = [threading.Thread(target=work, args=(at,)) for at in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for at, out in enumerate(outs):
        assert torch.equal(out, a + at)


def test_no_numpy_warnings_escape() -> None:
    a = torch.tensor([0.0, -1.0, float("inf")])
    out = torch.zeros(3)
    with np.errstate(all="raise"):
        run(pointwise("log", (f32,), f32, 3), {"a": a, "out": out})
    assert out[0] == float("-inf")


def test_gpu_tensors_are_refused() -> None:
    made = pointwise("neg", (f32,), f32, 4)
    meta = torch.zeros(4, device="meta")
    with pytest.raises(ValueError, match="CPU"):
        launch_interpreted(made, "k", tiles(x=4), {"a": meta, "out": meta}, {})


def test_equal_programs_with_different_zeros_stay_apart() -> None:
    """0.0 == -0.0, so equal programs may differ in what they print."""

    def made(zero: float) -> TileProgram:
        x = symbol("x", below=4)
        body = [
            Load("a", f32, ("x",), "a", x, (), None),
            Literal("zero", f32, (), zero),
            Apply("y", f32, ("x",), "mul", ("a", "zero")),
            Store("s", f32, ("x",), "out", "y", x, ()),
        ]
        axes = [Axis("x", 4, Role.GRID, False)]
        return program("pointwise", axes, body, [buffer("a", f32, 4)], [buffer("out", f32, 4)])

    for zero, sign in ((0.0, False), (-0.0, True)):
        out = torch.ones(4)
        run(made(zero), {"a": torch.ones(4), "out": out})
        assert bool(out.signbit().all()) is sign


@pytest.mark.parametrize("name", ["x): import os #", "x-y", "", "naïve"])
def test_hostile_names_are_refused(name: str) -> None:
    made = pointwise("neg", (f32,), f32, 4)
    bad = TileProgram(**{**vars(made), "axes": (Axis(name, 4, Role.GRID, True),)})
    with pytest.raises((ValueError, KeyError)):
        print_kernel(bad, "k")


def test_comments_stay_comments() -> None:
    """Origins and notes come from the model: a line break must not end the comment."""
    import ast

    x = symbol("x", below=4)
    evil = "/a\nimport os\u2028import sys\x0cimport re\r"
    body = [
        Load("a", f32, ("x",), "a", x, (), None, origins=(evil,), note=evil),
        Store("s", f32, ("x",), "out", "a", x, (), note=evil),
    ]
    axes = [Axis("x", 4, Role.GRID, False)]
    made = program("move", axes, body, [buffer("a", f32, 4)], [buffer("out", f32, 4)])
    tree = ast.parse(print_kernel(made, "k"))
    imported = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    assert imported == {"triton", "triton.language"}
