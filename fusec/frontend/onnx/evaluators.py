"""Evaluators: contents of small integer tensors worked out at import, symbolic dims included."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fusec.frontend.onnx.call import Call
from fusec.frontend.onnx.contents import (
    LIMIT,
    Array,
    Quotient,
    Undecided,
    difference,
    divide,
    elementwise,
    is_static,
    largest,
    modulo,
    sign_of,
    smallest,
)
from fusec.frontend.onnx.ops.reduction import axes_of
from fusec.frontend.onnx.ops.shape import resolve_reshape, squeezed, unsqueezed
from fusec.frontend.onnx.ops.slicing import cuts_of, range_length, split_sizes
from fusec.frontend.onnx.registry import Evaluate, evaluates
from fusec.ir.infer import broadcast_shapes
from fusec.ir.sym import Dim, Expr, prove_nonneg
from fusec.ir.types import DType, bool_


def known(c: Call, index: int) -> Array:
    """Contents of an input that the importer has found to be known."""
    contents = c.known(index)
    assert contents is not None
    return contents


def _fixed(dims: Sequence[Dim]) -> tuple[int, ...]:
    """A shape that is all numbers, and small."""
    shape = tuple(d for d in dims if isinstance(d, int) and d >= 0)
    if len(shape) < len(dims) or math.prod(shape) > LIMIT:
        raise Undecided
    return shape


# -- element by element --------------------------------------------------------------------------


def _static_div(a: Array, b: Array) -> Array:
    if a.dtype.kind not in "iu":
        return np.asarray(a / b)
    if (b == 0).any():
        raise Undecided
    return np.asarray(np.sign(a) * np.sign(b) * (np.abs(a) // np.abs(b)))


_BINARY: dict[str, tuple[Callable[..., Array], Callable[[Any, Any], Any]]] = {
    "Add": (np.add, lambda a, b: a + b),
    "Sub": (np.subtract, difference),
    "Mul": (np.multiply, lambda a, b: a * b),
    "Div": (_static_div, divide),
    "Max": (np.maximum, largest),
    "Min": (np.minimum, smallest),
}


def _binary(static: Callable[..., Array], symbolic: Callable[[Any, Any], Any]) -> Evaluate:
    def evaluate(c: Call) -> Array:
        result = known(c, 0)
        for i in range(1, len(c)):
            result = elementwise(static, symbolic, result, known(c, i))
        return result

    return evaluate


for _op, _pair in _BINARY.items():
    evaluates(_op)(_binary(*_pair))


@evaluates("Mod")
def modulo_of(c: Call) -> Array:
    """Sign of the divisor; ``fmod`` is left to run time."""
    if c.flag("fmod") or (is_static(known(c, 1)) and (known(c, 1) == 0).any()):
        raise Undecided
    return elementwise(np.mod, modulo, known(c, 0), known(c, 1))


def _equal(a: Any, b: Any) -> bool:
    gap = difference(a, b)
    if not isinstance(gap, Expr | Quotient):
        return bool(gap == 0)
    sign_of(gap)
    return False


_COMPARE: dict[str, tuple[Callable[..., Array], Callable[[Any, Any], bool]]] = {
    "Equal": (np.equal, _equal),
    "Greater": (np.greater, lambda a, b: _ordered(a, b) > 0),
    "GreaterOrEqual": (np.greater_equal, lambda a, b: not _is_less(a, b)),
    "Less": (np.less, lambda a, b: _ordered(a, b) < 0),
    "LessOrEqual": (np.less_equal, lambda a, b: not _is_less(b, a)),
    "And": (np.logical_and, lambda a, b: bool(a and b)),
    "Or": (np.logical_or, lambda a, b: bool(a or b)),
    "Xor": (np.logical_xor, lambda a, b: bool(a) != bool(b)),
}


def _ordered(a: Any, b: Any) -> int:
    gap = difference(a, b)
    return sign_of(gap) if isinstance(gap, Expr | Quotient) else int(np.sign(gap))


def _is_less(a: Any, b: Any) -> bool:
    gap = difference(a, b)
    if isinstance(gap, Expr) and prove_nonneg(gap):
        return False
    return _ordered(a, b) < 0


for _op, _pair2 in _COMPARE.items():
    evaluates(_op, dtype=lambda _: bool_)(_binary(*_pair2))


@evaluates("Not")
def logical_not(c: Call) -> Array:
    """Of bools."""
    return np.logical_not(known(c, 0))


def _rounded(x: Any, method: str) -> Any:
    return Quotient(getattr(x, method)(), 1) if isinstance(x, Quotient) else getattr(np, method)(x)


_UNARY: dict[str, tuple[Callable[..., Array], Callable[[Any], Any]]] = {
    "Neg": (np.negative, lambda x: -x),
    "Floor": (np.floor, lambda x: _rounded(x, "floor")),
    "Ceil": (np.ceil, lambda x: _rounded(x, "ceil")),
    "Sign": (np.sign, sign_of),
    "Abs": (np.abs, lambda x: x if sign_of_or_zero(x) >= 0 else -x),
}


def sign_of_or_zero(x: Any) -> int:
    """1 for what is known not to be negative, else as `sign_of`."""
    return 1 if isinstance(x, Expr) and prove_nonneg(x) else sign_of(x)


def _unary(static: Callable[..., Array], symbolic: Callable[[Any], Any]) -> Evaluate:
    return lambda c: elementwise(static, symbolic, known(c, 0))


for _op, _pair3 in _UNARY.items():
    evaluates(_op)(_unary(*_pair3))


@evaluates("Identity")
def identity(c: Call) -> Array:
    """The input itself."""
    return known(c, 0)


# -- types ---------------------------------------------------------------------------------------


def _cast_type(c: Call) -> DType:
    return c.dtype(1) if c.node.op_type == "CastLike" else c.dtype_of(c.integer("to"))


@evaluates("Cast", "CastLike", dtype=_cast_type)
def cast(c: Call) -> Array:
    """Integers to floats and back; integers are taken to fit."""
    contents, target = known(c, 0), _cast_type(c)
    if is_static(contents):
        return _static_cast(contents, c.dtype(0), target)
    if target.is_float:
        return elementwise(np.asarray, Quotient.of, contents)
    if target == bool_:
        return elementwise(np.asarray, lambda x: sign_of(x) != 0, contents)
    return elementwise(np.asarray, lambda x: x.trunc() if isinstance(x, Quotient) else x, contents)


def _static_cast(contents: Array, source: DType, target: DType) -> Array:
    plain = ("int", "uint", "bool")
    is_exact = source.kind in plain and (target.kind in plain or target.bits >= 32)
    if not is_exact and not (source.is_float and source.bits >= 32 and target.bits >= 32):
        raise Undecided  # short floats have rules of their own
    if source.is_float and not target.is_float and not np.isfinite(contents).all():
        raise Undecided
    return contents.astype(target.numpy)


# -- structure -----------------------------------------------------------------------------------


@evaluates("Gather")
def gather(c: Call) -> Array:
    """By constant indices."""
    indices = known(c, 1)
    if not is_static(indices):
        raise Undecided
    axis = c.axis(c.integer("axis", 0), c.rank())
    extent = known(c, 0).shape[axis]
    if indices.size and (indices.min() < -extent or indices.max() >= extent):
        c.invalid(f"an index does not fit size {extent}")
    return np.take(known(c, 0), indices.astype(np.int64), axis=axis)


@evaluates("Concat")
def concat(c: Call) -> Array:
    """Along an axis."""
    parts = [known(c, i) for i in range(len(c))]
    axis = c.axis(c.integer("axis"), c.rank())
    shapes = {p.shape[:axis] + p.shape[axis + 1 :] for p in parts}
    if len(shapes) > 1 or len({p.ndim for p in parts}) > 1:
        c.invalid("inputs differ beside the axis")
    return np.concatenate([p.astype(object) for p in parts], axis=axis)


@evaluates("Slice")
def slice_of(c: Call) -> Array:
    """With constant limits."""
    contents = known(c, 0)
    for one in cuts_of(c):
        if not isinstance(one.start, int) or not isinstance(one.size, int):
            raise Undecided
        places = one.start + one.step * np.arange(one.size)
        contents = np.take(contents, places.astype(np.int64), axis=one.axis)
    return contents


@evaluates("Split")
def split(c: Call) -> tuple[Array, ...]:
    """Into constant parts."""
    axis, sizes = split_sizes(c)
    parts = np.cumsum(_fixed(sizes))[:-1]
    return tuple(np.split(known(c, 0), parts, axis=axis))


@evaluates("Reshape")
def reshape(c: Call) -> Array:
    """To a constant shape."""
    target = c.dims(1, "shape")
    shape = resolve_reshape(c, c.shape(), target, zero=c.flag("allowzero"))
    return _reshaped(c, shape)


@evaluates("Squeeze")
def squeeze(c: Call) -> Array:
    """Drops axes of size 1."""
    return _reshaped(c, squeezed(c, c.shape()))


@evaluates("Unsqueeze")
def unsqueeze(c: Call) -> Array:
    """Adds axes of size 1."""
    return _reshaped(c, unsqueezed(c, c.shape()))


def _reshaped(c: Call, shape: list[Dim]) -> Array:
    contents, fixed = known(c, 0), _fixed(shape)
    if int(np.prod(fixed)) != contents.size:
        c.invalid(f"{contents.size} elements do not have shape {list(fixed)}")
    return contents.reshape(fixed)


@evaluates("Transpose")
def transpose(c: Call) -> Array:
    """Permuted axes."""
    perm = c.integers("perm", tuple(reversed(range(c.rank()))))
    if sorted(perm) != list(range(c.rank())):
        raise Undecided
    return known(c, 0).transpose(perm)


@evaluates("Expand")
def expand(c: Call) -> Array:
    """To a constant shape."""
    shape = _fixed(broadcast_shapes([c.shape(), c.dims(1, "shape")]))
    return np.broadcast_to(known(c, 0), shape)


@evaluates("Where", dtype=lambda c: c.dtype(1))
def where(c: Call) -> Array:
    """By a decided condition."""
    condition = known(c, 0)
    if not is_static(condition):
        raise Undecided
    a, b = known(c, 1), known(c, 2)
    if is_static(a) and is_static(b):
        return np.where(condition, a, b)
    wide = np.broadcast_arrays(condition, a.astype(object), b.astype(object))
    out = np.empty(wide[0].shape, dtype=object)
    rows = zip(*(w.reshape(-1) for w in wide), strict=True)
    out.reshape(-1)[:] = [y if is_true else n for is_true, y, n in rows]
    return out


@evaluates("Range")
def range_of(c: Call) -> Array:
    """Of integers, with a constant length."""
    if not c.dtype(0).is_integer:
        raise Undecided
    start, limit, delta = (c.dims(i, "range")[0] for i in range(3))
    count = range_length(c, start, limit, delta)
    if not isinstance(count, int) or count > LIMIT:
        raise Undecided
    return np.array([start + i * delta for i in range(count)], dtype=object)


def _reduction(step: Callable[[Any, Any], Any], identity: int | None) -> Evaluate:
    def evaluate(c: Call) -> Array:
        axes = axes_of(c)
        contents = known(c, 0)
        if not c.dtype(0).is_integer or contents.ndim > 1 or c.flag("noop_with_empty_axes"):
            raise Undecided
        if contents.ndim == 0 or axes == ():
            axes = tuple(range(contents.ndim))
        total: Any = identity
        for element in contents.reshape(-1):
            plain = element.item() if hasattr(element, "item") else element
            total = plain if total is None else step(total, plain)
        if total is None:
            raise Undecided
        result = np.empty((1,) * contents.ndim if c.flag("keepdims", True) else (), dtype=object)
        result[...] = total
        return result

    return evaluate


evaluates("ReduceProd")(_reduction(lambda a, b: a * b, 1))
evaluates("ReduceSum")(_reduction(lambda a, b: a + b, 0))
evaluates("ReduceMax")(_reduction(largest, None))
evaluates("ReduceMin")(_reduction(smallest, None))


@evaluates("ScatterND")
def scatter_nd(c: Call) -> Array:
    """Exporters set single sizes of a shape so."""
    indices = known(c, 1)
    if c.text("reduction", "none") != "none" or c.rank() != 1 or not is_static(indices):
        raise Undecided
    result = known(c, 0).astype(object)
    result[indices.reshape(-1)] = known(c, 2).reshape(-1)
    return result
