"""Values made from attributes or shapes."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from fusec.frontend.onnx.call import Call
from fusec.frontend.onnx.contents import LIMIT, Array, Undecided, from_dims
from fusec.frontend.onnx.ops.slicing import range_length
from fusec.frontend.onnx.registry import evaluates, lowers
from fusec.ir import Value
from fusec.ir.sym import Dim, product
from fusec.ir.types import DType, f32, i64

_FORMS: dict[str, Callable[[Call, str], Array]] = {
    "value_float": lambda c, n: np.array(c.real(n), np.float32),
    "value_floats": lambda c, n: np.array(c.reals(n), np.float32),
    "value_int": lambda c, n: np.array(c.integer(n), np.int64),
    "value_ints": lambda c, n: np.array(c.integers(n), np.int64),
    "value": lambda c, n: c.tensor(n),
}


def _constant_array(c: Call) -> Array:
    if c.has_attribute("sparse_value"):
        proto = c.attribute("sparse_value").sparse_tensor
        return c.importer.functions.dense(proto, c.importer.tensor)
    for name, read in _FORMS.items():
        if c.has_attribute(name):
            return read(c, name)
    if c.has_attribute("value_string") or c.has_attribute("value_strings"):
        c.refuse("strings")
    return c.invalid("has no value")


def _constant_type(c: Call) -> DType:
    return c.importer.dtype_of(_constant_array(c))


@evaluates("Constant", dtype=_constant_type)
def constant(c: Call) -> Array:
    """The data of any of the attribute forms."""
    return _constant_array(c)


@lowers("Constant")
def constant_value(c: Call) -> Value:
    """As a value; the evaluator comes first."""
    return c.const(_constant_array(c), "value")


def _fill(c: Call) -> tuple[Array, DType]:
    if not c.has_attribute("value"):
        return np.zeros((), np.float32), f32
    data = c.tensor("value")
    if data.size != 1:
        c.invalid(f"value has {data.size} elements, not 1")
    return data.reshape(()), c.importer.dtype_of(data)


@evaluates("ConstantOfShape", dtype=lambda c: _fill(c)[1])
def constant_of_shape_contents(c: Call) -> Array:
    """Contents of a small fill."""
    shape = c.dims(0, "shape")
    fixed = tuple(d for d in shape if isinstance(d, int) and d >= 0)
    if len(fixed) < len(shape) or math.prod(fixed) > LIMIT:
        raise Undecided
    return np.full(fixed, _fill(c)[0])


@lowers("ConstantOfShape")
def constant_of_shape(c: Call) -> Value:
    """One scalar, broadcast."""
    fill, dtype = _fill(c)
    return c.broadcast(c.literal(fill, dtype), c.dims(0, "shape"))


def shape(c: Call) -> Array:
    """Sizes of the axes from ``start`` to ``end``."""
    rank = c.rank()
    start, end = c.integer("start", 0), c.integer("end", rank)
    return from_dims(c.shape()[slice(start, end)])


def size(c: Call) -> Array:
    """The number of elements."""
    return from_dims([product(c.shape())], ())


evaluates("Shape", dtype=lambda _: i64)(shape)
evaluates("Size", dtype=lambda _: i64)(size)


@lowers("Shape")
def shape_value(c: Call) -> Value:
    """As a value; the evaluator comes first."""
    return c.contents(shape(c), i64)


@lowers("Size")
def size_value(c: Call) -> Value:
    """As a value; the evaluator comes first."""
    return c.contents(size(c), i64)


@lowers("EyeLike")
def eye_like(c: Call) -> Value:
    """1 on the diagonal ``k``, else 0."""
    if c.rank() != 2:
        c.invalid(f"input 0 must have rank 2, not {c.rank()}")
    rows, columns = c.shape()
    offset = c.integer("k", 0)
    kind = c.dtype_of(c.integer("dtype")) if c.has_attribute("dtype") else c.dtype(0)
    row = c.op("iota", shape=(rows, 1), axis=0, dtype=i64)
    column = c.op("iota", shape=(1, columns), axis=1, dtype=i64)
    return c.cast(c.op("eq", c.op("add", row, offset), column), kind)


@lowers("Range")
def range_of(c: Call) -> Value:
    """``start + i * delta`` for as many elements as lie before the limit."""
    count: Dim
    if c.dtype(0).is_integer:
        start, limit, delta = (c.dims(i, "the length")[0] for i in range(3))
        count = range_length(c, start, limit, delta)
    else:
        first, last, step = (float(c.constant(i, "the length").item()) for i in range(3))
        if step == 0:
            c.invalid("delta is 0")
        count = max(math.ceil((last - first) / step), 0)
    steps = c.op("iota", shape=(count,), axis=0, dtype=c.dtype(0))
    return c.op("add", c.op("mul", steps, c.value(2)), c.value(0))
