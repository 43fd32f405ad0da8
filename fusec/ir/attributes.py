"""What an attribute of each kind may hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fusec.ir.constant import Constant
from fusec.ir.op import Kind, Op
from fusec.ir.sym import Expr
from fusec.ir.types import DType


def _is_int(value: object) -> bool:
    return type(value) is int  # neither bool nor numpy's


def _is_dim(value: object) -> bool:
    return type(value) is int or isinstance(value, Expr)


def _is_scalar(value: object) -> bool:
    return type(value) in (bool, int, float)


def _is_argument(value: object) -> bool:
    return _is_scalar(value) or type(value) is str or _all(_is_argument)(value)


def _is_map(value: object) -> bool:
    return _all(lambda item: isinstance(item, tuple) and len(item) == 2)(value) and all(
        type(key) is str and _is_argument(entry)
        for key, entry in value  # type: ignore[attr-defined]
    )


def _all(test: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: isinstance(value, tuple) and all(map(test, value))


_TESTS: dict[Kind, Callable[[object], bool]] = {
    Kind.INT: _is_int,
    Kind.INTS: _all(_is_int),
    Kind.DIM: _is_dim,
    Kind.DIMS: _all(_is_dim),
    Kind.PAIRS: _all(_all(_is_dim)),
    Kind.FLOAT: lambda value: type(value) is float,
    Kind.BOOL: lambda value: type(value) is bool,
    Kind.STR: lambda value: type(value) is str,
    Kind.STRS: _all(lambda value: type(value) is str),
    Kind.DTYPE: lambda value: isinstance(value, DType),
    Kind.SCALAR: _is_scalar,
    Kind.DATA: lambda value: isinstance(value, Constant),
    Kind.MAP: _is_map,
}


def misfit(op: Op, attrs: Mapping[str, Any]) -> str | None:
    """The name of an attribute that does not hold what its kind says, or None."""
    for name, kind in op.kinds.items():
        value = attrs[name]
        if value is None and op.defaults[name] is None:
            continue
        if not _TESTS[kind](value):
            return name
    return None
