"""Values made from attributes or shapes."""

from __future__ import annotations

import numpy as np

from fusec.frontend.onnx.call import Call
from fusec.frontend.onnx.contents import Array, from_dims
from fusec.frontend.onnx.registry import evaluates, lowers
from fusec.ir import Value
from fusec.ir.sym import product
from fusec.ir.types import DType, dtype, f32, i64

_FORMS = {
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
    return np.full(c.ints_of(0, "shape"), _fill(c)[0]) if _is_small(c) else np.empty(1 << 20)


def _is_small(c: Call) -> bool:
    shape = c.ints_of(0, "shape")
    return all(d >= 0 for d in shape) and product(shape) < 1 << 10


@lowers("ConstantOfShape")
def constant_of_shape(c: Call) -> Value:
    """One scalar, broadcast."""
    fill, dtype = _fill(c)
    return c.broadcast(c.literal(fill, dtype), c.dims(0, "shape"))


@evaluates("Shape", dtype=lambda _: i64)
def shape(c: Call) -> Array:
    """Sizes of the axes from ``start`` to ``end``."""
    rank = c.rank()
    start, end = c.integer("start", 0), c.integer("end", rank)
    return from_dims(c.shape()[slice(start, end)])


@evaluates("Size", dtype=lambda _: i64)
def size(c: Call) -> Array:
    """The number of elements."""
    return from_dims([product(c.shape())], ())


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
    rows, columns = _matrix(c)
    offset = c.integer("k", 0)
    kind = c.dtype_of(c.integer("dtype")) if c.has_attribute("dtype") else c.dtype(0)
    row = c.op("iota", shape=(rows, 1), axis=0, dtype=dtype("i64"))
    column = c.op("iota", shape=(1, columns), axis=1, dtype=dtype("i64"))
    return c.cast(c.op("eq", c.op("add", row, offset), column), kind)


def _matrix(c: Call) -> tuple[object, object]:
    if c.rank() != 2:
        c.invalid(f"input 0 must have rank 2, not {c.rank()}")
    return c.shape()[0], c.shape()[1]


@lowers("Range")
def range_of(c: Call) -> Value:
    """``start + i * delta`` for as many elements as lie before the limit."""
    bounds = [c.dims(i, "the length") if c.dtype(i).is_integer else None for i in range(3)]
    if any(b is None for b in bounds):
        start, limit, delta = (float(c.constant(i, "the length").item()) for i in range(3))
        count = max(int(np.ceil((limit - start) / delta)), 0)
        steps = c.op("iota", shape=(count,), axis=0, dtype=c.dtype(0))
    else:
        from fusec.frontend.onnx.ops.slicing import range_length

        count = range_length(c, *(b[0] for b in bounds if b is not None))
        steps = c.op("iota", shape=(count,), axis=0, dtype=c.dtype(0))
    return c.op("add", c.op("mul", steps, c.value(2)), c.value(0))
