"""Index text divides right where ``//`` and ``%`` truncate, as on the GPU, and where they floor."""

from __future__ import annotations

import pytest

from fusec.codegen.index import IndexPrinter, Name
from fusec.ir.sym import Dim, evaluate, floordiv, mod, symbol


class Truncating:
    """An integer whose division rounds towards zero."""

    def __init__(self, value: int) -> None:
        self.value = value

    def __add__(self, other: object) -> Truncating:
        return Truncating(self.value + number(other))

    def __sub__(self, other: object) -> Truncating:
        return Truncating(self.value - number(other))

    def __mul__(self, other: object) -> Truncating:
        return Truncating(self.value * number(other))

    def __neg__(self) -> Truncating:
        return Truncating(-self.value)

    def __rsub__(self, other: object) -> Truncating:
        return Truncating(number(other) - self.value)

    __radd__, __rmul__ = __add__, __mul__

    def __floordiv__(self, other: object) -> Truncating:
        quotient = abs(self.value) // abs(number(other))
        return Truncating(quotient if (self.value < 0) == (number(other) < 0) else -quotient)

    def __mod__(self, other: object) -> Truncating:
        return self - (self // other) * number(other)


def number(value: object) -> int:
    return value.value if isinstance(value, Truncating) else int(str(value))


x, bounded = symbol("x"), symbol("y", hi=40)
size = symbol("size", lo=1)
CASES: list[Dim] = [
    floordiv(1 - x, 2),
    mod(1 - x, 2),
    5 - floordiv(3 - bounded, 4),
    mod(bounded - 7, 4) * 3,
    floordiv(bounded - 7, size),
    mod(bounded - 7, size) + 1,
]


@pytest.mark.parametrize("expression", CASES, ids=str)
def test_division_of_negative_numbers(expression: Dim) -> None:
    text = IndexPrinter((), lambda s: Name(s, ()), lambda _: None).text(expression, ())
    for value in range(12):
        for extent in (1, 3):
            values = {"x": value, "y": value, "size": extent}
            wanted = evaluate(expression, values)
            assert eval(text, {}, values) == wanted
            wrapped = {name: Truncating(v) for name, v in values.items()}
            assert number(eval(text, {}, wrapped)) == wanted
