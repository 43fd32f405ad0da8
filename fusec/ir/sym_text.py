"""Dims as text: Python expressions out, and the same expressions in."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

from fusec.ir import sym_expr, sym_rules
from fusec.ir.sym_expr import Atom, Dim, FloorDiv, Max, Min, Mod, Operation, Symbol, Term

Rename = Callable[[str], str]
_CALLS = {Min: "min", Max: "max"}
_MAX_DEPTH = 100
_MAX_DIGITS = 40
_MAX_TERMS = 1 << 12
_TOKEN = re.compile(r"\s*(?:(?P<int>[0-9]+)|(?P<name>[^\W\d]\w*)|(?P<op>//|[-+*%(),])|(?P<end>$))")


def to_python(x: Dim, rename: Rename | None = None) -> str:
    """Return a Python expression equal to `x`; `rename` maps symbol names.

    `//` and `%` round down: a language that rounds toward zero agrees for operands not negative.
    """
    if isinstance(x, int):
        return str(x)
    terms = sorted(x.terms, key=_print_order)
    pieces = [(c < 0, _term_text(mono_c, rename)) for mono_c in terms for c in (mono_c[1],)]
    if x.const:
        number = (x.const < 0, str(abs(x.const)))
        pieces.insert(0 if pieces[0][0] and x.const > 0 else len(pieces), number)
    first = ("-" if pieces[0][0] else "") + pieces[0][1]
    if pieces[0][0] and _is_division(terms[0]):
        first = f"-({pieces[0][1]})"
    return first + "".join([f" {'-' if minus else '+'} {text}" for minus, text in pieces[1:]])


def _print_order(term: Term) -> tuple[bool, int, int, list[str]]:
    mono, c = term
    return c < 0, -len(mono), -abs(c), [atom.key for atom in mono]


def _is_division(term: Term) -> bool:
    mono, c = term
    return len(mono) == 1 and abs(c) == 1 and isinstance(mono[0], (FloorDiv, Mod))


def _term_text(term: Term, rename: Rename | None) -> str:
    """Return the text of a term without its sign."""
    mono, c = term
    if _is_division(term):
        return _atom_text(mono[0], rename)
    factors = [
        f"({_atom_text(atom, rename)})"
        if isinstance(atom, (FloorDiv, Mod))
        else _atom_text(atom, rename)
        for atom in mono
    ]
    if abs(c) != 1:
        factors.append(str(abs(c)))
    return "*".join(factors)


def _atom_text(atom: Atom, rename: Rename | None) -> str:
    if isinstance(atom, Symbol):
        return atom.name if rename is None else rename(atom.name)
    assert isinstance(atom, Operation)
    call = _CALLS.get(type(atom))
    if call is not None:
        return f"{call}({', '.join([to_python(arg, rename) for arg in atom.args])})"
    left, right = atom.args
    sign = "//" if isinstance(atom, FloorDiv) else "%"
    return f"{_operand(left, rename, True)} {sign} {_operand(right, rename, False)}"


def _operand(x: Dim, rename: Rename | None, product_is_fine: bool) -> str:
    text = to_python(x, rename)
    return text if _is_tight(x, product_is_fine) else f"({text})"


def _is_tight(x: Dim, product_is_fine: bool) -> bool:
    """Return whether `x` needs no parentheses beside `//` and `%`."""
    if isinstance(x, int):
        return x >= 0
    mono, c = x.terms[0]
    if len(x.terms) > 1 or x.const or c < 0 or _is_division(x.terms[0]):
        return False
    return product_is_fine or (len(mono) == 1 and c == 1)


def parse(text: str, symbols: Mapping[str, Symbol]) -> Dim:
    """Return the dim written as `text`; raises ValueError that names the position."""
    parser = _Parser(text, symbols)
    result = parser.sum()
    if parser.kind != "end":
        raise parser.error("an operator or the end")
    return result


def _terms(x: Dim) -> int:
    return 1 if isinstance(x, int) else len(x.terms) + 1


class _Parser:
    """Recursive descent over one token of lookahead."""

    def __init__(self, text: str, symbols: Mapping[str, Symbol]) -> None:
        self.text = text
        self.symbols = symbols
        self.at = self.end = self.depth = 0
        self.kind = self.token = ""
        self.advance()

    def advance(self) -> str:
        """Read the next token and return the one before it."""
        last = self.token
        found = _TOKEN.match(self.text, self.end)
        if found is None:
            self.at = self.end + len(self.text[self.end :]) - len(self.text[self.end :].lstrip())
            self.kind, self.token = "?", self.text[self.at]
            raise self.error("an expression")
        self.kind = found.lastgroup or "end"
        self.at = found.start(self.kind)
        self.token = found[self.kind]
        self.end = found.end()
        return last

    def error(self, wanted: str) -> ValueError:
        got = repr(self.token) if self.token else "the end"
        text = self.text if len(self.text) <= 80 else f"{self.text[:77]}..."
        got = got if len(got) <= 40 else f"{got[:37]}..."
        return ValueError(f"position {self.at} of {text!r}: {got} where {wanted} is expected")

    def sum(self) -> Dim:
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise self.error(f"an expression nested less than {_MAX_DEPTH} deep")
        result = self.product()
        while self.token in ("+", "-"):
            minus = self.advance() == "-"
            operand = self.product()
            result = result - operand if minus else result + operand
        self.depth -= 1
        return result

    def product(self) -> Dim:
        result = self.factor()
        while self.token in ("*", "//", "%"):
            at = self.at
            sign = self.advance()
            operand = self.factor()
            if sign == "*":
                if _terms(result) * _terms(operand) > _MAX_TERMS:
                    raise self.error(f"a product of at most {_MAX_TERMS} terms")
                result = result * operand
            elif operand == 0:
                self.at, self.token = at, sign
                raise self.error("no division by zero")
            else:
                divide = sym_rules.floordiv if sign == "//" else sym_rules.mod
                result = divide(result, operand)
        return result

    def factor(self) -> Dim:
        negative = False
        while self.token == "-":
            self.advance()
            negative = not negative
        result = self.primary()
        return -result if negative else result

    def primary(self) -> Dim:
        if self.kind == "int":
            if len(self.token) > _MAX_DIGITS:
                raise self.error(f"a number of at most {_MAX_DIGITS} digits")
            return int(self.advance())
        if self.kind == "name":
            return self.name()
        self.expect("(")
        result = self.sum()
        self.expect(")")
        return result

    def name(self) -> Dim:
        if self.token in sym_expr.RESERVED:
            choose = sym_rules.smin if self.advance() == "min" else sym_rules.smax
            return choose(*self.arguments())
        if self.token not in self.symbols:
            raise self.error("a declared symbol")
        return self.symbols[self.advance()].expr

    def arguments(self) -> Iterable[Dim]:
        self.expect("(")
        args = [self.sum()]
        while self.token == ",":
            self.advance()
            args.append(self.sum())
        self.expect(")")
        return args

    def expect(self, token: str) -> None:
        if self.token != token:
            raise self.error(repr(token) if token == ")" else "an expression")
        self.advance()
