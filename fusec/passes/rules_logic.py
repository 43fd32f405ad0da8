"""Booleans, comparisons and select.

``not(x < y)`` is not ``x >= y`` when either is NaN, so orders are negated for integers and booleans
only; equality is negated for all: ``x != y`` is true exactly where ``x == y`` is not.
"""

from __future__ import annotations

from fusec.ir.graph import Value
from fusec.passes.conditions import among, booleans, discrete, integers
from fusec.passes.pattern import Match, scalar_of
from fusec.passes.rules import Equation, RuleBuilder

_MIRRORED = {"lt": "gt", "le": "ge", "gt": "lt", "ge": "le"}
_ORDERS = among(*_MIRRORED)


def _only_left_constant(match: Match) -> bool:
    return match["x"].constant is None


def _mirror(match: Match, b: RuleBuilder) -> Value:
    return b.op(_MIRRORED[match.root.op.name], match["x"], match["c"])


def _known_condition(match: Match) -> bool:
    return isinstance(scalar_of(match["p"]), bool)


def _chosen(match: Match, b: RuleBuilder) -> Value:
    taken = match["x"] if scalar_of(match["p"]) else match["y"]
    return b.fit(taken, match.result.type)


def _discrete_inner(match: Match) -> bool:
    dtype = match["x"].type.dtype
    return dtype.is_integer or dtype.kind == "bool"


RULES = (
    Equation("not(not(x)) => x", shared=True),
    Equation("and(x, true) => x"),
    Equation("and(x, false) => false", booleans),
    Equation("or(x, false) => x"),
    Equation("or(x, true) => true", booleans),
    Equation("xor(x, false) => x"),
    Equation("xor(x, true) => not(x)"),
    Equation("or|xor(x, 0) => x", integers),
    Equation("and(x, 0) => 0", integers),
    Equation("eq(x, true) => x"),
    Equation("eq(x, false) => not(x)"),
    Equation("ne(x, false) => x"),
    Equation("ne(x, true) => not(x)"),
    Equation("f(c, x) => mirrored f(x, c)", _only_left_constant, _mirror, ops={"f": _ORDERS}),
    Equation("eq|le|ge(x, x) => true", discrete),
    Equation("ne|lt|gt(x, x) => false", discrete),
    Equation("not(eq(x, y)) => ne(x, y)"),
    Equation("not(ne(x, y)) => eq(x, y)"),
    Equation("not(lt(x, y)) => ge(x, y)", _discrete_inner),
    Equation("not(le(x, y)) => gt(x, y)", _discrete_inner),
    Equation("not(gt(x, y)) => le(x, y)", _discrete_inner),
    Equation("not(ge(x, y)) => lt(x, y)", _discrete_inner),
    Equation("select(p, x, y) => x or y, p is constant", _known_condition, _chosen),
    Equation("select(p, x, x) => x"),
    Equation("select(not(p), x, y) => select(p, y, x)", shared=True),
)
