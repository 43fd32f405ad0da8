"""Pieces of type inference shared by the op declarations. All raise ValueError with the reason."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

from fusec.ir.sym import Dim, bounds, prove_eq, prove_le
from fusec.ir.types import COMPLEX, FLOAT, INT, UINT, DType, Tensor

Shape = tuple[Dim, ...]

BOOLEAN = frozenset({"bool"})
FLOATS = frozenset({FLOAT})
INTEGERS = frozenset({INT, UINT})
BITS = BOOLEAN | INTEGERS  # what and, or, xor, not work on
REALS = INTEGERS | FLOATS
NUMBERS = REALS | {COMPLEX}
ORDERED = BOOLEAN | REALS
FIELDS = FLOATS | {COMPLEX}
ANY = ORDERED | {COMPLEX}

_KINDS = {
    FLOATS: "a float",
    INTEGERS: "an integer",
    BITS: "bool or an integer",
    REALS: "an integer or float",
    NUMBERS: "a number",
    ORDERED: "bool, an integer or a float",
    FIELDS: "a float or complex",
}


def check_kind(dtype: DType, accepted: frozenset[str], what: str = "operand") -> None:
    """The dtype must be of one of the accepted kinds."""
    if dtype.kind not in accepted:
        raise ValueError(f"{what} must be {_KINDS.get(accepted, 'supported')}, not {dtype}")


def check_bytes(dtype: DType) -> None:
    """Reductions need identities and extrema, which 4-bit types do not have in what holds them."""
    if dtype.bits < 8:
        raise ValueError(f"{dtype} must be cast first")


def check_same_dtype(types: Sequence[Tensor]) -> DType:
    """The one dtype of all operands."""
    dtype = types[0].dtype
    for other in types[1:]:
        if other.dtype is not dtype and other.dtype != dtype:
            raise ValueError(f"operands have different dtypes {dtype} and {other.dtype}")
    return dtype


def check_dtype(type: Tensor, dtype: DType, what: str) -> None:
    """The type must have this dtype."""
    if type.dtype != dtype:
        raise ValueError(f"{what} must be {dtype}, not {type.dtype}")


def check_scalar(type: Tensor, dtype: DType, what: str) -> None:
    """The type must be a rank-0 tensor of this dtype."""
    if type.dtype != dtype or type.shape:
        raise ValueError(f"{what} must be {dtype}[], not {type}")


def check_axis(axis: object, rank: int, name: str = "axis") -> int:
    """An axis in [0, rank)."""
    if not isinstance(axis, int) or not 0 <= axis < rank:
        raise ValueError(f"{name} {axis} is not in [0, {rank})")
    return axis


def check_axes(axes: object, rank: int) -> tuple[int, ...]:
    """Sorted, distinct axes in [0, rank)."""
    if not isinstance(axes, tuple):
        raise ValueError(f"axes {axes} is not a list")
    for axis in axes:
        check_axis(axis, rank)
    if any(a >= b for a, b in pairwise(axes)):
        raise ValueError(f"axes {list(axes)} are not sorted and distinct")
    return axes


def check_length(values: Any, length: int, name: str) -> Any:
    """An attribute with one item for each of ``length`` things."""
    if len(values) != length:
        raise ValueError(f"{name} has {len(values)} items, not {length}")
    return values


def check_positive(values: Iterable[Any], name: str) -> None:
    """Integers of at least 1."""
    for value in values:
        if not isinstance(value, int) or value < 1:
            raise ValueError(f"{name} {value} is not a positive integer")


def check_natural(values: Iterable[Dim], name: str) -> None:
    """Dims of at least 0."""
    for value in values:
        if isinstance(value, int) and value >= 0:
            continue
        if isinstance(value, int) or not prove_le(0, value):
            raise ValueError(f"{name} {value} is, or may be, negative")


def same_dim(a: Dim, b: Dim) -> bool:
    """Whether two dims are known to be equal."""
    if a is b or a == b:
        return True
    if isinstance(a, int) and isinstance(b, int):
        return False
    return prove_eq(a, b)


def same_shape(a: Sequence[Dim], b: Sequence[Dim]) -> bool:
    """Whether two shapes are known to be equal."""
    return a == b or (len(a) == len(b) and all(map(same_dim, a, b)))


def broadcast_dims(a: Dim, b: Dim) -> Dim:
    """One dim of numpy broadcasting; a symbolic dim is never taken for 1."""
    if a == b or b == 1:
        return a
    if a == 1:
        return b
    if not (isinstance(a, int) and isinstance(b, int)) and prove_eq(a, b):
        return a
    raise ValueError(f"dims {a} and {b} do not broadcast")


def broadcast_shapes(shapes: Sequence[Shape]) -> Shape:
    """The numpy broadcast of the shapes."""
    result = shapes[0]
    for shape in shapes[1:]:
        if shape != result and shape:
            result = _broadcast_pair(result, shape) if result else shape
    return result


def _broadcast_pair(a: Shape, b: Shape) -> Shape:
    if len(a) < len(b):
        a, b = b, a
    extra = len(a) - len(b)
    try:
        return a[:extra] + tuple(map(broadcast_dims, a[extra:], b))
    except ValueError as error:
        raise ValueError(f"shapes {text(a)} and {text(b)}: {error}") from None


def broadcasts_to(shape: Shape, target: Shape) -> bool:
    """Whether numpy broadcasting of ``shape`` gives exactly ``target``."""
    extra = len(target) - len(shape)
    if extra < 0:
        return False
    return all(d == 1 or same_dim(d, t) for d, t in zip(shape, target[extra:], strict=True))


def window_extent(size: Dim, kernel: Dim, stride: int, pair: Sequence[Dim], dilation: int) -> Dim:
    """Output extent of a sliding window: ``(size + pads - window) // stride + 1``.

    ``window`` is ``dilation * (kernel - 1) + 1``.
    """
    span = size + pair[0] + pair[1] - dilation * (kernel - 1) - 1
    highest = span if isinstance(span, int) else bounds(span)[1]
    if highest is not None and highest < 0:
        raise ValueError(f"window {kernel} (dilation {dilation}) exceeds padded size {size}")
    extent: Dim = span // stride + 1
    return extent


def text(shape: Iterable[Dim]) -> str:
    """A shape for a message."""
    return f"[{', '.join(map(str, shape))}]"
