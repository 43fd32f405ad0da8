"""Pointwise ops against numpy in float64 or Python integers, rounded or wrapped once."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from fusec.ir import all_ops, dtype
from fusec.ir.op import Family
from tests.ir.harness import (
    COMPLEXES,
    FLOAT8S,
    FLOATS,
    INTEGERS,
    MOVABLE,
    UNSIGNED,
    Array,
    close,
    draw,
    integer_limits,
    run,
    same_bits,
    wide,
    wrap,
)

SHAPE = (3, 1, 7)
SPECIAL = [0.0, -0.0, 0.5, 1.5, 2.5, -0.5, -1.5, 1.0, -1.0, math.inf, -math.inf, math.nan]

Function = Callable[..., Any]

UNARY: dict[str, Function] = {
    "neg": np.negative,
    "abs": np.abs,
    "floor": np.floor,
    "ceil": np.ceil,
    "round": np.rint,
    "sqrt": np.sqrt,
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "reciprocal": lambda x: 1 / x,
    "exp": np.exp,
    "exp2": np.exp2,
    "expm1": np.expm1,
    "log": np.log,
    "log2": np.log2,
    "log1p": np.log1p,
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "tanh": np.tanh,
    "asinh": np.arcsinh,
    "acosh": np.arccosh,
    "atanh": np.arctanh,
    "erf": np.vectorize(math.erf, otypes=[np.float64]),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
}


def rng(name: str) -> np.random.Generator:
    return np.random.default_rng(sum(name.encode()))


@pytest.mark.parametrize("kind", FLOATS)
@pytest.mark.parametrize("op", sorted(UNARY))
def test_unary_float(op: str, kind: str) -> None:
    x = draw(rng(op + kind), kind, (5, 7), scale=2.0)
    special = np.array(SPECIAL).astype(x.dtype)
    x = np.concatenate([x.reshape(-1), special])
    with np.errstate(all="ignore"):
        expected = UNARY[op](wide(x))
        expected = expected.astype(x.dtype).astype(np.float64)
    close(run(op, x), expected, ulps=8.0 if op in ("rsqrt", "tan", "sigmoid", "exp2") else 4.0)


@pytest.mark.parametrize("kind", FLOAT8S)
@pytest.mark.parametrize("op", ["neg", "exp", "sqrt", "tanh", "reciprocal"])
def test_unary_float8_computes_in_float32_and_rounds_once(op: str, kind: str) -> None:
    x = draw(rng(op), kind, (31,))
    with np.errstate(all="ignore"):
        expected = UNARY[op](x.astype(np.float32)).astype(x.dtype)
    same_bits(run(op, x), expected)


@pytest.mark.parametrize("kind", COMPLEXES)
@pytest.mark.parametrize("op", ["neg", "exp", "sqrt", "sin", "cos", "tanh", "log", "reciprocal"])
def test_unary_complex(op: str, kind: str) -> None:
    x = draw(rng(op), kind, (3, 5))
    np.testing.assert_allclose(run(op, x), UNARY[op](x), rtol=1e-5)


@pytest.mark.parametrize("kind", INTEGERS)
def test_integer_neg_abs_sign_not(kind: str) -> None:
    x = draw(rng(kind), kind, (64,))
    x[0], x[1], x[2] = 0, integer_limits(dtype(kind))[0], integer_limits(dtype(kind))[1]
    exact = wide(x)
    same_bits(run("neg", x), wrap(-exact, dtype(kind)))
    same_bits(run("abs", x), wrap(abs(exact), dtype(kind)))
    same_bits(run("sign", x), wrap((exact > 0) * 1 - (exact < 0) * 1, dtype(kind)))
    same_bits(run("not", x), wrap(-1 - exact, dtype(kind)))


def test_not_of_bool_is_logical() -> None:
    np.testing.assert_array_equal(run("not", np.array([True, False])), [False, True])


def test_sign_of_floats() -> None:
    x = np.array([-2.5, -0.0, 0.0, 3.0, -math.inf], np.float32)
    np.testing.assert_array_equal(run("sign", x), [-1, 0, 0, 1, -1])


@pytest.mark.parametrize("kind", [*FLOATS, "float8_e5m2"])
def test_is_nan_is_inf(kind: str) -> None:
    x = np.array([1.0, math.inf, -math.inf, math.nan]).astype(dtype(kind).numpy)
    np.testing.assert_array_equal(run("is_nan", x), [False, False, False, True])
    np.testing.assert_array_equal(run("is_inf", x), [False, True, True, False])
    np.testing.assert_array_equal(run("is_inf", x, negative=False), [False, True, False, False])
    np.testing.assert_array_equal(run("is_inf", x, positive=False), [False, False, True, False])
    assert not run("is_inf", x, positive=False, negative=False).any()


# -- binary --------------------------------------------------------------------------------------


def trunc_div(a: int, b: int) -> int:
    return 0 if b == 0 else abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


EXACT: dict[str, Callable[[int, int], int]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": trunc_div,
    "mod": lambda a, b: 0 if b == 0 else a % b,
    "rem": lambda a, b: 0 if b == 0 else a - b * trunc_div(a, b),
    "maximum": max,
    "minimum": min,
    "and": lambda a, b: a & b,
    "or": lambda a, b: a | b,
    "xor": lambda a, b: a ^ b,
}


@pytest.mark.parametrize("kind", INTEGERS)
@pytest.mark.parametrize("op", sorted(EXACT))
def test_binary_integer_broadcast_and_limits(op: str, kind: str) -> None:
    generator = rng(op + kind)
    low, high = integer_limits(dtype(kind))
    a, b = draw(generator, kind, (4, 1, 9)), draw(generator, kind, (5, 1))
    a.reshape(-1)[:4] = [low, high, 0, low]
    b.reshape(-1)[:4] = [high, 0, low, -1 if low else 1]
    pairs = np.broadcast_arrays(wide(a), wide(b))
    expected = np.frompyfunc(EXACT[op], 2, 1)(*pairs)
    same_bits(run(op, a, b), wrap(expected, dtype(kind)))


FLOAT_BINARY: dict[str, Function] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "mod": np.mod,
    "rem": np.fmod,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "atan2": np.arctan2,
    "pow": np.power,
}


@pytest.mark.parametrize("kind", FLOATS)
@pytest.mark.parametrize("op", sorted(FLOAT_BINARY))
def test_binary_float(op: str, kind: str) -> None:
    generator = rng(op + kind)
    a, b = draw(generator, kind, (6, 1, 5), scale=3.0), draw(generator, kind, (3, 5), scale=3.0)
    special = np.array(SPECIAL).astype(a.dtype)
    for x, y in ((a, b), (special[:, None], special[None])):
        with np.errstate(all="ignore"):
            expected = FLOAT_BINARY[op](wide(x), wide(y)).astype(a.dtype).astype(np.float64)
        if op in ("mod", "rem"):  # the quotient may round to another integer: compare exactly
            with np.errstate(all="ignore"):
                expected = FLOAT_BINARY[op](x.astype(np.float64), y.astype(np.float64))
        close(run(op, x, y), expected, ulps=4.0)


@pytest.mark.parametrize("op", ["add", "mul", "maximum"])
@pytest.mark.parametrize("kind", FLOAT8S)
def test_binary_float8(op: str, kind: str) -> None:
    a, b = draw(rng(op), kind, (4, 5)), draw(rng(kind), kind, (5,))
    wide_result = FLOAT_BINARY[op](a.astype(np.float32), b.astype(np.float32))
    same_bits(run(op, a, b), wide_result.astype(a.dtype))


@pytest.mark.parametrize("op", ["add", "sub", "mul", "div"])
@pytest.mark.parametrize("kind", COMPLEXES)
def test_binary_complex(op: str, kind: str) -> None:
    a, b = draw(rng(op), kind, (4, 5)), draw(rng(kind), kind, (5,))
    np.testing.assert_allclose(run(op, a, b), FLOAT_BINARY[op](a, b), rtol=1e-5)


@pytest.mark.parametrize("kind", INTEGERS)
def test_shifts(kind: str) -> None:
    bits = dtype(kind).bits
    generator = rng(kind)
    x = draw(generator, kind, (40,))
    by = draw(generator, kind, (40,), low=0, high=min(bits + 3, integer_limits(dtype(kind))[1]))
    exact = [(int(a), int(s)) for a, s in zip(wide(x), wide(by), strict=True)]
    left = np.array([a << s for a, s in exact], object)
    right = np.array([a >> s for a, s in exact], object)
    same_bits(run("shift_left", x, by), wrap(left, dtype(kind)))
    same_bits(run("shift_right", x, by), wrap(right, dtype(kind)))


COMPARISONS = {
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
}


@pytest.mark.parametrize("kind", [*FLOATS, *FLOAT8S, *INTEGERS, "bool"])
@pytest.mark.parametrize("op", sorted(COMPARISONS))
def test_comparisons(op: str, kind: str) -> None:
    generator = rng(op + kind)
    a, b = draw(generator, kind, (6, 1)), draw(generator, kind, (1, 7))
    a[0, 0] = b[0, 0]
    if kind in FLOATS:
        a[1, 0] = math.nan
    np.testing.assert_array_equal(run(op, a, b), COMPARISONS[op](wide(a), wide(b)).astype(bool))


@pytest.mark.parametrize("op", ["and", "or", "xor"])
def test_logical(op: str) -> None:
    a, b = np.array([[False], [True]]), np.array([False, True])
    np.testing.assert_array_equal(run(op, a, b), getattr(np, f"logical_{op}")(a, b))


# -- pow, select ---------------------------------------------------------------------------------


def integer_power(a: int, e: int) -> int:
    if e >= 0:
        return int(a**e)
    return int(a ** (-e % 2)) if abs(a) == 1 else 0


@pytest.mark.parametrize("exponent", ["int32", "int64", "uint8", "float32"])
@pytest.mark.parametrize(
    "kind", ["int8", "int32", "int64", "uint8", "uint64", "float32", "bfloat16"]
)
def test_pow_of_mixed_dtypes(kind: str, exponent: str) -> None:
    low = 0 if exponent.startswith("u") else -3
    base = np.arange(-3, 4).astype(np.int64)
    base = (
        np.abs(base).astype(dtype(kind).numpy)
        if kind in UNSIGNED
        else base.astype(dtype(kind).numpy)
    )
    e = np.arange(low, 5).astype(exponent)[:, None]
    if dtype(kind).is_float or exponent == "float32":
        with np.errstate(all="ignore"):
            expected = np.power(wide(base).astype(np.float64), e.astype(np.float64))
        if dtype(kind).is_float:
            close(run("pow", base, e), expected.astype(dtype(kind).numpy).astype(np.float64))
        else:
            positive = np.broadcast_to((e >= 0), expected.shape)
            found = wide(run("pow", base, e))
            np.testing.assert_array_equal(found[positive], expected[positive].astype(np.int64))
        return
    exact = np.frompyfunc(integer_power, 2, 1)(*np.broadcast_arrays(wide(base), wide(e)))
    same_bits(run("pow", base, e), wrap(exact, dtype(kind)))


@pytest.mark.parametrize("kind", MOVABLE)
def test_select_moves_any_dtype(kind: str) -> None:
    generator = rng(kind)
    condition = draw(generator, "bool", (2, 3, 1))
    a, b = draw(generator, kind, (3, 4)), draw(generator, kind, ())
    expected = np.where(condition, wide(a), wide(b))
    found = run("select", condition, a, b)
    np.testing.assert_array_equal(wide(found), expected)


def test_every_pointwise_op_is_tested_here() -> None:
    tested = {*UNARY, *EXACT, *FLOAT_BINARY, *COMPARISONS}
    tested |= {"sign", "not", "is_nan", "is_inf", "shift_left", "shift_right", "select"}
    declared = {op.name for op in all_ops() if op.family is Family.POINTWISE}
    assert declared == tested | {"cast", "bitcast"}  # test_convert.py


def test_preserves_zero_is_true() -> None:
    for op in all_ops():
        if op.is_pointwise and op.preserves_zero and op.name not in ("cast", "bitcast"):
            kind = next(k for k in ("float32", "int32", "bool") if accepts(op.name, k))
            zeros: list[Array] = [np.zeros(2, kind) for _ in op.operands]
            assert not run(op.name, *zeros).any(), op.name


def accepts(op: str, kind: str) -> bool:
    from fusec.ir import Tensor, get_op

    try:
        count = len(get_op(op).operands)
        get_op(op).infer([Tensor(dtype(kind), ())] * count, get_op(op).defaults, ())
    except ValueError:
        return False
    return True


def test_idempotent_is_true() -> None:
    x = np.array(SPECIAL, np.float32)
    for op in all_ops():
        if op.is_idempotent:
            once = run(op.name, x)
            same_bits(run(op.name, once), once)


def test_commutative_is_true() -> None:
    generator = rng("commutative")
    for op in all_ops():
        if op.is_commutative:
            kind = "float32" if accepts(op.name, "float32") else "int32"
            a, b = draw(generator, kind, (4, 1)), draw(generator, kind, (3,))
            same_bits(run(op.name, a, b), run(op.name, b, a))
