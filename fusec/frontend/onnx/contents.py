"""Tensor contents known at import: numbers, or integers that depend on symbolic dims.

Contents are numpy arrays. A numeric array is static. An object array holds ints and `Expr` where
the element type is an integer, floats and `Quotient` where it is a float: what shape computations
of exporters produce. Whatever cannot be decided raises `Undecided`; the importer then computes it
at run time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np

from fusec.ir.sym import Dim, Expr, bounds, floordiv, mod, prove_nonneg, smax, smin
from fusec.ir.types import DType

Array: TypeAlias = np.ndarray[Any, Any]

LIMIT = 1024  # elements; larger contents are data, not shapes


class Undecided(Exception):
    """The contents depend on a dim in a way that symbolic integers cannot express."""


@dataclass(frozen=True)
class Quotient:
    """The real number ``numerator / denominator``; the denominator is positive."""

    numerator: Dim
    denominator: int

    @classmethod
    def of(cls, x: Any) -> Quotient:
        """From a number, a dim or a quotient."""
        if isinstance(x, Quotient):
            return x
        if isinstance(x, Expr):
            return cls(x, 1)
        if not np.isfinite(x):
            raise Undecided
        exact = Fraction(float(x)) if isinstance(x, float | np.floating) else Fraction(int(x))
        return cls(exact.numerator, exact.denominator)

    def __add__(self, other: Any) -> Any:
        y = Quotient.of(other)
        top = self.numerator * y.denominator + y.numerator * self.denominator
        return _reduced(top, self.denominator * y.denominator)

    def __neg__(self) -> Any:
        return Quotient(-self.numerator, self.denominator)

    def __sub__(self, other: Any) -> Any:
        return self + -Quotient.of(other)

    def __rsub__(self, other: Any) -> Any:
        return Quotient.of(other) - self

    def __mul__(self, other: Any) -> Any:
        y = Quotient.of(other)
        return _reduced(self.numerator * y.numerator, self.denominator * y.denominator)

    def __truediv__(self, other: Any) -> Any:
        y = Quotient.of(other)
        if not isinstance(y.numerator, int):
            exact = _same_ratio(self, y)
            if exact is None:
                raise Undecided
            return exact
        if y.numerator == 0:
            raise Undecided
        sign = 1 if y.numerator > 0 else -1
        top = self.numerator * (sign * y.denominator)
        return _reduced(top, self.denominator * abs(y.numerator))

    def __rtruediv__(self, other: Any) -> Any:
        return Quotient.of(other) / self

    __radd__ = __add__
    __rmul__ = __mul__

    def floor(self) -> Dim:
        """The largest integer not above it."""
        return floordiv(self.numerator, self.denominator)

    def ceil(self) -> Dim:
        """The smallest integer not below it."""
        return -floordiv(-self.numerator, self.denominator)

    def trunc(self) -> Dim:
        """Rounded toward zero; the sign has to be known."""
        if prove_nonneg(self.numerator):
            return self.floor()
        if prove_nonneg(-self.numerator):
            return self.ceil()
        raise Undecided


def _reduced(top: Dim, bottom: int) -> Any:
    if isinstance(top, int):
        return float(Fraction(top, bottom))
    whole = floordiv(top, bottom)
    return Quotient(whole, 1) if whole * bottom is top else Quotient(top, bottom)


def _same_ratio(x: Quotient, y: Quotient) -> float | None:
    """``x / y`` where it is a number although both depend on a dim."""
    if x.numerator is y.numerator:
        return y.denominator / x.denominator
    if isinstance(x.numerator, int) or isinstance(y.numerator, int):
        return None
    ratio = floordiv(x.numerator, y.numerator)
    if isinstance(ratio, int) and ratio * y.numerator is x.numerator:
        return ratio * y.denominator / x.denominator
    return None


def is_static(contents: Array) -> bool:
    """Whether every element is a number."""
    return bool(contents.dtype != object)


def as_array(contents: Any) -> Array:
    """Contents as an array: numpy gives the bare element where the result has rank 0."""
    if isinstance(contents, np.ndarray):
        return contents
    if not isinstance(contents, Expr | Quotient):
        return np.asarray(contents)
    whole = np.empty((), dtype=object)
    whole[()] = contents
    return whole


def normalise(contents: Array, dtype: DType) -> Array:
    """Numbers as an array of their dtype, anything else as an object array."""
    if contents.dtype != object:
        target = dtype.numpy
        return contents if contents.dtype == target else contents.astype(target)
    flat = contents.reshape(-1)
    if any(isinstance(e, Expr | Quotient) for e in flat):
        return contents
    return np.array(list(flat), dtype=dtype.numpy).reshape(contents.shape)


def from_dims(dims: Sequence[Dim], shape: tuple[int, ...] | None = None) -> Array:
    """Contents of an int64 tensor of the given dims; rank 1 unless a shape is given."""
    if all(isinstance(d, int) for d in dims):
        array: Array = np.array(list(dims), dtype=np.int64)
    else:
        array = np.empty(len(dims), dtype=object)
        array[:] = list(dims)
    return array if shape is None else array.reshape(shape)


def to_dims(contents: Array) -> tuple[Dim, ...]:
    """The elements in row-major order as dims; Undecided for a fraction."""
    out: list[Dim] = []
    for element in contents.reshape(-1):
        if isinstance(element, Quotient):
            raise Undecided
        if not isinstance(element, Expr) and not math.isfinite(element):
            raise Undecided
        out.append(element if isinstance(element, Expr) else int(element))
    return tuple(out)


def elementwise(
    static: Callable[..., Array], symbolic: Callable[..., Any], *operands: Array
) -> Array:
    """Apply a numpy function to static operands, or a scalar function to every element."""
    if all(is_static(o) for o in operands):
        return np.asarray(static(*operands))
    wide = np.broadcast_arrays(*operands)
    out = np.empty(wide[0].shape, dtype=object)
    # item(): Python numbers, because numpy's would take part in `+` before Expr does.
    columns = [[e.item() if hasattr(e, "item") else e for e in w.reshape(-1)] for w in wide]
    out.reshape(-1)[:] = [symbolic(*row) for row in zip(*columns, strict=True)]
    return out


def sign_of(x: Any) -> int:
    """-1, 0 or 1; Undecided when the ranges of the symbols do not tell."""
    if isinstance(x, Quotient):
        x = x.numerator
    if not isinstance(x, Expr):
        return int(np.sign(x))
    low, high = bounds(x)
    if low is not None and low > 0:
        return 1
    if high is not None and high < 0:
        return -1
    raise Undecided


def difference(x: Any, y: Any) -> Any:
    """``x - y``, where either may be symbolic."""
    if isinstance(x, Quotient) or isinstance(y, Quotient):
        return Quotient.of(x) - y
    return x - y


def divide(x: Any, y: Any) -> Any:
    """ONNX ``Div``: integers truncate toward zero."""
    if any(isinstance(v, Quotient | float) for v in (x, y)):
        return Quotient.of(x) / y
    if y == 0 or sign_of(y) == 0:
        raise Undecided
    if prove_nonneg(x) and prove_nonneg(y):
        return floordiv(x, y)
    if prove_nonneg(-x) and prove_nonneg(y):
        return -floordiv(-x, y)
    raise Undecided


def modulo(x: Any, y: Any) -> Any:
    """Integer remainder with the sign of the divisor."""
    if any(isinstance(v, Quotient | float) for v in (x, y)) or y == 0:
        raise Undecided
    return mod(x, y)


def smallest(x: Any, y: Any) -> Any:
    """The smaller of two elements."""
    return _extreme(x, y, smin, -1)


def largest(x: Any, y: Any) -> Any:
    """The larger of two elements."""
    return _extreme(x, y, smax, 1)


def _extreme(x: Any, y: Any, choose: Callable[..., Dim], sign: int) -> Any:
    if any(isinstance(v, Quotient | float) for v in (x, y)):
        return x if sign_of(difference(x, y)) == sign else y
    return choose(x, y)
