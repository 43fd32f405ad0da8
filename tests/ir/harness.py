"""Run one op through the evaluator on numpy arrays, and draw seeded data of any dtype."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fusec.ir import DType, Graph, GraphBuilder, Tensor, dtype, evaluate_graph, verify_graph
from fusec.ir.reference import array_to_torch, to_numpy
from fusec.ir.types import COMPLEX, from_numpy

Array = np.ndarray[Any, Any]

FLOATS = ("float16", "bfloat16", "float32", "float64")
FLOAT8S = ("float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz")
SIGNED = ("int4", "int8", "int16", "int32", "int64")
UNSIGNED = ("uint4", "uint8", "uint16", "uint32", "uint64")
INTEGERS = SIGNED + UNSIGNED
COMPLEXES = ("complex64", "complex128")
MOVABLE = (*FLOATS, *FLOAT8S, "float8_e8m0fnu", "float4_e2m1fn", *INTEGERS, "bool", *COMPLEXES)


def run_all(op: str, *arrays: Array, **attrs: Any) -> tuple[Array, ...]:
    """The results of one op; their types must be those inferred, the graph must verify."""
    graph = Graph()
    types = [Tensor(from_numpy(a.dtype), tuple(a.shape)) for a in arrays]
    operands = [graph.add_input(f"x{i}", type) for i, type in enumerate(types)]
    results = GraphBuilder(graph).ops(op, *operands, **attrs)
    graph.set_outputs(results)
    verify_graph(graph)
    tensors = [array_to_torch(a, type.dtype) for a, type in zip(arrays, types, strict=True)]
    outputs = evaluate_graph(graph, tensors)
    found = [to_numpy(o, r.type.dtype) for o, r in zip(outputs, results, strict=True)]
    for array, result in zip(found, results, strict=True):
        assert array.shape == result.type.shape, (op, array.shape, result.type)
        assert array.dtype == result.type.dtype.numpy, (op, array.dtype, result.type)
    return tuple(found)


def run(op: str, *arrays: Array, **attrs: Any) -> Array:
    """The only result of one op."""
    (result,) = run_all(op, *arrays, **attrs)
    return result


def draw(rng: np.random.Generator, name: str, shape: Sequence[int], **limits: Any) -> Array:
    """Seeded data: normal floats, integers over the whole range (or ``low`` to ``high``)."""
    kind = dtype(name)
    if name == "bool":
        return rng.integers(0, 2, shape).astype(bool)
    if kind.kind == COMPLEX:
        parts = rng.standard_normal((2, *shape))
        return np.asarray((parts[0] + 1j * parts[1]).astype(kind.numpy))
    if kind.is_float:
        values = rng.standard_normal(shape) * limits.get("scale", 1.0)
        values = np.abs(values) if name == "float8_e8m0fnu" else values
        return np.asarray(values.astype(kind.numpy))
    low, high = integer_limits(kind)
    low, high = limits.get("low", low), limits.get("high", high)
    wide = np.uint64 if kind.kind == "uint" else np.int64
    return rng.integers(max(low, integer_limits(kind)[0]), high, shape, wide, True).astype(
        kind.numpy
    )


def integer_limits(kind: DType) -> tuple[int, int]:
    low = -(1 << (kind.bits - 1)) if kind.kind == "int" else 0
    return low, low + (1 << kind.bits) - 1


def wide(array: Array) -> Array:
    """float64 of a float array, Python integers of an integer array: exact."""
    if array.dtype.kind in "iub" or array.dtype.name in ("int4", "uint4"):
        integers = array.astype(np.int64 if array.dtype.name != "uint64" else np.uint64)
        return np.asarray(integers.astype(object))
    return np.asarray(array.astype(np.complex128 if array.dtype.kind == "c" else np.float64))


def wrap(values: Array, kind: DType) -> Array:
    """Python integers modulo the width of an integer dtype."""
    modulus = 1 << kind.bits
    low = integer_limits(kind)[0]
    flat = [(int(v) - low) % modulus + low for v in values.reshape(-1)]
    array = np.array(flat, dtype=np.uint64 if kind.kind == "uint" else np.int64)
    return array.astype(kind.numpy).reshape(values.shape)


def same_bits(a: Array, b: Array) -> None:
    """Equal elements, where NaN equals NaN."""
    assert a.dtype == b.dtype
    assert a.shape == b.shape
    if a.dtype.kind in "fcV" or a.dtype.name.startswith(("bfloat", "float")):
        a, b = wide(a), wide(b)
        np.testing.assert_array_equal(a, b)
    else:
        np.testing.assert_array_equal(wide(a), wide(b))


def close(found: Array, expected: Array, ulps: float = 2.0) -> None:
    """Equal to a float64 reference up to some units in the last place of the found dtype."""
    import ml_dtypes

    eps = float(ml_dtypes.finfo(found.dtype).eps)
    tiny = float(ml_dtypes.finfo(found.dtype).smallest_subnormal)
    np.testing.assert_allclose(wide(found), expected, rtol=ulps * eps, atol=2 * tiny)
