"""Symbolic dims: each simplification by its text, and the interface."""

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from fusec.ir import sym
from fusec.ir.sym import Dim, Symbol

# --- names used by the explicit tests


BATCH = Symbol("B", 1, 64)
SEQ = Symbol("S", 1, 512)
FREE = Symbol("F", 1)
SYMBOLS = {
    s.name: s
    for s in (
        BATCH,
        SEQ,
        FREE,
        Symbol("a"),
        Symbol("b", below=BATCH.expr),
        Symbol("c", 0, 55),
        Symbol("i", 0, 7),
        Symbol("m"),
        Symbol("n", 8, 64, 8),
        Symbol("r", 0, 5),
        Symbol("s", below=SEQ.expr),
        Symbol("t", below=FREE.expr),
        Symbol("u", below=BATCH.expr * SEQ.expr),
        Symbol("x", -20, 20),
        Symbol("z", -5, -1),
    )
}


def d(text: str) -> Dim:
    return sym.parse(text, SYMBOLS)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # range
        ("c // 56", "0"),
        ("c % 56", "c"),
        ("z // 5", "-1"),
        ("z % 5", "z + 5"),
        ("s // S", "0"),
        ("s % S", "s"),
        ("t % F", "t"),
        ("(S - 1 - s) // S", "0"),
        ("(S - 1 - s) % S", "S - s - 1"),
        ("min(n, 64)", "n"),
        ("max(n, 8, 3)", "n"),
        ("min(s, S - 1)", "s"),
        ("max(t, F)", "F"),
        ("min(m, m + 1, m)", "m"),
        ("min(B, 5, min(S, 7))", "min(B, S, 5)"),
        ("max(m, min(m, S))", "m"),
        # linear split
        ("(8*a + m) // 8", "a + m // 8"),
        ("(8*a + m) % 8", "m % 8"),
        ("(9*m) // 4", "m*2 + m // 4"),
        ("(S*b + s) // S", "b"),
        ("(S*b + s) % S", "s"),
        ("(S*b + S - 1 - s) // S", "b"),
        ("(S*b + S - 1 - s) % S", "S - s - 1"),
        ("((F + 1)*b + t) // (F + 1)", "b"),
        ("((F + 1)*b + t) % (F + 1)", "t"),
        ("S // S", "1"),
        ("S % S", "0"),
        ("S // (S + 1)", "0"),
        ("(m - 3) // 2 + 1", "(m + 1) // 2 - 1"),
        # common factors
        ("(6*a + r) // 12", "a // 2"),
        ("(6*a + r) % 12", "(a % 2)*6 + r"),
        ("(2*m + 1) // 4", "m // 2"),
        ("(S*a + s) // (S*4)", "a // 4"),
        ("(S*a + s) % (S*4)", "S*(a % 4) + s"),
        # known divisors
        ("n % 8", "0"),
        ("n // 8 * 8", "n"),
        ("(n + i) // 8", "n // 8"),
        ("(n + i) % 8", "i"),
        # nested
        ("m // 4 // 3", "m // 12"),
        ("(m // 4 + 1) // 3", "(m + 4) // 12"),
        ("((m + 1) // 2 + 1) // 2", "(m + 3) // 4"),
        ("m % 12 % 4", "m % 4"),
        ("m % 12 // 4", "(m // 4) % 3"),
        ("m // S // B", "m // (B*S)"),
        ("m % (S*B) % B", "m % B"),
        ("m % (S*B) // B", "(m // B) % S"),
        # joining
        ("m // 56 * 56 + m % 56", "m"),
        ("3136*(m // 3136) + 56*((m // 56) % 56) + m % 56", "m"),
        ("56*((m // 56) % 56) + m % 56", "m % 3136"),
        ("S*(m // S)*B + m % S * B", "B*m"),
        ("(S + 1)*(m // (S + 1)) + m % (S + 1)", "m"),
        ("12*(m // 12) + m % 12 + 5 - m", "5"),
        ("12*((m % 24 + a) // 12) + (m % 24 + a) % 12", "a + m % 24"),
        ("8*(n // 8)*m", "m*n"),
        ("m - 56*(m // 56)", "m % 56"),
        ("(m + 7) // 8 * 8 - m", "7 - (m + 7) % 8"),
        ("S*m - S*3*(m // 3)", "S*(m % 3)"),
        # trivial
        ("m // 1", "m"),
        ("m % 1", "0"),
        ("m - m", "0"),
        ("m // -4", "(-m) // 4"),
        ("m % -4", "-((-m) % 4)"),
    ],
)
def test_simplification(text: str, expected: str) -> None:
    assert d(text) == d(expected)
    assert str(d(text)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("64*n + (m // 56) % 56", "n*64 + (m // 56) % 56"),
        ("m - 1", "m - 1"),
        ("3 - m", "3 - m"),
        ("-m - 3", "-m - 3"),
        ("-(m // 4)", "-(m // 4)"),
        ("a - m // 4", "a - m // 4"),
        ("m*2 // (S*3)", "m*2 // (S*3)"),
        ("(m + 1) // (S + a)", "(m + 1) // (S + a)"),
        ("m // (a // 2)", "m // (a // 2)"),
        ("min(m, 3)*a", "a*min(m, 3)"),
        ("m*m*a", "a*m*m"),
        ("S*b + s", "S*b + s"),
    ],
)
def test_text(text: str, expected: str) -> None:
    assert str(d(text)) == expected


def test_to_python_renames_symbols() -> None:
    assert sym.to_python(d("min(m, a) + c"), lambda name: f"{name}_0") == "c_0 + min(a_0, m_0)"
    assert sym.to_python(7) == "7"


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("m +", 3),
        ("m $ 3", 2),
        ("q + 1", 0),
        ("3 4", 2),
        ("(m", 2),
        ("m // 0", 2),
        ("m % (a - a)", 2),
        ("min()", 4),
        ("min", 3),
        ("", 0),
        ("m ** 2", 3),
        ("(" * 150 + "m" + ")" * 150, 100),
        ("m + " + "1" * 50, 4),
        ("*".join(["(m + a + b + c + r + s)"] * 9), 191),
    ],
)
def test_parse_names_the_position(text: str, position: int) -> None:
    with pytest.raises(ValueError, match=rf"^position {position} "):
        d(text)


def test_symbol_is_normalised() -> None:
    batch = Symbol("batch", 1, 63, 8)
    assert (batch.lo, batch.hi) == (8, 56)
    assert batch is Symbol("batch", 8, 56, 8)
    assert Symbol("k", below=9).hi == 8
    assert Symbol("k", below=SEQ.expr).hi == 511
    assert sym.symbol("one", 3, 3) == 3
    assert sym.symbol("one", 5, 12, 8) == 8


@pytest.mark.parametrize(
    "make",
    [
        lambda: Symbol("x", 3, 2),
        lambda: Symbol("x", 1, 7, 8),
        lambda: Symbol("x", below=0),
        lambda: Symbol("x", divisor=0),
        lambda: Symbol("a b"),
        lambda: Symbol("min"),
        sym.smin,
        lambda: sym.linearize((1, 2), (3,)),
    ],
)
def test_value_errors(make: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"."):
        make()


def test_division_by_zero() -> None:
    for divide in (sym.floordiv, sym.mod, sym.ceildiv):
        for dividend in (0, 7, d("m")):
            with pytest.raises(ZeroDivisionError):
                divide(dividend, 0)


def test_equal_expressions_are_one_object() -> None:
    x = d("64*n + (m // 56) % 56")
    assert x is d("(m // 56) % 56 + n*32 + 32*n")
    assert pickle.loads(pickle.dumps(x)) is x
    assert copy.deepcopy(x) is x
    assert copy.copy(SEQ) is SEQ
    assert {x: 1}[d("n*64 + (m // 56) % 56")] == 1
    assert Symbol("m") is not Symbol("m", 1)
    assert Symbol("m").expr != Symbol("m", 1).expr


def test_operators_refuse_other_types() -> None:
    m: Any = d("m")
    for other in (1.5, "1", True, None):
        with pytest.raises(TypeError):
            m + other
        with pytest.raises(TypeError):
            other // m
    with pytest.raises(TypeError):
        m < 3  # noqa: B015


def test_bounds() -> None:
    assert sym.bounds(d("c*2 - i")) == (-7, 110)
    assert sym.bounds(d("m % 7 - m")) == (None, 6)
    assert sym.bounds(d("n % 16")) == (0, 8)
    assert sym.bounds(d("x*c")) == (-1100, 1100)
    assert sym.bounds(d("max(m, 4)")) == (4, None)
    assert sym.bounds(5) == (5, 5)


def test_divisor() -> None:
    assert sym.divisor_of(d("n*3 + 16*m")) == 8
    assert sym.divisor_of(d("n // 2")) == 4
    assert sym.divisor_of(-6) == 6
    assert sym.divisor_of(0) == 0
    assert sym.is_divisible(d("n*m"), 4)
    assert not sym.is_divisible(d("n*m"), 16)
    assert sym.is_divisible(0, 16)


def test_proofs_through_symbolic_limits() -> None:
    assert sym.prove_lt(d("S*b + s"), d("B*S"))
    assert sym.prove_lt(d("u // S"), d("B"))
    assert sym.prove_ge(sym.ceildiv(d("m"), 8) * 8, d("m"))
    assert sym.prove_lt(sym.ceildiv(d("m"), 8) * 8, d("m + 8"))
    assert sym.prove_le(d("m % F"), d("m"))
    assert sym.prove_le(d("min(m, F)"), d("F"))
    assert sym.prove_eq(d("m % 8 + 8*(m // 8)"), d("m"))
    assert sym.prove_nonneg(d("B*F - F"))
    assert not sym.prove_lt(d("m"), d("F"))
    assert not sym.prove_nonneg(d("t - 1"))


def test_free_symbols_are_ordered() -> None:
    names = [s.name for s in sym.free_symbols(d("s + min(m, a // B) + 3"))]
    assert names == ["B", "a", "m", "s"]
    assert sym.free_symbols(4) == ()


def test_subs() -> None:
    x = d("S*b + s")
    assert sym.subs(x, {SEQ: 64}) == d("64*b + s")
    assert sym.subs(x, {"b": d("s"), "s": d("b")}) == d("S*s + b")
    assert sym.subs(d("m // F"), {"F": 4, "m": d("4*a + 3")}) == d("a")
    assert sym.subs(x, {}) is x


def test_evaluate_names_the_missingSymbol() -> None:
    with pytest.raises(LookupError, match="'b'"):
        sym.evaluate(d("S*b"), {"S": 3})


def test_coefficient() -> None:
    b = SYMBOLS["b"]
    assert sym.coefficient(d("S*b + 3*b + s"), b) == d("S + 3")
    assert sym.coefficient(d("s"), b) == 0
    assert sym.coefficient(7, b) == 0
    assert sym.coefficient(d("b*b"), b) is None
    assert sym.coefficient(d("b + b % 3"), b) is None
    assert sym.coefficient(d("b*(b % 3)"), b) is None


def test_index_helpers() -> None:
    shape = (BATCH.expr, SEQ.expr, 1, 8)
    index = (d("b"), d("s"), 0, d("i"))
    assert sym.contiguous_strides(shape) == (d("S*8"), 8, 8, 1)
    linear = sym.linearize(index, shape)
    assert str(linear) == "S*b*8 + s*8 + i"
    assert sym.delinearize(linear, shape) == index
    assert sym.delinearize(d("u"), (BATCH.expr, SEQ.expr)) == (d("u // S"), d("u % S"))
    for whole in (d("u"), d("m")):
        parts = sym.delinearize(whole, (2**40, BATCH.expr, 3, 5))
        assert sym.linearize(parts, (2**40, BATCH.expr, 3, 5)) == whole % (BATCH.expr * 15 * 2**40)
    assert sym.linearize((), ()) == 0
    assert sym.delinearize(0, ()) == ()
    assert sym.product([]) == 1
