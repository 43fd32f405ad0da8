"""Arithmetic: identities, signs, powers, division, reassociation.

Every equation holds for each element of the dtype, NaN and infinities included, but for the sign of
a zero: ``x + 0`` turns -0 into +0, and the rule does not. What holds only for real numbers is not
here: ``x * 0`` is NaN for an infinite x, ``x - x`` too, and ``(x + a) + b`` rounds twice.

- ``x / c == x * (1 / c)`` when c is a power of two whose reciprocal is a normal number: both round
  the same real number once (IEEE 754-2019, 4.3).
- ``x - c == x + (-c)``: IEEE 754-2019 defines subtraction so (5.4.1).
- ``pow(x, 0.5)`` is +inf for -inf where ``sqrt`` is NaN (C17, F.10.4.4): only for x that cannot be.
- ``pow(x, 3)`` rounds once, ``x * x * x`` twice: within 2 ulp, so for 32 bits and more only.
"""

from __future__ import annotations

from fusec.ir.graph import Value
from fusec.ir.op import Op
from fusec.passes.conditions import (
    among,
    discrete,
    every,
    floats,
    integers,
    negated,
    operand_dtype,
    small_constants,
)
from fusec.passes.facts import is_non_negative, is_small, reciprocal_if_exact
from fusec.passes.pattern import Match
from fusec.passes.rules import Equation, RuleBuilder, Verdict
from fusec.tile.program import Refusal


def _commutes(op: Op) -> bool:
    return op.is_commutative and len(op.operands) == 2


def _associates_exactly(match: Match) -> bool:
    if match["x"].constant is not None:
        return False  # two constants would change places forever
    exact = match.root.op.name in ("maximum", "minimum") or discrete(match)
    return exact and small_constants(match)


def _constant_on_left_only(match: Match) -> bool:
    left, right = match.root.operands
    return left.constant is not None and right.constant is None


def _swap(match: Match, b: RuleBuilder) -> Value:
    left, right = match.root.operands
    return b.op(match.root.op.name, right, left)


def _is_dividable(match: Match) -> bool:
    return reciprocal_if_exact(match.constant("c")) is not None


def _times_reciprocal(match: Match, b: RuleBuilder) -> Value:
    inverse = reciprocal_if_exact(match.constant("c"))
    assert inverse is not None
    return b.op("mul", match["x"], b.weight(inverse, f"{match['c'].name}.reciprocal"))


def _is_negatable(match: Match) -> bool:
    constant = match.constant("c")
    return floats(match) and is_small(constant) and match["x"].constant is None


def _plus_negative(match: Match, b: RuleBuilder) -> Value:
    opposite = negated(match.constant("c").array)
    return b.op("add", match["x"], b.weight(opposite, f"{match['c'].name}.neg"))


def _has_square_root(match: Match) -> Verdict:
    if match["x"].type.dtype.kind != "float":
        return False
    if is_non_negative(match["x"]):
        return True
    return Refusal(
        "may-be-negative-infinity",
        f"pow(%{match['x'].name}, 0.5) stays: it is sqrt only where the base is not minus infinity",
    )


def _cube(match: Match, b: RuleBuilder) -> Value:
    x = match["x"]
    return b.op("mul", b.op("mul", x, x), x)


def _cubes(match: Match) -> bool:
    dtype = match["x"].type.dtype
    return dtype.is_integer or (dtype.is_float and dtype.bits >= 32)


def _float_base(match: Match) -> bool:
    return match["x"].type.dtype.is_float


def _signed(match: Match) -> bool:
    return operand_dtype(match).kind != "uint"  # minus an unsigned number is another one


def _smallest(match: Match) -> bool:
    """The constant is the lowest value of an unsigned dtype."""
    return operand_dtype(match).kind == "uint"


RULES = (
    Equation("f(c, x) => f(x, c)", _constant_on_left_only, _swap, ops={"f": _commutes}),
    # identities
    Equation("add(x, 0) => x"),
    Equation("sub(x, 0) => x"),
    Equation("mul(x, 1) => x"),
    Equation("div(x, 1) => x"),
    Equation("pow(x, 1) => x"),
    Equation("pow(x, 0) => 1"),
    Equation("mul(x, 0) => 0", integers),
    Equation("sub(x, x) => 0", integers),
    Equation("mod|rem(x, 1) => 0", integers),
    Equation("shift_left|shift_right(x, 0) => x"),
    Equation("maximum(x, -inf) => x"),
    Equation("minimum(x, inf) => x"),
    Equation("maximum(x, 0) => x", _smallest),
    Equation("f(x, x) => x", ops={"f": among("maximum", "minimum", "and", "or")}),
    Equation("f(f(x)) => f(x)", ops={"f": lambda op: op.is_idempotent}, shared=True),
    # signs
    Equation("neg(neg(x)) => x", shared=True),
    Equation("abs(neg(x)) => abs(x)", _signed, shared=True),
    Equation("add(x, neg(y)) => sub(x, y)"),
    Equation("sub(x, neg(y)) => add(x, y)"),
    Equation("mul(x, -1) => neg(x)"),
    Equation("sub(x, c) => add(x, -c)", _is_negatable, _plus_negative),
    # powers and quotients
    Equation("pow(x, 2) => mul(x, x)"),
    Equation("pow(x, 3) => x * x * x", _cubes, _cube),
    Equation("pow(x, 0.5) => sqrt(x)", _has_square_root),
    Equation("pow(x, -1) => reciprocal(x)", _float_base),
    Equation("div(x, c) => mul(x, 1 / c)", _is_dividable, _times_reciprocal),
    # reassociation, where nothing rounds
    Equation(
        "f(f(x, c1), c2) => f(x, f(c1, c2))",
        _associates_exactly,
        ops={"f": lambda op: op.is_associative},
    ),
    Equation("sub(sub(x, c1), c2) => sub(x, add(c1, c2))", every(integers, small_constants)),
)
