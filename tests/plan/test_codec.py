"""Dataclasses as JSON: every kind of field there and back, and strict about everything else."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusec.ir import Dim, DType, Symbol, Tensor, bf16, f32, symbol
from fusec.plan.codec import dump, load
from fusec.plan.json_data import CodecError, from_json, to_json
from fusec.tile.program import Apply, Axis, Bound, Literal, Load, Loop, Role, Statement


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True)
class Leaf:
    number: int
    text: str | None


@dataclass(frozen=True)
class Everything:
    flag: bool
    ratio: float
    dim: Dim
    symbol: Symbol
    dtype: DType
    type: Tensor
    colour: Colour
    data: bytes
    pair: tuple[str, int]
    many: tuple[Leaf, ...]
    table: Mapping[str, Leaf]
    free: Any
    scalar: bool | int | float | None
    leaf: Leaf | None
    statements: tuple[Statement | Loop, ...]


N = Symbol("n", 1, 100)
M = Symbol("m", 0, None, 1, N.expr)


def everything() -> Everything:
    load_ = Load("a", f32, ("m",), "in0", M.expr * 2, (Bound(M.expr, 4, True, False),), -math.inf)
    apply = Apply("b", bf16, ("m",), "cast", ("a",), (("dtype", bf16), ("saturate", False)))
    return Everything(
        flag=True,
        ratio=0.1,
        dim=N.expr * 3 + 1,
        symbol=M,
        dtype=bf16,
        type=Tensor(f32, (2, N.expr)),
        colour=Colour.BLUE,
        data=b"\x00\xff",
        pair=("a", 1),
        many=(Leaf(1, None), Leaf(-(2**70), "ü\n\0")),
        table={"x": Leaf(0, "")},
        free=(1, 2.0, "x", None, (True, N.expr // 2), f32),
        scalar=math.inf,
        leaf=None,
        statements=(load_, Loop("m", (apply, Literal("c", f32, (), 1)))),
    )


def test_every_kind_of_field_reads_back() -> None:
    value = everything()
    data = dump(value, Everything)
    again = load(data, Everything)
    assert again == value
    assert type(again.statements[1]) is Loop
    assert dump(again, Everything) == data


def test_symbols_that_limit_others_are_listed_first() -> None:
    names = [s["name"] for s in json.loads(dump(everything(), Everything))["symbols"]]
    assert names.index("n") < names.index("m")


@given(st.one_of(st.booleans(), st.integers(), st.floats(), st.none()))
def test_scalars_keep_type_and_bits(value: bool | int | float | None) -> None:
    @dataclass(frozen=True)
    class Box:
        scalar: Any

    again = load(dump(Box(value), Box), Box).scalar
    assert type(again) is type(value)
    assert repr(again) == repr(value)


def test_two_symbols_of_one_name_are_refused() -> None:
    axis = Axis("m", Symbol("a", 0, 5).expr * 2 + Symbol("a", 0, 6).expr, Role.GRID, True)
    with pytest.raises(ValueError, match="two symbols are named a"):
        dump(axis, Axis)


def changed(path: str, value: Any) -> bytes:
    """The document of `everything` with one place changed; a `None` path element deletes."""
    document = json.loads(dump(everything(), Everything))
    at: Any = document
    *parents, last = path.split("/")
    for key in parents:
        at = at[int(key)] if isinstance(at, list) else at[key]
    if value is ...:
        del at[last]
    else:
        at[int(last) if isinstance(at, list) else last] = value
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("value/flag", 1, r"\$.flag: 1 where bool is expected"),
        ("value/flag", ..., r"\$: flag is missing"),
        ("value/more", 1, r"\$: more is not expected"),
        ("value/ratio", "x", r"\$.ratio: 'x' where float"),
        ("value/dim", "q + 1", r"\$.dim: .*declared symbol"),
        ("value/dim", "n // 0", r"\$.dim: .*division by zero"),
        ("value/dim", "(" * 500, r"\$.dim"),
        ("value/dim", 1.5, r"\$.dim: an integer is expected"),
        ("value/dim", True, r"\$.dim: an integer is expected"),
        ("value/symbol", "q", r"\$.symbol: q is not a symbol"),
        ("value/dtype", "f33", r"\$.dtype: 'f33' is not a dtype"),
        ("value/colour", "green", r"\$.colour: 'green' is not one of red, blue"),
        ("value/data", "0g", r"\$.data: not hexadecimal"),
        ("value/pair", ["a"], r"\$.pair: 1 items where 2"),
        ("value/many/1/number", 1.0, r"\$.many\[1\].number: 1.0 where int"),
        ("value/table/x", [], r"\$.table.x: an object is expected"),
        ("value/free", [{"eval": "1"}], r"\$.free\[0\]: not a number"),
        ("value/free", [{"float": "1e5"}], r"\$.free\[0\]: not a number"),
        ("value/scalar", {"float": "nan", "x": 1}, r"\$.scalar: not a number"),
        ("value/statements/0/is", "Popen", r"\$.statements\[0\]: 'Popen' is not one of"),
        ("value/statements/0/is", ..., r"\$.statements\[0\]: None is not one of"),
        ("symbols/0/name", "n n", r"\$.symbols\[0\]: .*identifier"),
        ("symbols/0/lo", 200, r"\$.symbols\[0\]: .*no value"),
        ("symbols/0/divisor", 0, r"\$.symbols\[0\]: .*not positive"),
        ("symbols/1/name", "n", r"\$.symbols\[1\]: symbol n stands twice"),
        ("symbols/1/below", "zz", r"\$.symbols\[1\]: .*declared symbol"),
        ("symbols", {}, r"\$.symbols: a list is expected"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(path: str, value: Any, message: str) -> None:
    with pytest.raises(CodecError, match=message):
        load(changed(path, value), Everything)


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"nul", b'{"a":NaN}', b'{"a":1,"a":2}', b"[" * 100_000, b"1" * 10_000, b"\xff"],
)
def test_what_is_not_strict_json_is_refused(text: bytes) -> None:
    with pytest.raises((CodecError, UnicodeDecodeError)):
        from_json(text)


def test_json_has_no_nan() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        to_json({"a": math.nan})


def test_what_has_no_json_form_is_refused() -> None:
    @dataclass
    class Odd:
        free: Any

    with pytest.raises(TypeError, match="no JSON form"):
        dump(Odd(object()), Odd)
    assert symbol("n", 1, 100) is N.expr
