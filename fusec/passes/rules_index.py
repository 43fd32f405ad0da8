"""Gathers with constant indices in arithmetic progression are slices, which kernels absorb.

``np.take(x, [s, s + k, s + 2k, ...], axis) == x[s::k]``; exact. Indices are in range by definition.
"""

from __future__ import annotations

from fusec.ir.graph import Value
from fusec.passes.facts import is_small
from fusec.passes.pattern import Match
from fusec.passes.rules import Equation, RuleBuilder, the_x


def _progression(match: Match) -> tuple[int, int, int] | None:
    """Start, count and step of the indices; None if they are no increasing progression in range."""
    data, extent = match.constant("c"), match["x"].type.shape[match.root.attrs["axis"]]
    if not is_small(data) or data.array.ndim > 1 or data.array.size == 0:
        return None
    indices = [int(i) for i in data.array.reshape(-1)]
    step = indices[1] - indices[0] if len(indices) > 1 else 1
    if step < 1 or indices != list(range(indices[0], indices[0] + step * len(indices), step)):
        return None
    in_range = isinstance(extent, int) and indices[0] >= 0 and indices[-1] < extent
    return (indices[0], len(indices), step) if in_range else None


def _is_progression(match: Match) -> bool:
    return _progression(match) is not None


def _sliced(match: Match, b: RuleBuilder) -> Value:
    found = _progression(match)
    assert found is not None
    start, count, step = found
    shape, axis = match["x"].type.shape, match.root.attrs["axis"]
    taken = b.op(
        "slice",
        match["x"],
        starts=tuple([start if i == axis else 0 for i in range(len(shape))]),
        sizes=tuple([count if i == axis else d for i, d in enumerate(shape)]),
        steps=tuple([step if i == axis else 1 for i in range(len(shape))]),
    )
    if match["c"].type.rank == 1:
        return taken
    return b.op(
        "reshape", taken, shape=match.result.type.shape
    )  # an index of rank 0 drops the axis


def _is_ramp(match: Match) -> bool:
    axis = match.root.attrs["axis"]
    return bool(match.inner.attrs["shape"] == (match["x"].type.shape[axis],))


RULES = (
    Equation("gather(x, c) => slice(x), c in progression", _is_progression, _sliced),
    Equation("gather(x, iota()) => x, of all of the axis", _is_ramp, the_x, shared=True),
)
