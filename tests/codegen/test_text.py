"""How index expressions, literals, names and long lines print."""

from __future__ import annotations

import math

import pytest

from fusec.codegen.index import IndexPrinter, Name
from fusec.codegen.lines import comment, fit
from fusec.codegen.literals import highest, literal_operand, literal_value, lowest
from fusec.codegen.names import Namer, identifier, signature_name
from fusec.ir.sym import Dim, smax, smin, symbol
from fusec.ir.types import bool_, dtype, f32, f64, i8, i32, i64

M, N, K, S = symbol("m", hi=999), symbol("n", hi=99), symbol("k", hi=49), symbol("s", 1, 64)
DIMS = {"m": ("m",), "n": ("n",), "k": ("k",), "s": ()}


def printer(named: dict[Dim, Name] | None = None) -> IndexPrinter:
    table = named or {}
    return IndexPrinter(("m", "k", "n"), lambda s: Name(s, DIMS[s]), table.get)


@pytest.mark.parametrize(
    ("value", "target", "expected"),
    [
        (5, ("m",), "5"),
        (M, ("m",), "m"),
        (M, ("m", "n"), "m[:, None]"),
        (3 * M + 7, ("m",), "m * 3 + 7"),
        (3 * M + 7, ("m", "n"), "(m * 3 + 7)[:, None]"),
        (M * 100 + N, ("m", "n"), "(m * 100)[:, None] + n[None, :]"),
        (M * 100 + N - 4, ("m", "n"), "(m * 100)[:, None] + (n - 4)[None, :]"),
        (S * 8 + M, ("m", "n"), "s * 8 + m[:, None]"),
        (M // 7 * 3, ("m",), "(m // 7) * 3"),
        (M // 7 % 5, ("m",), "m // 7 % 5"),
        ((M + 1) // 7, ("m",), "(m + 1) // 7"),
        (M * N, ("m", "n"), "m[:, None] * n[None, :]"),
        ((M + K) // 3, ("m", "k"), "(m[:, None] + k[None, :]) // 3"),
        (-(M // 7), ("m",), "-(m // 7)"),
        (9 - M, ("m",), "9 - m"),
        (smin(M, 3), ("m",), "tl.minimum(m, 3)"),
        (smax(M, K), ("m", "k"), "tl.maximum(k[None, :], m[:, None])"),
    ],
)
def test_index_text(value: Dim, target: tuple[str, ...], expected: str) -> None:
    assert printer().text(value, target) == expected


def test_parts_print_by_name_wherever_they_occur() -> None:
    oh = M // 56 % 56
    by_name = printer({oh: Name("oh", ("m",))})
    assert by_name.text(oh, ("m",)) == "oh"
    assert by_name.text(2 * oh + K - 3, ("m", "k")) == "(oh * 2)[:, None] + (k - 3)[None, :]"


@pytest.mark.parametrize("seed", range(20))
def test_printed_expressions_have_the_value(seed: int) -> None:
    """Random expressions, printed for one tile, evaluated by Python on numpy vectors."""
    import numpy as np

    rng = np.random.default_rng(seed)
    atoms: list[Dim] = [M, N, K, S, M // 7, N % 5, (M + K) // 3, (N * 2 + K) % 11]
    value: Dim = int(rng.integers(-9, 9))
    for _ in range(5):
        pair = atoms[rng.integers(8)] * (atoms[rng.integers(8)] if rng.integers(2) else 1)
        value = value + int(rng.integers(-5, 6)) * pair
    text = printer().text(value, ("m", "k", "n"))
    space = {"m": np.arange(30), "k": np.arange(7), "n": np.arange(11), "s": 5}
    got = eval(text, {}, space)
    from fusec.ir.sym import evaluate

    for at in np.ndindex(30, 7, 11):
        env = {"m": at[0], "k": at[1], "n": at[2], "s": 5}
        assert np.broadcast_to(got, (30, 7, 11))[at] == evaluate(value, env)


def test_long_lines_break_in_brackets() -> None:
    call = "tl.load(x_ptr + " + " + ".join(f"(term_{i} * {i})[:, None]" for i in range(8)) + ")"
    text = "value = " + call[:-1] + ", mask=m_in[:, None], other=0.0)"
    lines = fit(text, 1)
    assert max(map(len, lines)) <= 100
    compile("if True:\n" + "\n".join(lines), "k", "exec")
    assert "".join("\n".join(lines).split()).replace(",)", ")") == "".join(text.split())


def test_short_lines_stay() -> None:
    assert fit("x = 1", 2) == ["        x = 1"]


def test_comments_are_one_line_and_cut() -> None:
    line = comment("a\n  b " * 40, 1)
    assert "\n" not in line
    assert len(line) <= 100
    assert line.endswith("...")


def test_names() -> None:
    namer = Namer()
    names = [namer(n) for n in ("/conv1/Conv", "conv1_Conv", "1x", "for", "tl", "a b", "", "µ")]
    assert len(set(names)) == len(names)
    assert all(n.isidentifier() and n.isascii() for n in names)
    assert identifier("lambda") == "lambda_"


def test_literals() -> None:
    assert literal_operand(2.5, f32) == "2.5"
    assert literal_operand(-2.5, f32) == "(-2.5)"
    assert literal_operand(math.inf, f32) == 'float("inf")'
    assert literal_operand(-math.inf, f32) == 'float("-inf")'
    assert literal_operand(1, bool_) == "True"
    assert literal_value(0.1, f64) == "tl.full((), 0.1, tl.float64)"
    assert literal_value(3, i32) == "3"
    assert literal_value(2**40, i64) == f"tl.full((), {2**40}, tl.int64)"
    assert literal_value(-0.0, f32) == "(tl.full((), 0.0, tl.float32) * -1.0)"
    u8 = dtype("u8")
    assert (lowest(i8), highest(i8), lowest(u8), highest(u8)) == (-128, 127, 0, 255)


def test_signature_names() -> None:
    expected = {"bool": "i1", "u8": "u8", "i64": "i64", "bf16": "bf16", "f8e5m2": "u8", "i4": "i8"}
    assert {name: signature_name(dtype(name)) for name in expected} == expected
