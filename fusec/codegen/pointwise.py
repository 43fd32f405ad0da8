"""Emitters of pointwise ops: one table, op name to a function from operand texts to an expression.

Operands are names or literals. A literal is plain beside an operator and typed as an argument of a
function (see `fusec.codegen.literals`), so an emitter asks for what it needs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fusec.codegen.cast import bitcast, cast
from fusec.codegen.emitter import Emitter
from fusec.codegen.literals import literal_operand, literal_value, rounded, typed_scalar
from fusec.codegen.names import tl
from fusec.ir.types import DType, bool_, f32, f64
from fusec.tile.program import Apply
from fusec.tile.shapes import Dims


@dataclass(frozen=True)
class Call:
    """One application being printed.

    ``dtype``: what it computes in; ``source``: the element type of the first operand.
    """

    emitter: Emitter
    names: tuple[str, ...]
    target: Dims
    dtype: DType
    source: DType
    result: DType
    attrs: Mapping[str, Any]

    def tile(self, at: int) -> str:
        """Operand ``at`` for a ``tl`` function: a tile, or a scalar of its type."""
        value, dtype = self._scalar(at)
        if value is None:
            text = self.emitter.use(self.names[at], self.target)
            return cast(text, self.dtype_of(at), dtype, self.emitter.helpers)
        return typed_scalar(value, dtype) if self.is_constant else literal_value(value, dtype)

    def argument(self, at: int) -> str:
        """Operand ``at`` for a device function, which asks for its element type."""
        value, dtype = self._scalar(at)
        return self.tile(at) if value is None else typed_scalar(value, dtype)

    def side(self, at: int) -> str:
        """Operand ``at`` beside an operator: plain if a literal beside a tile."""
        value, dtype = self._scalar(at)
        if value is None or self.is_constant:
            return self.tile(at)
        return literal_operand(value, dtype)

    def _scalar(self, at: int) -> tuple[bool | int | float | None, DType]:
        """The value of a literal, rounded to its type, and the type that it is computed in."""
        value, dtype = self.literal(at), self.dtype_of(at)
        if dtype != self.source or self.dtype == self.source:
            return value, dtype
        return (None if value is None else rounded(value, dtype)), self.dtype

    @property
    def is_constant(self) -> bool:
        """Whether every operand is a literal."""
        return all(self.emitter.tiles[n].value is not None for n in self.names)

    def literal(self, at: int) -> bool | int | float | None:
        """The value of operand ``at`` if it is a literal."""
        return self.emitter.tiles[self.names[at]].value

    def dtype_of(self, at: int) -> DType:
        return self.emitter.tiles[self.names[at]].dtype


Emit = Callable[[Call], str]


def _operator(symbol: str) -> Emit:
    return lambda c: f"{c.side(0)} {symbol} {c.side(1)}"


def _by_kind(boolean: str, other: Emit) -> Emit:
    """An operator for bools, else another emitter."""
    return lambda c: f"{c.side(0)} {boolean} {c.side(1)}" if c.dtype == bool_ else other(c)


def _function(name: str) -> Emit:
    """A ``tl`` function, which takes float32 and float64."""
    return lambda c: f"tl.{name}({', '.join(c.tile(i) for i in range(len(c.names)))})"


def _helper(name: str) -> Emit:
    """A device function in two precisions."""

    def emit(c: Call) -> str:
        function = c.emitter.helpers.use(f"{name}_{'f64' if c.dtype == f64 else 'f32'}")
        return f"{function}({', '.join(c.argument(i) for i in range(len(c.names)))})"

    return emit


def _whole(other: Emit) -> Emit:
    """The operand itself for integers (floor, ceil, round)."""
    return lambda c: other(c) if c.dtype.is_float else c.tile(0)


def _extremum(name: str) -> Emit:
    def emit(c: Call) -> str:
        nan = ", propagate_nan=tl.PropagateNan.ALL" if c.dtype.is_float else ""
        return f"tl.{name}({c.tile(0)}, {c.tile(1)}{nan})"

    return emit


def _divide(c: Call) -> str:
    if c.dtype == f32:
        return f"tl.div_rn({c.tile(0)}, {c.tile(1)})"
    return f"{c.side(0)} / {c.side(1)}" if c.dtype.is_float else _integer("//", "divide")(c)


def _integer(symbol: str, helper: str) -> Emit:
    """Division by a literal as it stands; else by a helper that defines it for 0 and -1."""

    def emit(c: Call) -> str:
        if c.literal(1) not in (None, 0, -1):
            return f"{c.side(0)} {symbol} {c.side(1)}"
        sign = "unsigned" if c.dtype.kind == "uint" else "signed"
        return f"{c.emitter.helpers.use(f'{helper}_{sign}')}({c.argument(0)}, {c.argument(1)})"

    return emit


def _shift(symbol: str) -> Emit:
    """As if shifted one by one: by the width or more, nothing but the sign is left."""

    def emit(c: Call) -> str:
        by, last = c.literal(1), c.dtype.bits - 1
        if by is not None and 0 <= by <= last:
            return f"{c.side(0)} {symbol} {c.side(1)}"
        x, n = c.tile(0), c.tile(1)
        inside = f"tl.where({n} <= {last}, {n}, {typed_scalar(last, c.dtype)})"
        if symbol == ">>" and c.dtype.kind == "int":
            return f"{x} >> {inside}"
        return f"tl.where({n} <= {last}, {x} {symbol} {inside}, {typed_scalar(0, c.dtype)})"

    return emit


def _reciprocal(c: Call) -> str:
    return f"tl.div_rn(1.0, {c.tile(0)})" if c.dtype == f32 else f"1.0 / {c.side(0)}"


def _sqrt(c: Call) -> str:
    return f"tl.sqrt_rn({c.tile(0)})" if c.dtype == f32 else f"tl.sqrt({c.tile(0)})"


def _remainder(c: Call) -> str:
    return _helper("fmod")(c) if c.dtype.is_float else _integer("%", "remainder")(c)


def _modulo(c: Call) -> str:
    if c.dtype.is_float:
        return _helper("floor_mod")(c)
    if c.dtype.kind == "uint":
        return _remainder(c)
    return f"{c.emitter.helpers.use('floor_mod_signed')}({c.argument(0)}, {c.argument(1)})"


def _power(c: Call) -> str:
    exponent = c.literal(1)
    base = c.tile(0)
    if exponent in (1, 2, 3) and c.literal(0) is None:
        return " * ".join([base] * int(exponent))
    if exponent == -1 and c.dtype.is_float:
        return _reciprocal(c)
    if c.dtype.is_float and c.dtype_of(1) == c.dtype:
        return _helper("pow")(c)
    if c.dtype.is_float or c.dtype_of(1).is_float:
        helpers = c.emitter.helpers
        sides = (c.argument(0), c.dtype), (c.argument(1), c.dtype_of(1))
        wide = [cast(text, kind, f64, helpers) for text, kind in sides]
        power = f"{helpers.use('pow_f64')}({wide[0]}, {wide[1]})"
        return cast(power, f64, c.dtype, helpers)
    name = "power_unsigned" if c.dtype.kind == "uint" else "power_signed"
    return f"{c.emitter.helpers.use(name)}({c.argument(0)}, {c.argument(1)})"


def _negative(c: Call) -> str:
    # Triton's minus subtracts from 0, which loses the sign of zero.
    return f"{c.side(0)} * -1.0" if c.dtype.is_float else f"-{c.side(0)}"


def _sign(c: Call) -> str:
    x = c.side(0)
    kind = tl(c.dtype)
    if c.dtype.kind == "uint":
        return f"({x} > 0).to({kind})"
    return f"({x} > 0).to({kind}) - ({x} < 0).to({kind})"


def _absolute(c: Call) -> str:
    return c.tile(0) if c.dtype.kind in ("uint", "bool") else f"tl.abs({c.tile(0)})"


def _is_inf(c: Call) -> str:
    x, positive, negative = c.side(0), c.attrs.get("positive", True), c.attrs.get("negative", True)
    if positive and negative:
        return f'tl.abs({x}) == float("inf")'
    if not (positive or negative):
        return f"({x} != {x}) & ({x} == {x})"
    return f'{x} == float("{"" if positive else "-"}inf")'


def _not(c: Call) -> str:
    if c.dtype.kind == "uint":  # the interpreter has no ~ for these
        return f"{c.side(0)} ^ {2**c.dtype.bits - 1}"
    return f"~{c.side(0)}"


def _cast(c: Call) -> str:
    saturate = bool(c.attrs.get("saturate", False))
    return cast(c.argument(0), c.dtype, c.result, c.emitter.helpers, saturate=saturate)


def _select(c: Call) -> str:
    return f"tl.where({c.tile(0)}, {c.tile(1)}, {c.tile(2)})"


EMITTERS: dict[str, Emit] = {
    "neg": _negative,
    "abs": _absolute,
    "sign": _sign,
    "floor": _whole(_function("floor")),
    "ceil": _whole(_function("ceil")),
    "round": _whole(_helper("round")),
    "sqrt": _sqrt,
    "rsqrt": _function("rsqrt"),
    "reciprocal": _reciprocal,
    "exp": _function("exp"),
    "exp2": _function("exp2"),
    "expm1": _helper("expm1"),
    "log": _function("log"),
    "log2": _function("log2"),
    "log1p": _helper("log1p"),
    "sin": _function("sin"),
    "cos": _function("cos"),
    "tan": _helper("tan"),
    "asin": _helper("asin"),
    "acos": _helper("acos"),
    "atan": _helper("atan"),
    "sinh": _helper("sinh"),
    "cosh": _helper("cosh"),
    "tanh": _helper("tanh"),
    "asinh": _helper("asinh"),
    "acosh": _helper("acosh"),
    "atanh": _helper("atanh"),
    "erf": _helper("erf"),
    "sigmoid": _helper("sigmoid"),
    "is_nan": lambda c: f"{c.side(0)} != {c.side(0)}",
    "is_inf": _is_inf,
    "not": _not,
    "cast": _cast,
    "bitcast": lambda c: bitcast(c.argument(0), c.dtype, c.result),
    "add": _by_kind("|", _operator("+")),
    "sub": _by_kind("^", _operator("-")),
    "mul": _by_kind("&", _operator("*")),
    "div": _divide,
    "mod": _modulo,
    "rem": _remainder,
    "pow": _power,
    "maximum": _by_kind("|", _extremum("maximum")),
    "minimum": _by_kind("&", _extremum("minimum")),
    "atan2": _helper("atan2"),
    "and": _operator("&"),
    "or": _operator("|"),
    "xor": _operator("^"),
    "shift_left": _shift("<<"),
    "shift_right": _shift(">>"),
    "eq": _operator("=="),
    "ne": _operator("!="),
    "lt": _operator("<"),
    "le": _operator("<="),
    "gt": _operator(">"),
    "ge": _operator(">="),
    "select": _select,
}

_ANY_FLOAT = frozenset({"cast", "bitcast", "select"})


def emit_apply(emitter: Emitter, statement: Apply) -> None:
    """Print ``name = expression``; floats below 32 bits compute as float32."""
    dims = emitter.dims[statement.name]
    source = emitter.tiles[statement.args[0]].dtype
    small = source.is_float and source.bits < 32 and statement.op not in _ANY_FLOAT
    dtype, result = (f32 if small else source), statement.dtype
    attrs = dict(statement.attrs)
    text = EMITTERS[statement.op](Call(emitter, statement.args, dims, dtype, source, result, attrs))
    if small and result == source:
        text = cast(f"({text})", f32, result, emitter.helpers)
    name = emitter.declare(statement)
    emitter.line(f"{name} = {text}")
