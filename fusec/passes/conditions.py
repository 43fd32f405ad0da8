"""Conditions that many rules share: functions of a match, for ``where``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fusec.ir.op import Op
from fusec.ir.types import BOOL, FLOAT, DType
from fusec.passes.facts import is_small
from fusec.passes.pattern import Match

Condition = Callable[[Match], bool]


def operand_dtype(match: Match) -> DType:
    """The dtype that the root computes on."""
    return match.root.operands[-1].type.dtype


def floats(match: Match) -> bool:
    """The root computes on floats."""
    return operand_dtype(match).kind == FLOAT


def integers(match: Match) -> bool:
    """The root computes on integers: sums and products wrap, so algebra on them is exact."""
    return operand_dtype(match).is_integer


def booleans(match: Match) -> bool:
    """The root computes on booleans."""
    return operand_dtype(match).kind == BOOL


def discrete(match: Match) -> bool:
    """The root computes on integers or booleans: there is no NaN, and nothing rounds."""
    return integers(match) or booleans(match)


def small_constants(match: Match) -> bool:
    """The constants are few enough elements for a rule to compute with them."""
    return all(is_small(v.constant) for v in match.values.values() if v.constant is not None)


def every(*conditions: Condition) -> Condition:
    """All of the conditions."""
    return lambda match: all(holds(match) for holds in conditions)


def among(*names: str) -> Callable[[Op], bool]:
    """An op variable that stands for one of these ops."""
    return lambda op: op.name in names


def negated(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Minus the array, in its own dtype (ml_dtypes included)."""
    return np.asarray(np.negative(array), dtype=array.dtype)
