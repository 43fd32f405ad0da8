"""The tile program: one kernel as data. Knows nothing of Triton.

A kernel runs once per point of its grid. Each *axis* is a flattened group of iteration dims; a
*tile* is a tensor over some of the axes, in the order of ``TileProgram.axes``. Statements are SSA:
each names a tile. ``fusec.tile.lower`` makes programs, ``fusec.codegen`` prints them.

Access maps are symbolic integers (`fusec.ir.sym`) over: one symbol per axis, named as the axis
(its value is the element index along the axis, ``0 <= m < extent``), the graph's symbols, and, for
gathers, symbols named as an earlier integer statement.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from fusec.ir.sym import Dim, Symbol
from fusec.ir.types import DType, Tensor


class Role(Enum):
    """How a program walks an axis."""

    GRID = "grid"  # one tile of BLOCK_<AXIS> elements per program
    BATCH = "batch"  # one element per program; the index is a scalar
    LOOP = "loop"  # serial loop over tiles of BLOCK_<AXIS> elements
    SERIAL = "serial"  # serial loop over single elements; the index is a scalar
    FULL = "full"  # the whole extent in one tile (BLOCK_<AXIS> = next power of two)


@dataclass(frozen=True)
class Axis:
    """``masked``: whether a tile may reach past the extent for some config (then accesses are
    masked)."""

    name: str
    extent: Dim
    role: Role
    masked: bool

    @property
    def is_vector(self) -> bool:
        """Whether tiles have a dimension for this axis."""
        return self.role in (Role.GRID, Role.LOOP, Role.FULL)

    @property
    def in_grid(self) -> bool:
        return self.role in (Role.GRID, Role.BATCH)

    @property
    def block(self) -> str:
        """Name of the constexpr parameter that holds its tile size."""
        return f"BLOCK_{self.name.upper()}"


@dataclass(frozen=True)
class Bound:
    """The predicate ``0 <= index < extent``; a side that always holds is not tested."""

    index: Dim
    extent: Dim
    test_low: bool
    test_high: bool


@dataclass(frozen=True)
class Buffer:
    """A kernel parameter: operand or result of the fused node, with its storage's layout.

    ``offset`` and ``strides`` count elements; accesses in statements already include both.
    """

    name: str
    type: Tensor
    offset: Dim
    strides: tuple[Dim, ...]


@dataclass(frozen=True)
class Statement:
    """Base. ``axes``: names of the vector and scalar axes the value depends on, in program
    order."""

    name: str
    dtype: DType
    axes: tuple[str, ...]
    origins: tuple[str, ...] = field(default=(), kw_only=True)
    note: str = field(default="", kw_only=True)  # the IR statement it computes, for a comment


@dataclass(frozen=True)
class Load(Statement):
    """``buffer[offset]`` where all ``bounds`` and axis masks hold, else ``fill`` (None:
    anything)."""

    buffer: str
    offset: Dim
    bounds: tuple[Bound, ...]
    fill: bool | int | float | None


@dataclass(frozen=True)
class Literal(Statement):
    """A scalar."""

    value: bool | int | float


@dataclass(frozen=True)
class Index(Statement):
    """An index expression as an integer tile (iota, dim, positions)."""

    value: Dim


@dataclass(frozen=True)
class InBounds(Statement):
    """A bool tile: whether all bounds hold."""

    bounds: tuple[Bound, ...]


@dataclass(frozen=True)
class Apply(Statement):
    """A pointwise core op on tiles, broadcast to ``axes``. Halves are computed as float32 (see
    lower)."""

    op: str
    args: tuple[str, ...]
    attrs: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True)
class Reduce(Statement):
    """``kind`` (sum, prod, max, min, argmax, argmin) of ``arg`` over ``axis``; dtype is the
    accumulator's.

    Over a FULL axis it happens at once; over a LOOP or SERIAL axis it stands in that axis' loop
    and its
    value exists after the loop. Elements past the axis' extent do not count. ``argmax``/``argmin``
    give the position along ``axis`` of the first (``last``: the last) extremum. max/min propagate
    NaN.
    """

    kind: str
    arg: str
    axis: str
    last: bool = False
    rescale: str | None = None


@dataclass(frozen=True)
class RunningMax(Statement):
    """The largest element of ``arg`` over ``axis`` so far in its loop; 0 while that is -inf.

    A `Reduce` (sum) or `Dot` with ``rescale`` naming it multiplies what it has accumulated by
    exp(maximum before - maximum now) in each step.
    """

    arg: str
    axis: str


@dataclass(frozen=True)
class Dot(Statement):
    """``sum over axis of a * b``, accumulated in ``dtype``; at once over a FULL axis.

    Over a LOOP axis it stands in that axis' loop. Elements past the axis' extent count as zero.
    """

    a: str
    b: str
    axis: str
    rescale: str | None = None


@dataclass(frozen=True)
class Store(Statement):
    """Write ``arg`` (cast to the buffer's dtype) at ``offset`` where bounds and axis masks hold."""

    buffer: str
    arg: str
    offset: Dim
    bounds: tuple[Bound, ...]


@dataclass(frozen=True)
class Loop:
    """A serial loop over a LOOP or SERIAL axis. Its `Reduce` and `Dot` statements live on after
    it."""

    axis: str
    body: tuple[Statement, ...]


@dataclass(frozen=True)
class Cost:
    """What one run moves and computes: distinct bytes, and floating-point or integer operations."""

    bytes_read: Dim
    bytes_written: Dim
    flops: Dim


@dataclass(frozen=True)
class TileProgram:
    """One kernel.

    ``kind``: pointwise, reduction, window, contraction, attention or move (derived from the body).
    ``axes``: in the order of tile dims (contractions: m, k, n). ``grid``: names of the grid's
    axes, the
    last varies fastest. ``parts``: named index expressions over axis symbols (``oh = m // 56 %
    56``);
    wherever one occurs in an access map it is printed by name. ``symbols``: the graph symbols used,
    passed as integer arguments after the buffers. ``anchor``: the main `Dot` or `Reduce`.
    ``wide``: offsets may reach 2**31, so index arithmetic is int64.
    """

    kind: str
    axes: tuple[Axis, ...]
    grid: tuple[str, ...]
    parts: tuple[tuple[str, Dim], ...]
    operands: tuple[Buffer, ...]
    results: tuple[Buffer, ...]
    symbols: tuple[Symbol, ...]
    body: tuple[Statement | Loop, ...]
    anchor: str | None
    cost: Cost
    wide: bool
    precision: str = "ieee"  # of float32 dots: ieee, tf32x3, tf32

    def axis(self, name: str) -> Axis:
        """The axis of that name; KeyError if there is none."""
        for axis in self.axes:
            if axis.name == name:
                return axis
        raise KeyError(name)

    @property
    def statements(self) -> Iterator[Statement]:
        """Every statement in order, those in loops included."""
        for item in self.body:
            if isinstance(item, Loop):
                yield from item.body
            else:
                yield item


@dataclass(frozen=True)
class Refusal:
    """Why a body is not one kernel: a remark code, a sentence, and the values that broke it."""

    code: str
    message: str
    values: tuple[str, ...] = ()
    args: tuple[tuple[str, Any], ...] = ()
