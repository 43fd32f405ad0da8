"""Patterns: the left side of an equation, as data, and how it matches a node.

    add(x, 0)              an op on any value and a constant whose every element is 0
    reshape(reshape(x))    nested ops; inside ones have no other use unless the rule is ``shared``
    min|max(x, c)          alternatives; ``c``, ``c1``, ``c2``: the result of a ``constant`` node
    f(f(x))                ``f``: one op, the same at both places, chosen by the rule's predicate
    sub(x, x)              one name is one value
    concat(*xs)            any number of operands

Numbers may be written as integers, decimals, ``inf``, ``-inf``, ``true``, ``false``. Operands of a
commutative op match in either order.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fusec.ir.constant import Constant
from fusec.ir.graph import Node, Value
from fusec.ir.op import Op, all_ops, get_op

Predicate = Callable[[Op], bool]


@dataclass(frozen=True)
class Var:
    """Any value; a constant one if ``constant``; every operand that is left if ``rest``."""

    name: str
    constant: bool = False
    rest: bool = False


@dataclass(frozen=True)
class Number:
    """A constant whose every element is this value."""

    value: bool | int | float


@dataclass(frozen=True)
class Call:
    """The only result of a node. ``symbol``: as written; ``ops``: the names it stands for."""

    symbol: str
    ops: frozenset[str]
    args: tuple[Pattern, ...]
    is_variable: bool = False  # every occurrence of the symbol is the same op


Pattern = Var | Number | Call


@dataclass(eq=False)
class Match:
    """What a pattern found. ``nodes``: the matched operations, outermost first.

    ``replaced``: the values that the rewrite gives new producers for; results of the root.
    """

    root: Node
    values: dict[str, Value] = field(default_factory=dict)
    ops: dict[str, Op] = field(default_factory=dict)
    nodes: list[Node] = field(default_factory=list)
    rest: tuple[Value, ...] = ()
    replaced: tuple[Value, ...] = ()
    data: Any = None  # whatever the rule's own matching found out

    def __getitem__(self, name: str) -> Value:
        return self.values[name]

    def constant(self, name: str) -> Constant:
        """The data of a value that matched as a constant."""
        data = self.values[name].constant
        assert data is not None
        return data

    @property
    def inner(self) -> Node:
        """The second of the matched operations."""
        return self.nodes[1]

    @property
    def result(self) -> Value:
        """The only value to be replaced."""
        (value,) = self.replaced
        return value


_CONSTANTS = frozenset({"constant"})
_NUMBERS = _CONSTANTS | {"broadcast", "reshape"}  # what `scalar_of` looks through


def needs(pattern: Call) -> tuple[frozenset[str], ...]:
    """For each operand that cannot be just anything, the ops one of which must have made it."""
    found: list[frozenset[str]] = []
    for arg in pattern.args:
        if isinstance(arg, Call):
            found.append(arg.ops)
        elif isinstance(arg, Number):
            found.append(_NUMBERS)
        elif arg.constant:
            found.append(_CONSTANTS)
    return tuple(found)


def match_node(pattern: Call, node: Node, *, shared: bool) -> Match | None:
    """The match of the pattern at a node, or None."""
    found = Match(node)
    if not _call(pattern, node, found, shared):
        return None
    found.replaced = node.results
    return found


def _call(pattern: Call, node: Node, found: Match, shared: bool) -> bool:
    op = node.op
    if op.name not in pattern.ops:
        return False
    if pattern.is_variable and found.ops.setdefault(pattern.symbol, op) is not op:
        return False
    found.nodes.append(node)
    args, operands = pattern.args, node.operands
    if args and isinstance(args[-1], Var) and args[-1].rest:
        found.rest = operands[len(args) - 1 :]
        args, operands = args[:-1], operands[: len(args) - 1]
    if len(args) != len(operands):
        return False
    if op.is_commutative and len(args) == 2 and args[0] != args[1]:
        return _either_order(args, operands, found, shared)
    return all(_value(p, v, found, shared) for p, v in zip(args, operands, strict=True))


def _either_order(
    args: Sequence[Pattern], operands: Sequence[Value], found: Match, shared: bool
) -> bool:
    kept = dict(found.values), dict(found.ops), len(found.nodes)
    if _value(args[0], operands[0], found, shared) and _value(args[1], operands[1], found, shared):
        return True
    found.values, found.ops = kept[0], kept[1]
    del found.nodes[kept[2] :]
    return _value(args[0], operands[1], found, shared) and _value(
        args[1], operands[0], found, shared
    )


def _value(pattern: Pattern, value: Value, found: Match, shared: bool) -> bool:
    if isinstance(pattern, Var):
        if pattern.constant and value.constant is None:
            return False
        return found.values.setdefault(pattern.name, value) is value
    if isinstance(pattern, Number):
        return is_number(value, pattern.value)
    node = value.node
    if node is None or node.op.name not in pattern.ops or len(node.results) != 1:
        return False
    return (shared or value.has_one_use) and _call(pattern, node, found, shared)


# -- numbers -------------------------------------------------------------------------------------

_SCANNED = 1 << 16  # elements that are read to find out whether all are equal


def scalar_of(value: Value) -> bool | int | float | complex | None:
    """The one value of every element, when it is known: of constants, and of their views."""
    node = value.node
    while node is not None and node.op.name in ("broadcast", "reshape"):
        value = node.operands[0]
        node = value.node
    data = value.constant
    return None if data is None else uniform(data)


def uniform(data: Constant) -> bool | int | float | complex | None:
    """The one value of every element of a constant; None if they differ or there are none."""
    array = data.array
    if array.ndim == 0:
        return _item(array)
    if array.size == 0 or array.size > _SCANNED:
        return None
    first = array[(0,) * array.ndim]
    if first != array[(-1,) * array.ndim] or not np.all(array == first):
        return None
    if first == 0 and array.dtype.kind not in "biu" and _signs_differ(array):
        return None
    return _item(np.asarray(first))


def _signs_differ(zeros: np.ndarray[Any, Any]) -> bool:
    signs = np.signbit(zeros.astype(np.complex128).real if zeros.dtype.kind == "c" else zeros)
    return bool(signs.any() != signs.all())


def _item(array: np.ndarray[Any, Any]) -> bool | int | float | complex:
    value = array.item()
    return value if isinstance(value, bool | int | float | complex) else float(value)


def is_number(value: Value, number: bool | int | float) -> bool:
    """Whether every element is known to be ``number``; ``true`` and 1 are different things."""
    known = scalar_of(value)
    if known is None or isinstance(known, bool) != isinstance(number, bool):
        return False
    return bool(known == number)


# -- reading -------------------------------------------------------------------------------------

_TOKEN = re.compile(r"\s*(=>|[(),|*]|-?\d+(?:\.\d+)?|-?[A-Za-z_]\w*)")
_CONSTANT = re.compile(r"c\d?")
_WORDS: Mapping[str, bool | float] = {
    "true": True,
    "false": False,
    "inf": float("inf"),
    "-inf": float("-inf"),
}


class _Reader:
    """Recursive descent over one side of an equation."""

    def __init__(self, text: str, variables: Mapping[str, Predicate]) -> None:
        self.text = text
        self.variables = variables
        self.tokens = self._split(text)
        self.at = 0

    def _split(self, text: str) -> list[str]:
        tokens, position = [], 0
        while text[position:].strip():
            found = _TOKEN.match(text, position)
            if found is None:
                raise ValueError(f"pattern {text!r} does not read at {text[position:]!r}")
            tokens.append(found[1])
            position = found.end()
        return tokens

    def take(self, expected: str | None = None) -> str:
        token = self.tokens[self.at] if self.at < len(self.tokens) else ""
        if not token or (expected is not None and token != expected):
            raise ValueError(f"pattern {self.text!r}: {expected or 'more'} expected")
        self.at += 1
        return token

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def pattern(self) -> Pattern:
        token = self.take()
        if token == "*":
            return Var(self.take(), rest=True)
        if token in _WORDS:
            return Number(_WORDS[token])
        if token.lstrip("-")[0].isdigit():
            return Number(float(token) if "." in token else int(token))
        names = [token]
        while self.peek() == "|":
            self.take("|")
            names.append(self.take())
        if self.peek() != "(":
            return Var(token, constant=_CONSTANT.fullmatch(token) is not None)
        return self._call(names)

    def _call(self, names: list[str]) -> Call:
        self.take("(")
        args: list[Pattern] = []
        while self.peek() != ")":
            if args:
                self.take(",")
            args.append(self.pattern())
        self.take(")")
        return _make_call(names, tuple(args), self.variables)


def _make_call(
    names: list[str], args: tuple[Pattern, ...], variables: Mapping[str, Predicate]
) -> Call:
    if names[0] in variables:
        chosen = frozenset(op.name for op in all_ops() if variables[names[0]](op))
        return Call(names[0], chosen, args, is_variable=True)
    for name in names:
        get_op(name)
    return Call("|".join(names), frozenset(names), args, is_variable=len(names) > 1)


def parse_pattern(text: str, variables: Mapping[str, Predicate] | None = None) -> Pattern:
    """A pattern from its text. ``variables``: predicates of the op variables in it.

    ValueError when it does not read, KeyError when it names an op that does not exist.
    """
    reader = _Reader(text, variables or {})
    pattern = reader.pattern()
    if reader.at != len(reader.tokens):
        raise ValueError(f"pattern {text!r}: nothing expected after the first term")
    return pattern
