"""Seeded inputs for a graph, such that a wrong kernel can be told from a right one.

Floats are standard normal, booleans fair coins, integers small. Integers that feed a gather are
bounded by the dim they index. Each input has its own random stream, from the seed and its name.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusec.errors import UsageError
from fusec.ir.graph import Graph, Node, Use, Value
from fusec.ir.sym import Dim, evaluate
from fusec.ir.types import DType

Array = NDArray[Any]
Ranges = Mapping[str, tuple[float, float]]

_DEFAULT_HIGH = 16  # of integers that index nothing
_GATHERS = {"gather": "axis", "gather_elements": "axis"}


def symbol_sizes(graph: Graph, given: Mapping[str, int]) -> dict[str, int]:
    """A size for each symbol: the given one, else 2 or what of its range comes next.

    UsageError for a symbol that the graph does not have, or a size out of its range.
    """
    unknown = sorted(set(given) - set(graph.symbols))
    if unknown:
        have = ", ".join(sorted(graph.symbols)) or "none"
        raise UsageError(f"there is no dim {unknown[0]!r}", hint=f"symbolic dims: {have}")
    sizes: dict[str, int] = {}
    for name, symbol in graph.symbols.items():
        step = symbol.divisor
        default = max(symbol.lo, -(-2 // step) * step)
        size = given.get(name, default if symbol.hi is None else min(symbol.hi, default))
        if size < symbol.lo or (symbol.hi is not None and size > symbol.hi) or size % step:
            high = "" if symbol.hi is None else symbol.hi
            raise UsageError(f"{name}={size} is not in {symbol.lo}..{high} by {step}")
        sizes[name] = size
    return sizes


def random_inputs(
    graph: Graph, seed: int, *, sizes: Mapping[str, int] | None = None, ranges: Ranges | None = None
) -> dict[str, Array]:
    """An array for each graph input. ``ranges``: (low, high), both included, by input name.

    UsageError for a range of an input that does not exist.
    """
    bounds = dict(ranges or {})
    unknown = sorted(set(bounds) - {v.name for v in graph.inputs})
    if unknown:
        names = ", ".join(v.name for v in graph.inputs)
        raise UsageError(f"there is no input {unknown[0]!r}", hint=f"inputs: {names}")
    env = symbol_sizes(graph, sizes or {})
    return {v.name: _draw(v, seed, env, bounds.get(v.name)) for v in graph.inputs}


def _draw(
    value: Value, seed: int, env: Mapping[str, int], bounds: tuple[float, float] | None
) -> Array:
    rng = np.random.default_rng([seed, zlib.crc32(value.name.encode())])
    shape = tuple(evaluate(d, env) for d in value.type.shape)
    dtype = value.type.dtype
    if dtype.is_integer:
        low, high = bounds if bounds is not None else (0, _index_limit(value, env) - 1)
        return _integers(rng, shape, dtype, int(low), int(high))
    if dtype.name == "bool":
        return rng.integers(0, 2, shape).astype(np.bool_)
    if bounds is not None:
        return np.asarray(rng.uniform(*bounds, shape)).astype(dtype.numpy)
    drawn = np.asarray(rng.standard_normal(shape))
    if dtype.name.startswith("complex"):
        drawn = drawn + 1j * rng.standard_normal(shape)
    return drawn.astype(dtype.numpy)


def _integers(
    rng: np.random.Generator, shape: tuple[int, ...], dtype: DType, low: int, high: int
) -> Array:
    """Integers of low..high, as far as the dtype reaches."""
    signed = dtype.kind == "int"
    top = 2 ** (dtype.bits - signed) - 1
    bottom = -(2 ** (dtype.bits - 1)) if signed else 0
    high = min(high, top)
    return rng.integers(max(min(low, high), bottom), high, shape, endpoint=True).astype(dtype.numpy)


def _index_limit(value: Value, env: Mapping[str, int]) -> int:
    """The smallest dim that an integer input may index, as far as it reaches gathers unchanged."""
    limits = [evaluate(dim, env) for dim in _indexed_dims(value, set())]
    return max(1, min(limits, default=_DEFAULT_HIGH))


def _indexed_dims(value: Value, seen: set[int]) -> Iterator[Dim]:
    """The dims that ``value`` indexes, through pointwise and view ops and fused bodies."""
    if id(value) in seen:
        return
    seen.add(id(value))
    for use in value.uses:
        node = use.user
        if node is None:
            continue
        yield from _dims_of_use(node, use)
        if use.index < len(node.operands) and node.graphs:
            yield from _enter(node, use.index, seen)
        if node.op.is_pointwise or node.op.is_view:
            for result in node.results:
                if result.type.dtype.is_integer:
                    yield from _indexed_dims(result, seen)


def _enter(node: Node, index: int, seen: set[int]) -> Iterator[Dim]:
    """What the operand indexes inside a fused body, and through the body's results outside it."""
    body = node.graphs[0]
    if node.op.name != "fused" or index >= len(body.inputs):
        return
    yield from _indexed_dims(body.inputs[index], seen)
    for inner, outer in zip(body.outputs, node.results):
        if id(inner) in seen:
            yield from _indexed_dims(outer, seen)


def _dims_of_use(node: Node, use: Use) -> Iterator[Dim]:
    if use.index != 1:
        return
    shape = node.operands[0].type.shape
    if node.op.name in _GATHERS:
        yield shape[node.attrs[_GATHERS[node.op.name]]]
    elif node.op.name == "gather_nd":
        batch = node.attrs["batch_dims"]
        depth = node.operands[1].type.shape[-1]
        yield from shape[batch : batch + depth] if isinstance(depth, int) else ()
    elif node.op.name == "scatter_elements":
        yield shape[node.attrs["axis"]]
