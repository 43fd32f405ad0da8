"""Casts. Two casts are one when the first loses nothing: every value of A is a value of B.

From integers through floats to integers, the last must hold all values too: a float out of an
integer's range converts differently from one machine to the next, an integer wraps.
"""

from __future__ import annotations

from fusec.ir.graph import Value
from fusec.passes.facts import holds_all
from fusec.passes.pattern import Match
from fusec.passes.rules import Equation, RuleBuilder, the_x


def _to_own_dtype(match: Match) -> bool:
    return bool(match["x"].type.dtype == match.result.type.dtype)


def _first_is_lossless(match: Match) -> bool:
    source, middle = match["x"].type.dtype, match.inner.result.type.dtype
    target = match.result.type.dtype
    if not holds_all(middle, source):
        return False
    through_float = source.is_integer and middle.is_float and target.is_integer
    return not through_float or holds_all(target, source)


def _one_cast(match: Match, b: RuleBuilder) -> Value:
    return b.op("cast", match["x"], **match.root.attrs)


RULES = (
    Equation("cast(x) => x, of its own dtype", _to_own_dtype, the_x),
    Equation(
        "cast(cast(x)) => cast(x), the first lossless", _first_is_lossless, _one_cast, shared=True
    ),
    Equation("bitcast(x) => x, of its own dtype", _to_own_dtype, the_x),
    Equation("bitcast(bitcast(x)) => bitcast(x)", shared=True),
)
