"""Index expressions as Triton text: each axis is a vector, shaped where a tile has more axes.

A sum is printed in groups by the axes its terms vary over, ``(oh * 448 + ow * 2)[:, None]``, so
that little is computed at full rank; ``//`` and ``%`` are only ever applied to natural numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fusec.ir.sym import (
    Atom,
    Dim,
    Expr,
    FloorDiv,
    Max,
    Min,
    Mod,
    Symbol,
    bounds,
    free_symbols,
    prove_nonneg,
)
from fusec.tile.shapes import Dims

Terms = list[tuple[tuple[Atom, ...], int]]


@dataclass(frozen=True)
class Name:
    """A name in the kernel and the vector axes it varies over."""

    text: str
    dims: Dims


def suffix(dims: Dims, target: Dims) -> str:
    """What shapes a tile over ``dims`` for use among ``target``: ``[:, None]``, or nothing."""
    if not dims or dims == target:
        return ""
    return f"[{', '.join(':' if d in dims else 'None' for d in target)}]"


class IndexPrinter:
    """Prints dims. ``lookup``: the name of a symbol; ``named``: that of an expression, or None.

    ``order``: the vector axes in program order.
    """

    def __init__(
        self,
        order: Dims,
        lookup: Callable[[str], Name],
        named: Callable[[Dim], Name | None],
    ) -> None:
        self._order = order
        self._lookup = lookup
        self._named = named

    def dims(self, x: Dim) -> Dims:
        """The vector axes ``x`` varies over, in program order."""
        found = {d for s in free_symbols(x) for d in self._lookup(s.name).dims}
        return tuple(d for d in self._order if d in found)

    def text(self, x: Dim, target: Dims) -> str:
        """``x`` for use in a tile over ``target``; a sum is not parenthesised."""
        if isinstance(x, int):
            return str(x)
        name = self._named(x)
        if name is not None:
            return name.text + suffix(name.dims, target)
        groups = self._groups(x)
        return _join([self._group(dims, terms, const, target) for dims, terms, const in groups])

    def operand(self, x: Dim, target: Dims) -> str:
        """``x`` for use as an operand of any operator."""
        text = self.text(x, target)
        return text if _is_tight(text) else f"({text})"

    def summands(self, x: Dim, target: Dims) -> str:
        """``x`` with its sign, to be added to a pointer: ``" + m * 64"``; nothing for 0."""
        if x == 0:
            return ""
        text = self.text(x, target)
        return f" - {text[1:]}" if text.startswith("-") and _is_tight(text[1:]) else f" + {text}"

    def _groups(self, x: Expr) -> list[tuple[Dims, Terms, int]]:
        """Terms by the axes they vary over, scalars first; the constant joins the last vector."""
        groups: dict[Dims, Terms] = {}
        for mono, c in sorted(x.terms, key=_print_order):
            found = {d for atom in mono for d in self.dims(atom.expr)}
            groups.setdefault(tuple(d for d in self._order if d in found), []).append((mono, c))
        order = sorted(groups, key=lambda dims: (len(dims), [self._order.index(d) for d in dims]))
        holders = [dims for dims in order if len(dims) <= 1]
        holder = holders[-1] if holders else None
        result = [(dims, groups[dims], x.const if dims == holder else 0) for dims in order]
        if holder is None and x.const:
            result.append(((), [], x.const))
        return result

    def _group(self, dims: Dims, terms: Terms, const: int, target: Dims) -> tuple[bool, str]:
        """Sign and text of one group, shaped for ``target``."""
        if not terms:
            return const < 0, str(abs(const))
        inner = dims if len(dims) <= 1 else target
        pieces = [(c < 0, self._term(mono, c, inner)) for mono, c in terms]
        if const:
            at = 0 if pieces[0][0] and const > 0 else len(pieces)
            pieces.insert(at, (const < 0, str(abs(const))))
        shape = suffix(dims, target) if inner is dims else ""
        if len(pieces) == 1 and not shape:
            return pieces[0]
        if not shape:
            return False, _join(pieces)
        text = _join(pieces)
        return False, (text if _is_tight(text) else f"({text})") + shape

    def _term(self, mono: tuple[Atom, ...], c: int, target: Dims) -> str:
        """A term without its sign."""
        if len(mono) == 1 and abs(c) == 1:
            return self._atom(mono[0], target)
        factors = [self._factor(atom, target) for atom in mono]
        return " * ".join(factors + ([str(abs(c))] if abs(c) != 1 else []))

    def _factor(self, atom: Atom, target: Dims) -> str:
        text = self._atom(atom, target)
        return text if _is_tight(text) else f"({text})"

    def _atom(self, atom: Atom, target: Dims) -> str:
        name = self._lookup(atom.name) if isinstance(atom, Symbol) else self._named(atom.expr)
        if name is not None:
            return name.text + suffix(name.dims, target)
        dims = self.dims(atom.expr)
        if dims and dims != target and len(dims) == 1:
            return f"({self._operation(atom, dims)}){suffix(dims, target)}"
        return self._operation(atom, target)

    def _floored(self, atom: FloorDiv | Mod, target: Dims) -> str:
        """Division of what may be negative, right for operators that truncate and that floor."""
        x, divisor = self.operand(atom.args[0], target), self.operand(atom.args[1], target)
        rest = f"({x} % {divisor} + {divisor}) % {divisor}"
        return f"({rest})" if isinstance(atom, Mod) else f"(({x} - {rest}) // {divisor})"

    def _operation(self, atom: Atom, target: Dims) -> str:
        if isinstance(atom, (FloorDiv, Mod)):
            sign = "//" if isinstance(atom, FloorDiv) else "%"
            lead = whole_divisors_below(atom.args[0], atom.args[1])
            if lead is None:
                return self._floored(atom, target)
            if lead:
                raised = self.operand(atom.args[0] + lead * atom.args[1], target)
                divisor = self.operand(atom.args[1], target)
                return f"({raised} {sign} {divisor}{f' - {lead}' if sign == '//' else ''})"
            left = self.text(atom.args[0], target)
            # m // 56 % 56 needs no brackets; a sum or a product does.
            chain = _is_tight(left) or _is_chain(left)
            return f"{left if chain else f'({left})'} {sign} {self.operand(atom.args[1], target)}"
        assert isinstance(atom, (Min, Max))
        call = "tl.minimum" if isinstance(atom, Min) else "tl.maximum"
        first, *rest = [self.text(arg, target) for arg in atom.args]
        for text in rest:
            first = f"{call}({first}, {text})"
        return first


def whole_divisors_below(x: Dim, divisor: Dim) -> int | None:
    """How many divisors lift ``x`` to 0 or more: Triton's ``//`` and ``%`` truncate, ours floor.

    None if that is not known.
    """
    low = bounds(x)[0]
    if (low is not None and low >= 0) or prove_nonneg(x):
        return 0
    return -(low // divisor) if low is not None and isinstance(divisor, int) else None


def _join(pieces: list[tuple[bool, str]]) -> str:
    """Signed pieces as a sum."""
    minus, first = pieces[0]
    if minus:
        divides = " // " in first or " % " in first
        first = f"-({first})" if divides else f"-{first}"
    return first + "".join(f" {'-' if minus else '+'} {text}" for minus, text in pieces[1:])


def _print_order(term: tuple[tuple[Atom, ...], int]) -> tuple[bool, int, int, list[str]]:
    mono, c = term
    return c < 0, -len(mono), -abs(c), [atom.key for atom in mono]


def _outer(text: str) -> str:
    """The text outside of brackets."""
    depth, kept = 0, []
    for char in text:
        depth -= char in ")]"
        if depth == 0:
            kept.append(char)
        depth += char in "(["
    return "".join(kept)


def _is_tight(text: str) -> bool:
    """Whether it binds tighter than any operator."""
    return not any(c in _outer(text) for c in " -")


def _is_chain(text: str) -> bool:
    """Whether it is only divisions and remainders, left to right."""
    return not set(_outer(text).split()[1::2]) - {"//", "%"}
