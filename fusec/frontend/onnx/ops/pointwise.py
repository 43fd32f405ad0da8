"""Element-wise arithmetic, comparison and logic."""

from __future__ import annotations

from functools import reduce

from fusec.frontend.onnx.call import Call
from fusec.frontend.onnx.registry import Lower, lowers
from fusec.ir import Value
from fusec.ir.types import bool_

UNARY = {
    "Abs": "abs",
    "Acos": "acos",
    "Acosh": "acosh",
    "Asin": "asin",
    "Asinh": "asinh",
    "Atan": "atan",
    "Atanh": "atanh",
    "BitwiseNot": "not",
    "Ceil": "ceil",
    "Cos": "cos",
    "Cosh": "cosh",
    "Erf": "erf",
    "Exp": "exp",
    "Floor": "floor",
    "IsNaN": "is_nan",
    "Log": "log",
    "Neg": "neg",
    "Not": "not",
    "Reciprocal": "reciprocal",
    "Round": "round",
    "Sigmoid": "sigmoid",
    "Sign": "sign",
    "Sin": "sin",
    "Sinh": "sinh",
    "Sqrt": "sqrt",
    "Tan": "tan",
    "Tanh": "tanh",
}

BINARY = {
    "Add": "add",
    "And": "and",
    "BitwiseAnd": "and",
    "BitwiseOr": "or",
    "BitwiseXor": "xor",
    "Div": "div",
    "Equal": "eq",
    "Greater": "gt",
    "GreaterOrEqual": "ge",
    "Less": "lt",
    "LessOrEqual": "le",
    "Mul": "mul",
    "Or": "or",
    "Pow": "pow",
    "Sub": "sub",
    "Xor": "xor",
}

VARIADIC = {"Max": "maximum", "Min": "minimum", "Sum": "add"}


def _unary(core: str) -> Lower:
    return lambda c: c.op(core, c.value(0))


def _binary(core: str) -> Lower:
    return lambda c: c.op(core, c.value(0), c.value(1))


def _variadic(core: str) -> Lower:
    def lower(c: Call) -> Value:
        return reduce(lambda a, b: c.op(core, a, b), c.values)

    return lower


for _op, _core in UNARY.items():
    lowers(_op)(_unary(_core))
for _op, _core in BINARY.items():
    lowers(_op)(_binary(_core))
for _op, _core in VARIADIC.items():
    lowers(_op)(_variadic(_core))


@lowers("Mean", rich=True)
def mean(c: Call) -> Value:
    """Of the inputs, element by element."""
    total = reduce(lambda a, b: c.op("add", a, b), c.values)
    return c.op("mul", total, 1 / len(c)) if len(c) > 1 else total


@lowers("Mod")
def modulo(c: Call) -> Value:
    """``fmod``: the sign of the dividend, as C; else the sign of the divisor, as Python."""
    is_float = c.dtype(0).is_float
    if is_float and not c.flag("fmod") and c.version < 28:
        c.invalid("floats need fmod = 1")
    return c.op("rem" if c.flag("fmod") else "mod", c.value(0), c.value(1))


@lowers("BitShift")
def bit_shift(c: Call) -> Value:
    """Logical for unsigned, arithmetic for signed integers."""
    cores = {"LEFT": "shift_left", "RIGHT": "shift_right"}
    direction = c.text("direction")
    if direction not in cores:
        c.invalid(f"direction is {direction!r}, not LEFT or RIGHT")
    return c.op(cores[direction], c.value(0), c.value(1))


@lowers("IsInf")
def is_inf(c: Call) -> Value:
    """Of either sign, or of one."""
    positive, negative = c.flag("detect_positive", True), c.flag("detect_negative", True)
    if not positive and not negative:
        return c.broadcast(c.literal(False, bool_), c.shape())
    return c.op("is_inf", c.value(0), positive=positive, negative=negative)


@lowers("Where")
def where(c: Call) -> Value:
    """Elements of the second input where the first is true, else of the third."""
    return c.op("select", c.value(0), c.value(1), c.value(2))


@lowers("Identity")
def identity(c: Call) -> Value:
    """The input itself."""
    return c.value(0)


@lowers("Dropout")
def dropout(c: Call) -> tuple[Value | None, ...]:
    """The identity; the mask says that everything is kept. Training mode is refused."""
    if c.has(2) and bool(c.constant(2, "training_mode").item()):
        ratio = float(c.constant(1, "ratio").item()) if c.has(1) else 0.5
        if ratio != 0:
            c.refuse("training mode draws random numbers")
    mask = None
    if c.wants(1):
        # Before version 10 the mask had the dtype of the data.
        dtype = bool_ if c.version >= 10 else c.dtype(0)
        mask = c.broadcast(c.literal(True, dtype), c.shape())
    return c.value(0), mask
