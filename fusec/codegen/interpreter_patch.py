"""What fusec changes in Triton's interpreter while a kernel of its own runs, and why.

- A scalar comparison stays a bool when it is spread over a tile.
- float32 to bfloat16 rounds to nearest even (the interpreter truncates), fast, NaN kept.
- ``tl.reduce`` with a combine function works on whole tiles, not on one element at a time.
- int8 dots go through float64 matrix products, exactly (numpy multiplies integers slowly).
- ``fma`` of float32 rounds once. Integer overflow is not checked: the checks double index work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
_MISSING = object()


@contextmanager
def patched(function: Callable[..., None]) -> Iterator[Any]:
    """Swap ``triton.language`` and the builder for interpretation; yields the builder."""
    from triton.runtime import interpreter

    builder = interpreter.interpreter_builder
    ours = _overrides(interpreter)
    saved = {name: vars(builder).get(name, _MISSING) for name in ours}
    generic = interpreter.ReduceOps.generic_reduce
    before = _snapshot(interpreter.tl)
    try:
        interpreter._patch_lang(function)
        vars(builder).update(ours)
        interpreter.ReduceOps.generic_reduce = _tree_reduce
        with np.errstate(all="ignore"):
            yield builder
    finally:
        interpreter.ReduceOps.generic_reduce = generic
        for name, value in saved.items():
            if value is _MISSING:
                delattr(builder, name)
            else:
                setattr(builder, name, value)
        _restore(before)


def _snapshot(tl: Any) -> list[tuple[Any, dict[str, Any]]]:
    """Everything that Triton swaps in its language; not every version puts it back itself."""
    descriptor = getattr(tl.core, "tensor_descriptor_base", tl.core.tensor)
    owners = (tl, tl.core, tl.math, tl.tensor, tl.dtype, descriptor)
    return [(owner, dict(vars(owner))) for owner in owners]


def _restore(before: list[tuple[Any, dict[str, Any]]]) -> None:
    for owner, saved in before:
        for name, value in dict(vars(owner)).items():
            if name not in saved:
                delattr(owner, name)
            elif value is not saved[name]:
                setattr(owner, name, saved[name])


def _overrides(interpreter: Any) -> dict[str, Any]:
    """Attributes set on the interpreter's builder."""
    builder = interpreter.interpreter_builder
    handle = interpreter.TensorHandle

    def cast_impl(source: Any, target: Any) -> Any:
        scalar = target.scalar
        return handle(_convert(interpreter, source, scalar), scalar)

    def create_fma(x: Any, y: Any, z: Any) -> Any:
        return handle(_fma(x.data, y.data, z.data), z.dtype.scalar)

    def create_dot(a: Any, b: Any, d: Any, precision: Any, imprecise: Any) -> Any:
        del precision, imprecise
        left, right = _values(interpreter, a), _values(interpreter, b)
        return handle(_dot(left, right, d.data), d.dtype.scalar)

    def get_bf16(value: float) -> Any:
        return handle(_to_bfloat16(np.array([value], dtype=np.float32)), interpreter.tl.bfloat16)

    def create_splat(kind: Any, value: Any) -> Any:
        data = np.broadcast_to(value.data.reshape(()), kind.shape)
        return handle(data, value.dtype.scalar)

    return {
        "cast_impl": cast_impl,
        "create_splat": create_splat,
        "get_bf16": get_bf16,
        "create_fma": create_fma,
        "create_dot": create_dot,
        "options": replace(builder.options, sanitize_overflow=False),
    }


class Language:
    """``triton.language`` for interpreted kernels: its own compiled functions in numpy."""

    def __init__(self, language: Any) -> None:
        self._language = language

    def __getattr__(self, name: str) -> Any:
        return getattr(self._language, name)

    def cdiv(self, x: Any, y: Any) -> Any:
        return (x + (y - 1)) // y

    def zeros(self, shape: Any, dtype: Any) -> Any:
        return self._language.full(shape, 0, dtype)

    def sum(self, x: Any, axis: int) -> Any:
        return self._across(np.sum, x, axis)

    def max(self, x: Any, axis: int) -> Any:
        return self._across(np.max, x, axis)

    def min(self, x: Any, axis: int) -> Any:
        return self._across(np.min, x, axis)

    def _across(self, function: Callable[..., Any], x: Any, axis: int) -> Any:
        from triton.runtime.interpreter import ReduceOps

        result = function(x.handle.data, axis=axis)
        return ReduceOps(axis, None, False).to_tensor(result, x.dtype)


# ------------------------------------------------------------------------------- conversions


def _values(interpreter: Any, tensor: Any) -> Array:
    """The numbers of a tile: bfloat16, which numpy holds as bits, as float32."""
    if tensor.dtype.scalar == interpreter.tl.bfloat16:
        return _from_bfloat16(tensor.data)
    data: Array = tensor.data
    return data


def _convert(interpreter: Any, source: Any, target: Any) -> Array:
    tl = interpreter.tl
    data = _values(interpreter, source)
    if target == tl.bfloat16:
        return _to_bfloat16(data.astype(np.float32, copy=False))
    return data.astype(interpreter._get_np_dtype(target), copy=False)


def _from_bfloat16(bits: Array) -> Array:
    return (bits.astype(np.uint32) << 16).view(np.float32)


def _to_bfloat16(values: Array) -> Array:
    """Bits of the nearest bfloat16, ties to even; a NaN becomes torch's."""
    bits = np.ascontiguousarray(values).view(np.uint32)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16
    return np.where(np.isnan(values), 0x7FC0, rounded).astype(np.uint16).reshape(values.shape)


# ------------------------------------------------------------------------------- arithmetic


def _fma(x: Array, y: Array, z: Array) -> Array:
    if z.dtype == np.float32:
        exact = x.astype(np.float64) * y.astype(np.float64)
        return (exact + z.astype(np.float64)).astype(np.float32)
    result: Array = x * y + z
    return result


def _dot(a: Array, b: Array, d: Array) -> Array:
    """``a @ b + d`` in the accumulator's type; integers exactly, by way of float64."""
    if a.dtype.kind in "iu":
        exact = np.matmul(a.astype(np.float64), b.astype(np.float64)).astype(np.int64)
        wrapped: Array = (exact + d).astype(d.dtype)
        return wrapped
    result: Array = np.matmul(a.astype(d.dtype, copy=False), b.astype(d.dtype, copy=False))
    result += d
    return result


# ------------------------------------------------------------------------------- reductions


def _tree_reduce(self: Any, inputs: Any) -> list[Any]:
    """`ReduceOps.generic_reduce` on whole tiles: halves of the axis are combined, in order."""
    tiles, axis = self.unravel(inputs, self.axis)
    data = [t.handle.data for t in tiles]
    dtypes = [t.dtype for t in tiles]
    size = data[0].shape[axis]
    while size > 1:
        half = size // 2
        left = [self.to_tensor(_part(d, axis, 0, half), t) for d, t in zip(data, dtypes)]
        right = [self.to_tensor(_part(d, axis, half, size), t) for d, t in zip(data, dtypes)]
        combined = _function(self.combine_fn)(*left, *right)
        results = combined if isinstance(combined, tuple) else (combined,)
        data, size = [r.handle.data for r in results], half
    if not self.keep_dims:
        data = [d.squeeze(axis) for d in data]
    return [self.to_tensor(d if d.shape else d.item(), t) for d, t in zip(data, dtypes)]


def _part(data: Array, axis: int, start: int, stop: int) -> Array:
    index = [slice(None)] * data.ndim
    index[axis] = slice(start, stop)
    return data[tuple(index)]


def _function(combine: Any) -> Callable[..., Any]:
    """The plain function behind a combine function, ours or a decorated one."""
    function: Callable[..., Any] = getattr(combine, "fn", combine)
    return function
