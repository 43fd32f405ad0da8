"""Byte regions of storages: do two meet, and is one read after another value was written there?

Everything is decided at numbers: symbolic dims are tried at a few values of their symbols.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import product

from fusec.ir.graph import Graph, Node, Value
from fusec.ir.storage import Storage
from fusec.ir.sym import Symbol, evaluate, free_symbols
from fusec.ir.types import Tensor

_ENUMERATED = 1 << 16  # elements of two regions that are compared one by one


@dataclass(frozen=True, slots=True)
class Window:
    """Bytes ``start + sum(i * stride)`` for ``0 <= i < size`` of each level; strides are positive.

    ``levels``: (size, stride), larger strides first; ``size``: number of bytes.
    """

    start: int
    levels: tuple[tuple[int, int], ...]
    size: int

    @property
    def low(self) -> int:
        """The first byte."""
        return self.start

    @property
    def high(self) -> int:
        """The last byte."""
        return self.start + sum((size - 1) * stride for size, stride in self.levels)


def window(type: Tensor, storage: Storage, env: Mapping[str, int]) -> Window:
    """The bytes of a value for these values of the symbols."""
    itemsize = type.dtype.itemsize
    start = evaluate(storage.offset, env) * itemsize
    levels = [(itemsize, 1)]
    size = itemsize
    for dim, step in zip(type.shape, storage.strides, strict=True):
        extent, stride = evaluate(dim, env), evaluate(step, env) * itemsize
        size *= extent
        if stride < 0:
            start += (extent - 1) * stride
        if extent != 1 and stride:
            levels.append((extent, abs(stride)))
    return Window(start, tuple(sorted(levels, key=lambda level: -level[1])), size)


def overlaps(a: Window, b: Window) -> bool:
    """Whether two regions share a byte; True also where the layouts are too odd to tell."""
    if not a.size or not b.size or a.high < b.low or b.high < a.low:
        return False
    if a == b:
        return True
    base = min(a.start, b.start)
    strides = sorted({stride for _, stride in (*a.levels, *b.levels)}, reverse=True)
    of_a, of_b = _intervals(a, base, strides), _intervals(b, base, strides)
    if of_a is None or of_b is None:
        return _overlaps_by_element(a, b)
    return all(p[0] <= q[1] and q[0] <= p[1] for p, q in zip(of_a, of_b, strict=True))


def _intervals(w: Window, base: int, strides: list[int]) -> list[tuple[int, int]] | None:
    """The digits that the region takes in the number system of the strides, or None.

    With what lies below each digit smaller than its stride, digits tell bytes apart.
    """
    sizes: dict[int, int] = {}
    for size, stride in w.levels:
        if stride in sizes:
            return None
        sizes[stride] = size
    rest = w.start - base
    found = []
    for stride in strides:
        digit, rest = divmod(rest, stride)
        found.append((digit, digit + sizes.get(stride, 1) - 1))
    below = 0
    for (_, last), stride in zip(reversed(found), reversed(strides), strict=True):
        if below >= stride:
            return None
        below += last * stride
    return found


def _overlaps_by_element(a: Window, b: Window) -> bool:
    if a.size + b.size > _ENUMERATED:
        return True
    return not _bytes(a).isdisjoint(_bytes(b))


def _bytes(w: Window) -> set[int]:
    steps = [range(0, size * stride, stride) for size, stride in w.levels]
    return {w.start + sum(offsets) for offsets in product(*steps)}


def samples(symbols: Iterable[Symbol]) -> list[dict[str, int]]:
    """A few assignments of the symbols: all at their lowest, at small, at their highest values."""
    symbols = _limits_first(list(symbols))
    found: list[dict[str, int]] = []
    for pick in (0, 3, 1 << 20):
        env: dict[str, int] = {}
        for symbol in symbols:
            top = symbol.lo + 8 * symbol.divisor if symbol.hi is None else symbol.hi
            value = min(symbol.lo + pick * symbol.divisor, top)
            if symbol.below is not None and all(s.name in env for s in free_symbols(symbol.below)):
                limit = evaluate(symbol.below, env) - 1
                value = max(symbol.lo, min(value, limit // symbol.divisor * symbol.divisor))
            env[symbol.name] = value
        if env not in found:
            found.append(env)
    return found


def _limits_first(symbols: list[Symbol]) -> list[Symbol]:
    """Symbols after those that limit them."""
    found: list[Symbol] = []
    for symbol in symbols:
        limits = () if symbol.below is None else free_symbols(symbol.below)
        found.extend([s for s in limits if s in symbols and s not in found])
        found.extend([symbol] if symbol not in found else [])
    return found


# -- schedule ------------------------------------------------------------------------------------


def is_alias(node: Node, storages: Mapping[Value, Storage]) -> bool:
    """Whether a view writes nothing: its operands stand in the root of its result."""
    if not node.op.is_view:
        return False
    result = storages.get(node.result)
    return result is not None and all(
        v in storages and storages[v].root == result.root for v in node.operands
    )


def find_overwritten(graph: Graph, env: Mapping[str, int]) -> str | None:
    """A sentence on the first reader of an overwritten region, or None.

    A node may overwrite its own operands: whether that is in place element for element is for
    the kernel to tell.
    """
    storages = graph.storages
    alive: dict[str, dict[Value, Window]] = {}
    lost: dict[Value, Node] = {}
    for value in graph.inputs:
        _add(alive, value, storages, env)
    for node in graph.nodes:
        for value in node.operands:
            if value in lost:
                return f"%{value.name} is read by {node!r} after {lost[value]!r} wrote over it"
        if not node.is_constant and not is_alias(node, storages):
            _write(node, alive, lost, storages, env)
        for value in node.results:
            _add(alive, value, storages, env)
    for value in graph.outputs:
        if value in lost:
            return f"output %{value.name} is overwritten by {lost[value]!r}"
    return None


def _add(
    alive: dict[str, dict[Value, Window]],
    value: Value,
    storages: Mapping[Value, Storage],
    env: Mapping[str, int],
) -> None:
    storage = storages.get(value)
    if storage is not None:
        alive.setdefault(storage.root, {})[value] = window(value.type, storage, env)


def _write(
    node: Node,
    alive: dict[str, dict[Value, Window]],
    lost: dict[Value, Node],
    storages: Mapping[Value, Storage],
    env: Mapping[str, int],
) -> None:
    """Note which values the results of the node wipe out."""
    for result in node.results:
        storage = storages.get(result)
        if storage is None:
            continue
        region = window(result.type, storage, env)
        here = alive.get(storage.root, {})
        for value in [v for v, other in here.items() if overlaps(region, other)]:
            del here[value]
            lost[value] = node
