"""Every pointwise op has an emitter, computes in the interpreter what the IR says, compiles."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import pytest
import torch

import fusec.ir  # noqa: F401 - declares the ops
from fusec.codegen.compile import compile_with_assembly
from fusec.codegen.pointwise import EMITTERS
from fusec.ir.op import Op, all_ops, get_op
from fusec.ir.sym import symbol
from fusec.ir.types import DType, Tensor, bool_, dtype, f16, f32, f64, i32, i64, u8
from fusec.target import resolve
from fusec.tile.candidates import candidates
from fusec.tile.program import Apply, Axis, Load, Role, Statement, Store, TileProgram
from tests.codegen.programs import buffer, pointwise, program, run, torch_dtype
from tests.codegen.values import FLOATS, INTEGERS, operands, same_bits

OPS = [op for op in all_ops() if op.is_pointwise]
KINDS = (*FLOATS, *INTEGERS, bool_)
# Relative error of the function itself; halves are rounded once more.
TOLERANCE = {"float16": 1e-3, "bfloat16": 8e-3, "float32": 1.5e-6, "float64": 3e-13}
# Ops whose every result is one rounding of the exact one, or no rounding at all.
EXACT = {
    *("neg", "abs", "sign", "floor", "ceil", "round", "is_nan", "is_inf", "not", "add"),
    *("sub", "mul", "div", "maximum", "minimum", "and", "or", "xor", "shift_left", "shift_right"),
    *("eq", "ne", "lt", "le", "gt", "ge", "select"),
}


def test_every_pointwise_op_has_an_emitter() -> None:
    assert set(EMITTERS) == {op.name for op in OPS}


def combinations(op: Op) -> list[tuple[DType, ...]]:
    """The operand types an op accepts."""
    uniform = [(kind,) * len(op.operands) for kind in KINDS]
    if op.name == "select":
        return [(bool_, kind, kind) for kind in KINDS]
    if op.name == "pow":
        mixed = [(f32, i64), (i32, f32), (i32, i64), (u8, i32), (f64, i32), (f16, f32)]
        return [*(k for k in uniform if k[0].kind != "bool"), *mixed]
    return [kinds for kinds in uniform if result_of(op, kinds) is not None]


def attributes(op: Op) -> dict[str, Any]:
    return {a.name: a.default for a in op.attributes}


def result_of(op: Op, kinds: Sequence[DType]) -> DType | None:
    """The result's element type; None if the op does not take these."""
    try:
        (found,) = op.infer([Tensor(kind, (4,)) for kind in kinds], attributes(op), ())
    except ValueError:
        return None
    return found.dtype


def reference(op: Op, tensors: Sequence[torch.Tensor], attrs: dict[str, Any]) -> torch.Tensor:
    """The op in torch, float32 operands widened: so it rounds once (torch's sqrt does not)."""
    assert op.evaluate is not None
    wide = [t.double() if t.dtype == torch.float32 else t for t in tensors]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = op.evaluate(wide, attrs, ())
    assert isinstance(result, tuple)
    found = result[0]
    assert isinstance(found, torch.Tensor)
    return found


def check(op: Op, kinds: tuple[DType, ...]) -> None:
    attrs = attributes(op)
    result = result_of(op, kinds)
    assert result is not None
    tensors = operands(kinds)
    count = len(tensors[0])
    out = torch.zeros(count, dtype=torch_dtype(result))
    tile_program = pointwise(op.name, kinds, result, count, attrs)
    run(tile_program, dict(zip("abc", tensors), out=out))
    expected = reference(op, tensors, attrs).to(out.dtype)
    if op.name in EXACT or not result.is_float:
        assert bool(same_bits(out, expected).all()), mismatch(tensors, out, expected)
    else:
        assert_close(op, tensors, out, expected, result)


def assert_close(
    op: Op, tensors: list[torch.Tensor], out: torch.Tensor, expected: torch.Tensor, kind: DType
) -> None:
    """Special values at the same places, the others within the tolerance."""
    a, b = out.double(), expected.double()
    info = torch.finfo(out.dtype)
    tiny = b.abs() < 2 * info.smallest_normal  # torch flushes some of these to 0
    edge = b.isinf() & (a.abs() > info.max / 2)  # torch's sinh and cosh overflow a little early
    finite = a.isfinite() & b.isfinite()
    special = finite | (a.isnan() & b.isnan()) | (a == b) | (edge if "h" in op.name else False)
    assert bool(special.all()), mismatch(tensors, out, expected, special)
    zeros = (a == 0) & (b == 0)
    signs = ~zeros | (a.signbit() == b.signbit())
    assert bool(signs.all()), mismatch(tensors, out, expected, signs)
    near = (a - b).abs() <= TOLERANCE[kind.name] * b.abs() + info.smallest_normal
    assert bool((near | ~finite | tiny).all()), mismatch(tensors, out, expected, near | ~finite)


def mismatch(
    tensors: Sequence[torch.Tensor],
    out: torch.Tensor,
    expected: torch.Tensor,
    good: torch.Tensor | None = None,
) -> str:
    good = same_bits(out, expected) if good is None else good
    worst = (~good).nonzero().flatten()[:5].tolist()
    rows = [([t[i].item() for t in tensors], out[i].item(), expected[i].item()) for i in worst]
    return f"(operands, got, expected): {rows}"


PLAIN = [op for op in OPS if op.name not in ("cast", "bitcast", "rem", "mod")]


@pytest.mark.parametrize("op", PLAIN, ids=lambda op: op.name)
def test_op_in_the_interpreter(op: Op) -> None:
    for kinds in combinations(op):
        check(op, kinds)


@pytest.mark.parametrize("name", ["rem", "mod"])
@pytest.mark.parametrize("kind", [f32, f64, *INTEGERS], ids=str)
def test_remainders_against_numpy(name: str, kind: DType) -> None:
    """numpy's fmod is C's; torch's loses the result where the quotient overflows."""
    import numpy as np

    a, b = operands((kind, kind))
    out = torch.zeros(len(a), dtype=torch_dtype(kind))
    run(pointwise(name, (kind, kind), kind, len(a)), {"a": a, "b": b, "out": out})
    x, y = a.numpy(), b.numpy()
    safe = y if kind.is_float else np.where(y == 0, np.ones_like(y), y)
    with np.errstate(all="ignore"):
        expected = np.fmod(x, safe)
        if name == "mod":
            fixed = (expected != 0) & ((expected < 0) != (safe < 0))
            expected = np.where(fixed, expected + safe, expected)
    if not kind.is_float:
        expected = np.where(y == 0, np.zeros_like(expected), expected)
    wanted = torch.from_numpy(expected.astype(x.dtype))
    assert bool(same_bits(out, wanted).all()), mismatch([a, b], out, wanted)


@pytest.mark.parametrize("exponent", [-1.0, 0.0, 1.0, 2.0, 3.0, 0.5, -0.5])
def test_literal_exponents(exponent: float) -> None:
    a = operands((f32,))[0]
    out = torch.zeros_like(a)
    run(with_literal("pow", f32, exponent, len(a)), {"a": a, "out": out})
    wide = a.double()
    expected = torch.pow(wide, torch.full_like(wide, exponent)).float()
    op = get_op("pow")
    assert_close(op, [a], out, expected, f32)


@pytest.mark.parametrize("op", ["div", "rem", "mod"])
@pytest.mark.parametrize("value", [3, 0, -1])
def test_integer_division_by_literals(op: str, value: int) -> None:
    a = operands((i32,))[0]
    out = torch.zeros_like(a)
    run(with_literal(op, i32, value, len(a)), {"a": a, "out": out})
    divisor = torch.full_like(a, value)
    expected = reference(get_op(op), [a, divisor], {})
    assert torch.equal(out, expected)


@pytest.mark.parametrize("kind", [f16, f32, f64, dtype("bf16"), dtype("f8e4m3fn"), i32, i64, u8])
def test_literals_keep_their_type(kind: DType) -> None:
    """0.1 in float64 is not the float32 nearest to it."""
    value: Any = 0.1 if kind.is_float else 100
    a = operands((kind,))[0]
    out = torch.zeros_like(a)
    run(with_literal("maximum", kind, value, len(a)), {"a": a, "out": out})
    op = get_op("maximum")
    full = torch.full((len(a),), value, dtype=torch.float64)
    other = reference(get_op("cast"), [full], {"dtype": kind, "saturate": False})
    expected = reference(op, [a, other], {}).to(out.dtype)
    assert bool(same_bits(out, expected).all())


def with_literal(op: str, kind: DType, value: bool | int | float, count: int) -> TileProgram:
    """``out = op(a, value)``."""
    from fusec.tile.program import Literal

    x = symbol("x", below=count)
    body = [
        Load("a", kind, ("x",), "a", x, (), None),
        Literal("v", kind, (), value),
        Apply("y", kind, ("x",), op, ("a", "v")),
        Store("s", kind, ("x",), "out", "y", x, ()),
    ]
    axes = [Axis("x", count, Role.GRID, True)]
    buffers = [buffer("a", kind, count)], [buffer("out", kind, count)]
    return program("pointwise", axes, body, *buffers)


# ------------------------------------------------------------------------------- compilation


def everything(kind: DType) -> TileProgram:
    """One kernel that applies every op which takes three tiles or fewer of one type."""
    count = 1000
    x = symbol("x", below=count)
    names = ("a", "b")
    body: list[Statement] = [Load(n, kind, ("x",), n, x, (), None) for n in names]
    body.append(Apply("c", bool_, ("x",), "lt", names))
    results = []
    for op in PLAIN:
        arguments = ("c", *names) if op.name == "select" else names[: len(op.operands)]
        kinds = (bool_, kind, kind) if op.name == "select" else (kind,) * len(op.operands)
        found = result_of(op, kinds)
        if found is None:
            continue
        attrs = tuple(attributes(op).items())
        body.append(Apply(op.name, found, ("x",), op.name, arguments, attrs))
        body.append(Store(f"s_{op.name}", found, ("x",), f"y_{op.name}", op.name, x, ()))
        results.append(buffer(f"y_{op.name}", found, count))
    operands_ = [buffer(n, kind, count) for n in names]
    return program("pointwise", [Axis("x", count, Role.GRID, True)], body, operands_, results)


SM_90 = pytest.param("sm_90", marks=pytest.mark.slow)


@pytest.mark.parametrize("target", ["sm_80", "gfx942", SM_90])
@pytest.mark.parametrize("kind", [f16, f32, f64, i32, i64, u8, bool_], ids=str)
def test_every_op_compiles(kind: DType, target: str) -> None:
    tile_program = everything(kind)
    config = candidates(tile_program, resolve(target))[0].config
    compiled = compile_with_assembly(tile_program, "everything", resolve(target), config)
    assert compiled.binary.data
