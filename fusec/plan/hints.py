"""Type hints taken apart, for the codec."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from enum import Enum
from functools import cache
from typing import Any

from fusec.ir.sym import Expr, Symbol
from fusec.ir.types import DType

_SCALARS = {bool, int, float, types.NoneType}


@dataclasses.dataclass(frozen=True)
class Shape:
    """A type hint taken apart. ``kind`` selects encoder and decoder; ``parts``: inner hints."""

    kind: str
    parts: tuple[Any, ...] = ()
    repeats: bool = False  # of a tuple: any number of parts[0]
    tagged: bool = False  # of a dataclass: one of several classes


@cache
def fields_of(cls: Any) -> tuple[tuple[str, Any], ...]:
    """The fields of a dataclass with their resolved hints."""
    hints = typing.get_type_hints(cls)
    return tuple((f.name, hints[f.name]) for f in dataclasses.fields(cls))


@cache
def shape_of(hint: Any) -> Shape:
    """The hint taken apart; TypeError for one that has no JSON form."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple:
        repeats = len(args) == 2 and args[1] is Ellipsis
        return Shape("sequence", args[:1] if repeats else args, repeats)
    if origin is not None and isinstance(origin, type) and issubclass(origin, Mapping):
        return Shape("mapping", (args[1],))
    if origin in (typing.Union, types.UnionType):
        return _union(args)
    return _plain(hint)


def _union(args: tuple[Any, ...]) -> Shape:
    if Expr in args:
        return Shape("dim")
    if set(args) <= _SCALARS:
        return Shape("scalar", args)
    rest = tuple(a for a in args if a is not types.NoneType)
    if len(rest) < len(args):
        return Shape("optional", (typing.Union[rest],))  # noqa: UP007
    classes = [leaf for arg in rest for leaf in _leaves(arg)]
    return Shape("dataclass", tuple(classes), tagged=True)


def _plain(hint: Any) -> Shape:
    if hint is Any:
        return Shape("free")
    if hint is Symbol:
        return Shape("symbol")
    if hint is DType:
        return Shape("dtype")
    if hint is bytes:
        return Shape("bytes")
    if hint in (str, bool, int, float):
        return Shape("scalar", (hint,))
    if issubclass(hint, Enum):
        return Shape("enum", (hint,))
    if dataclasses.is_dataclass(hint):
        leaves = _leaves(hint)
        return Shape("dataclass", tuple(leaves), tagged=leaves != [hint])
    raise TypeError(f"{hint} has no JSON form")


def _leaves(cls: Any) -> list[Any]:
    """The classes at the ends of a class hierarchy, in order of declaration."""
    below: list[Any] = cls.__subclasses__()
    return [leaf for sub in below for leaf in _leaves(sub)] if below else [cls]
