"""Reading IR text piece by piece: names, numbers, dims, types. Errors name line and column."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import NoReturn, TypeVar

from fusec.errors import InvalidText
from fusec.ir.storage import Storage
from fusec.ir.sym import Dim, Symbol, parse
from fusec.ir.text import BARE
from fusec.ir.types import DType, Tensor, dtype

T = TypeVar("T")

_SPACE = re.compile(r"\s*")
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_BARE = re.compile(BARE, re.ASCII)
_QUOTED = re.compile(r'"(?:[^"\\\x00-\x1f]|\\.)*"')
_INTEGER = re.compile(r"-?\d+")
_NUMBER = re.compile(r"nan\(0x[0-9a-f]+\)|[-+]?(?:inf\b|nan\b|\d[\d_]*(?:\.\d*)?(?:[eE][-+]?\d+)?)")
_BRACKETS = re.compile(r"[^\[\]{}\"\n]*\[[^\[\]{}\"\n]*\]")
_TYPE = re.compile(r"(\w+)\[([^\]]*)\]")


class Scanner:
    """A position in the text; every read skips white space first."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.symbols: Mapping[str, Symbol] = {}
        self._types: dict[str, Tensor] = {}

    def error(self, message: str, at: int | None = None) -> NoReturn:
        """Raise InvalidText at a position of the text (the current one by default)."""
        at = self.at if at is None else at
        line = self.text.count("\n", 0, at) + 1
        column = at - (self.text.rfind("\n", 0, at) + 1) + 1
        raise InvalidText(f"line {line}, column {column}: {message}")

    def skip(self) -> int:
        """Skip white space; the new position."""
        if not self.text[self.at : self.at + 1] > " ":  # most often there is none
            found = _SPACE.match(self.text, self.at)
            self.at = found.end() if found else self.at
        return self.at

    def peek(self, token: str) -> bool:
        """Whether the text goes on with this token."""
        return self.text.startswith(token, self.at) or self.text.startswith(token, self.skip())

    def accept(self, token: str) -> bool:
        """Read the token if the text goes on with it."""
        if self.peek(token):
            self.at += len(token)
            return True
        return False

    def expect(self, token: str) -> None:
        """Read the token or raise."""
        if not self.accept(token):
            self.error(f"{self.text[self.at : self.at + 12]!r} where {token!r} is expected")

    def match(self, pattern: re.Pattern[str], wanted: str) -> str:
        """Read what the pattern matches or raise."""
        found = pattern.match(self.text, self.skip())
        if found is None:
            self.error(f"{self.text[self.at : self.at + 12]!r} where {wanted} is expected")
        self.at = found.end()
        return found[0]

    def accept_word(self, word: str) -> bool:
        """Read this word if it is the next one."""
        found = _WORD.match(self.text, self.skip())
        if found is None or found[0] != word:
            return False
        self.at = found.end()
        return True

    def word(self) -> str:
        """An identifier."""
        return self.match(_WORD, "a word")

    def name(self) -> str:
        """A name, bare or quoted."""
        return self.string() if self.peek('"') else self.match(_BARE, "a name")

    def string(self) -> str:
        """A JSON string."""
        at = self.skip()
        text = self.match(_QUOTED, "a quoted string")
        try:
            return str(json.loads(text))
        except ValueError:
            self.error("a malformed string", at)

    def skip_brackets(self) -> None:
        """Skip up to and over the next pair of square brackets of this line."""
        self.match(_BRACKETS, "[...]")

    def at_integer(self) -> bool:
        """Whether an integer stands right here."""
        return _INTEGER.match(self.text, self.at) is not None

    def integer(self) -> int:
        """A decimal integer."""
        return int(self.match(_INTEGER, "an integer"))

    def scalar(self) -> bool | int | float:
        """``true``, ``false``, an integer, or a float (anything with ``.``, ``e``, inf, nan)."""
        if self.accept_word("true"):
            return True
        if self.accept_word("false"):
            return False
        text = self.number()
        return int(text) if _INTEGER.fullmatch(text) else float(text)

    def number(self) -> str:
        """The text of a number."""
        return self.match(_NUMBER, "a number")

    def items(self, opening: str, closing: str, item: Callable[[], T]) -> list[T]:
        """Items between brackets, separated by commas."""
        self.expect(opening)
        found: list[T] = []
        while not self.accept(closing):
            if found:
                self.expect(",")
            found.append(item())
        return found

    def dim(self) -> Dim:
        """A symbolic integer, up to a comma or bracket that does not belong to it."""
        start = self.skip()
        found = _INTEGER.match(self.text, start)
        if found is not None and self.text[found.end() : found.end() + 1] in ("]", ",", "[", "\n"):
            self.at = found.end()
            return int(found[0])
        return self.expression(start, self._dim_end(start))

    def expression(self, start: int, end: int) -> Dim:
        """The symbolic integer that stands in a part of the text."""
        self.at = end
        try:
            return parse(self.text[start:end].strip(), self.symbols)
        except ValueError as error:
            self.error(str(error), start)

    def _dim_end(self, at: int) -> int:
        depth = 0
        while at < len(self.text):
            char = self.text[at]
            if char == "(":
                depth += 1
            elif char == ")" and depth:
                depth -= 1
            elif char in "[]{}\n)" or (char == "," and not depth):
                return at
            at += 1
        return at

    def dims(self) -> tuple[Dim, ...]:
        """``[n, 3]``."""
        return tuple(self.items("[", "]", self.dim))

    def dtype(self) -> DType:
        """The short name of an element type."""
        at = self.skip()
        short = self.word()
        try:
            return dtype(short)
        except KeyError:
            self.error(f"{short!r} is no element type", at)

    def type(self) -> Tensor:
        """``f32[n, 3]``."""
        found = _TYPE.match(self.text, self.skip())
        if found is None:
            self.error("a type such as f32[2, 3] is expected")
        known = self._types.get(found[0])
        if known is not None:
            self.at = found.end()
            return known
        element = self.dtype()
        result = Tensor(element, self.dims())
        self._types[found[0]] = result
        return result

    def forget_types(self) -> None:
        """To be called where the symbols change."""
        self._types = {}

    def storage(self) -> Storage | None:
        """``@root+offset[strides]`` if there is one."""
        if not self.accept("@"):
            return None
        root = self.name()
        self.expect("+")
        offset = self.dim()
        return Storage(root, offset, self.dims())
