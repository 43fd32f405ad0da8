"""Contents known at import: arithmetic of quotients of dims, and what stays undecided."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusec.frontend.onnx.contents import (
    Quotient,
    Undecided,
    divide,
    elementwise,
    from_dims,
    is_static,
    largest,
    normalise,
    sign_of,
    smallest,
    to_dims,
)
from fusec.ir.sym import Dim, evaluate, symbol
from fusec.ir.types import f32, i64

N, M = symbol("n", 1), symbol("m", 1, 64)
SIZES = ({"n": 1, "m": 1}, {"n": 7, "m": 64}, {"n": 30, "m": 12})
FACTORS = st.sampled_from([0.25, 0.5, 1.5, 2.0, 3.0, 1 / 8])
STEPS = st.lists(st.tuples(st.sampled_from("+-*/"), FACTORS), max_size=4)


def number(x: Any, env: dict[str, int]) -> Fraction:
    if isinstance(x, Quotient):
        return Fraction(evaluate(x.numerator, env), x.denominator)
    return Fraction(x) if isinstance(x, float) else Fraction(evaluate(x, env))


@given(STEPS)
def test_quotients_are_exact(steps: list[tuple[str, float]]) -> None:
    value: Any = Quotient.of(N)
    exact = [Fraction(env["n"]) for env in SIZES]
    for sign, by in steps:
        value = {"+": value + by, "-": value - by, "*": value * by, "/": value / by}[sign]
        f = Fraction(by)
        exact = [{"+": e + f, "-": e - f, "*": e * f, "/": e / f}[sign] for e in exact]
    assert [number(value, env) for env in SIZES] == exact
    if isinstance(value, Quotient):
        assert [evaluate(value.floor(), env) for env in SIZES] == [math.floor(e) for e in exact]
        assert [evaluate(value.ceil(), env) for env in SIZES] == [math.ceil(e) for e in exact]


def test_ratios_of_equal_dims_are_numbers() -> None:
    assert Quotient.of(N) / Quotient.of(N) == 1.0
    assert Quotient.of(N * 6) / Quotient.of(N * 2) == 3.0
    with pytest.raises(Undecided):
        Quotient.of(N) / Quotient.of(M)


def test_truncation_needs_the_sign() -> None:
    assert Quotient(N, 2).trunc() is N // 2
    assert evaluate(Quotient(-N, 2).trunc(), {"n": 7}) == -3
    with pytest.raises(Undecided):
        Quotient(N - 5, 2).trunc()


def test_division_truncates_toward_zero() -> None:
    assert evaluate(divide(N, 2), {"n": 7}) == 3
    assert evaluate(divide(-N, 2), {"n": 7}) == -3
    with pytest.raises(Undecided):
        divide(N - 5, 2)
    with pytest.raises(Undecided):
        divide(N, 0)


def test_signs() -> None:
    assert (sign_of(N), sign_of(-N), sign_of(M - 65), sign_of(0), sign_of(-2.5)) == (
        1,
        -1,
        -1,
        0,
        -1,
    )
    with pytest.raises(Undecided):
        sign_of(N - 1)


def test_extremes() -> None:
    low: Dim = smallest(N, 3)
    high: Dim = largest(N, 3)
    assert [evaluate(d, {"n": 9}) for d in (low, high)] == [3, 9]
    assert [evaluate(d, {"n": 2}) for d in (low, high)] == [2, 3]


def test_arrays() -> None:
    dims = from_dims([N, 3, N * 2])
    assert not is_static(dims) and to_dims(dims) == (N, 3, N * 2)
    total = elementwise(np.add, lambda a, b: a + b, dims, np.array(1))
    assert to_dims(total) == (N + 1, 4, N * 2 + 1)
    gone = elementwise(np.subtract, lambda a, b: a - b, dims, dims)
    assert normalise(gone, i64).tolist() == [0, 0, 0] and is_static(normalise(gone, i64))
    halves = elementwise(np.multiply, lambda a, b: a * b, np.array([Quotient(N, 1)]), np.array(0.5))
    with pytest.raises(Undecided):
        to_dims(normalise(halves, f32))
