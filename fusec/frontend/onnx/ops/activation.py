"""Activation functions."""

from __future__ import annotations

import math

from fusec.frontend.onnx.call import Call
from fusec.frontend.onnx.registry import lowers
from fusec.ir import Value

SELU_ALPHA, SELU_GAMMA = 1.67326319217681884765625, 1.05070102214813232421875


@lowers("Relu")
def relu(c: Call) -> Value:
    """``max(x, 0)``."""
    return c.op("maximum", c.value(0), 0)


@lowers("LeakyRelu", rich=True)
def leaky_relu(c: Call) -> Value:
    """``x if x >= 0 else alpha * x``."""
    x = c.value(0)
    return c.op("select", c.op("lt", x, 0), c.op("mul", x, c.real("alpha", 0.01)), x)


@lowers("PRelu", rich=True)
def prelu(c: Call) -> Value:
    """``x if x >= 0 else slope * x``; the slope broadcasts to x."""
    x, slope = c.value(0), c.value(1)
    return c.op("select", c.op("lt", x, 0), c.op("mul", x, slope), x)


@lowers("ThresholdedRelu", rich=True)
def thresholded_relu(c: Call) -> Value:
    """``x if x > alpha else 0``."""
    x = c.value(0)
    return c.op("select", c.op("gt", x, c.real("alpha", 1.0)), x, 0)


@lowers("Elu", rich=True)
def elu(c: Call) -> Value:
    """``x if x >= 0 else alpha * (exp(x) - 1)``."""
    x = c.value(0)
    return c.op("select", c.op("lt", x, 0), _scaled_expm1(c, x, c.real("alpha", 1.0)), x)


@lowers("Selu", rich=True)
def selu(c: Call) -> Value:
    """``gamma * (x if x > 0 else alpha * (exp(x) - 1))``."""
    x = c.value(0)
    negative = _scaled_expm1(c, x, c.real("alpha", SELU_ALPHA))
    return c.op("mul", c.op("select", c.op("gt", x, 0), x, negative), c.real("gamma", SELU_GAMMA))


@lowers("Celu", rich=True)
def celu(c: Call) -> Value:
    """``max(0, x) + min(0, alpha * (exp(x / alpha) - 1))``."""
    x, alpha = c.value(0), c.real("alpha", 1.0)
    negative = _scaled_expm1(c, c.op("div", x, alpha), alpha)
    return c.op("add", c.op("maximum", x, 0), c.op("minimum", negative, 0))


def _scaled_expm1(c: Call, x: Value, alpha: float) -> Value:
    grown = c.op("expm1", x)
    return grown if alpha == 1.0 else c.op("mul", grown, alpha)


@lowers("Softplus", rich=True)
def softplus(c: Call) -> Value:
    """``log(1 + exp(x))``, written so that it neither overflows nor cancels."""
    return _softplus(c, c.value(0))


def _softplus(c: Call, x: Value) -> Value:
    tail = c.op("log1p", c.op("exp", c.op("neg", c.op("abs", x))))
    return c.op("add", c.op("maximum", x, 0), tail)


@lowers("Softsign", rich=True)
def softsign(c: Call) -> Value:
    """``x / (1 + |x|)``."""
    x = c.value(0)
    return c.op("div", x, c.op("add", c.op("abs", x), 1))


@lowers("Mish", rich=True)
def mish(c: Call) -> Value:
    """``x * tanh(softplus(x))``."""
    x = c.value(0)
    return c.op("mul", x, c.op("tanh", _softplus(c, x)))


@lowers("HardSigmoid", rich=True)
def hard_sigmoid(c: Call) -> Value:
    """``max(0, min(1, alpha * x + beta))``."""
    return _hard_sigmoid(c, c.value(0), c.real("alpha", 0.2), c.real("beta", 0.5))


@lowers("HardSwish", rich=True)
def hard_swish(c: Call) -> Value:
    """``x * max(0, min(1, x / 6 + 0.5))``."""
    x = c.value(0)
    return c.op("mul", x, _hard_sigmoid(c, x, 1 / 6, 0.5))


def _hard_sigmoid(c: Call, x: Value, alpha: float, beta: float) -> Value:
    line = c.op("add", c.op("mul", x, alpha), beta)
    return c.op("minimum", c.op("maximum", line, 0), 1)


@lowers("Swish", rich=True)
def swish(c: Call) -> Value:
    """``x * sigmoid(alpha * x)``."""
    x, alpha = c.value(0), c.real("alpha", 1.0)
    scaled = x if alpha == 1.0 else c.op("mul", x, alpha)
    return c.op("mul", x, c.op("sigmoid", scaled))


@lowers("Gelu", rich=True)
def gelu(c: Call) -> Value:
    """``x * cdf(x)`` of the normal distribution, exact or by tanh."""
    approximate = c.text("approximate", "none")
    if approximate not in ("none", "tanh"):
        c.invalid(f"approximate is {approximate!r}, not none or tanh")
    x = c.value(0)
    if approximate == "none":
        bell = c.op("erf", c.op("mul", x, math.sqrt(0.5)))
    else:
        cubic = c.op("mul", c.op("mul", c.op("mul", x, x), x), 0.044715)
        bell = c.op("tanh", c.op("mul", c.op("add", x, cubic), math.sqrt(2 / math.pi)))
    return c.op("mul", c.op("mul", x, 0.5), c.op("add", bell, 1))


@lowers("Shrink", rich=True)
def shrink(c: Call) -> Value:
    """``x + bias`` below ``-lambd``, ``x - bias`` above ``lambd``, else 0."""
    x, bias, lambd = c.value(0), c.real("bias", 0.0), c.real("lambd", 0.5)
    above = c.op("select", c.op("gt", x, lambd), c.op("sub", x, bias), 0)
    return c.op("select", c.op("lt", x, -lambd), c.op("add", x, bias), above)


@lowers("Clip", since=1)
def clip_attributes(c: Call) -> Value:
    """Limits as attributes, up to version 10."""
    x = c.value(0)
    if c.has_attribute("min"):
        x = c.op("maximum", x, c.real("min"))
    if c.has_attribute("max"):
        x = c.op("minimum", x, c.real("max"))
    return x


@lowers("Clip", since=11)
def clip(c: Call) -> Value:
    """``min(max(x, low), high)``; either limit may be omitted."""
    x = c.value(0)
    if c.has(1):
        x = c.op("maximum", x, scalar(c, 1))
    if c.has(2):
        x = c.op("minimum", x, scalar(c, 2))
    return x


def scalar(c: Call, index: int) -> Value:
    """An input of one element as rank 0; exporters write ``[1]`` as well."""
    source = c.input(index)
    if source.type.numel != 1:
        c.invalid(f"input {index} must be a scalar, not {source.type}")
    if source.contents is not None and source.contents.dtype != object:
        return c.literal(source.contents.reshape(()), source.type.dtype)
    return c.reshape(c.value(index), ())
