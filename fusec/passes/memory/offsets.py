"""Offsets for buffers with lifetimes: a portfolio of greedy orders, then repair of the best one.

The problem is dynamic storage allocation, NP-hard. What is tried, in this order, until the height
equals the lower bound (the largest sum of live bytes):

1. *sweep*: buffers in order of time with a free list, forwards and backwards, first and best fit;
2. *order*: by size, area, duration or start; each at the lowest gap that fits between the
   neighbours already placed (Pisarchyk & Lee 2020, "greedy by size");
3. *repair*: buffers that end above the bound are placed earlier in the next round (Joslin &
   Clements 1999, "squeaky wheel"); after rounds without gain, one that is in the way moves
   anywhere.

Spans of launches that share no buffer are planned apart. Work is budgeted in buffers looked at,
never in seconds, so that the answer is the same on every run.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from fusec.passes.memory.free_list import Interval, sweep

PAIRS = 3_000_000  # overlapping pairs up to which neighbour lists are made
REPAIR_STEPS = 1_000_000  # neighbours looked at in all repair rounds of one plan
CROWDED = (0.75, 0.0)  # shares of the bound above which a launch is crowded
STALE_ROUNDS = 6  # rounds without gain before the order is shaken


@dataclass(frozen=True)
class Placement:
    """``offsets`` parallel to the buffers, the height they need, and a bound no plan can beat."""

    offsets: tuple[int, ...]
    height: int
    lower_bound: int


def place(buffers: Sequence[Interval]) -> Placement:
    """Place buffers of (first launch, last launch, bytes); no two overlap in time and space."""
    offsets = [0] * len(buffers)
    parts = list(_components(buffers))
    bounds = [lower_bound([buffers[i] for i in part]) for part in parts]
    target = max(bounds, default=0)
    budget = [REPAIR_STEPS]
    height = 0
    for part in parts:
        placed = _place_component([buffers[i] for i in part], max(target, height), budget)
        for i, offset in zip(part, placed, strict=True):
            offsets[i] = offset
        height = max(height, _height([buffers[i] for i in part], placed))
    return Placement(tuple(offsets), height, target)


def lower_bound(buffers: Sequence[Interval]) -> int:
    """The largest sum of bytes alive during one launch."""
    changes: dict[int, int] = {}
    for start, end, size in buffers:
        changes[start] = changes.get(start, 0) + size
        changes[end + 1] = changes.get(end + 1, 0) - size
    live = most = 0
    for time in sorted(changes):
        live += changes[time]
        most = max(most, live)
    return most


def contention(buffers: Sequence[Interval]) -> list[int]:
    """For each buffer, the largest sum of bytes alive during one of its launches."""
    times = sorted({b[0] for b in buffers})  # a sum grows only where a buffer begins
    place_of = {time: i for i, time in enumerate(times)}
    loads = [0] * (len(times) + 1)
    for start, end, size in buffers:
        loads[place_of[start]] += size
        loads[bisect_right(times, end)] -= size
    table = [list(accumulate(loads))[:-1]]  # row k: maxima of spans of 2**k
    while 2 << len(table) <= 2 * len(times):
        row, half = table[-1], 1 << (len(table) - 1)
        table.append([max(a, b) for a, b in zip(row, row[half:])])
    result = []
    for start, end, _ in buffers:
        first, last = place_of[start], bisect_right(times, end)
        k = (last - first).bit_length() - 1
        result.append(max(table[k][first], table[k][last - (1 << k)]))
    return result


def _components(buffers: Sequence[Interval]) -> Iterator[list[int]]:
    """Indices of buffers, cut at every time that none spans."""
    order = sorted(range(len(buffers)), key=lambda i: buffers[i][:2])
    part: list[int] = []
    last = 0
    for i in order:
        start, end, _ = buffers[i]
        if part and start > last:
            yield part
            part = []
        last = end if not part else max(last, end)
        part.append(i)
    if part:
        yield part


def _height(buffers: Sequence[Interval], offsets: Sequence[int]) -> int:
    return max((o + b[2] for o, b in zip(offsets, buffers, strict=True)), default=0)


def _place_component(buffers: list[Interval], target: int, budget: list[int]) -> list[int]:
    """The first placement within ``target`` of the portfolio, or the lowest found."""
    best: list[int] = []
    best_height = -1
    for offsets in _portfolio(buffers, target, budget):
        height = _height(buffers, offsets)
        if best_height < 0 or height < best_height:
            best, best_height = offsets, height
        if best_height <= target:
            break
    return best


def _portfolio(buffers: list[Interval], target: int, budget: list[int]) -> Iterator[list[int]]:
    for best_fit, backwards in ((False, False), (True, False), (False, True), (True, True)):
        yield sweep(buffers, best_fit=best_fit, backwards=backwards)
    if _count_pairs(buffers) <= PAIRS:
        neighbours = _neighbours(buffers)
        for share in CROWDED:
            yield _crowded_first(buffers, neighbours, target, share, budget)


def _crowded_first(
    buffers: list[Interval],
    neighbours: list[list[int]],
    target: int,
    share: float,
    budget: list[int],
) -> list[int]:
    """Search among the buffers of crowded launches, each crowd apart; then the others by size."""
    crowd = contention(buffers)
    order = sorted(range(len(buffers)), key=lambda i: (-buffers[i][2], i))
    hot = [i for i in range(len(buffers)) if crowd[i] >= share * target]
    offsets = [-1] * len(buffers)
    for part in _components([buffers[i] for i in hot]):
        chosen = [hot[k] for k in part]
        inner = {i: k for k, i in enumerate(chosen)}
        near = [[inner[j] for j in neighbours[i] if j in inner] for i in chosen]
        found = _Ordered([buffers[i] for i in chosen], near, target, budget).search()
        for i, offset in zip(chosen, found, strict=True):
            offsets[i] = offset
    first_fit([i for i in order if offsets[i] < 0], buffers, neighbours, offsets)
    return offsets


def first_fit(
    order: Sequence[int],
    buffers: Sequence[Interval],
    neighbours: Sequence[Sequence[int]],
    offsets: list[int],
) -> None:
    """Place the buffers of ``order``, each at the lowest gap among its placed neighbours."""
    for i in order:
        near = neighbours[i]
        spans = [(offsets[j], offsets[j] + buffers[j][2]) for j in near if offsets[j] >= 0]
        spans.sort()
        size = buffers[i][2]
        at = 0
        for low, high in spans:
            if low - at >= size:
                break
            if high > at:
                at = high
        offsets[i] = at


def _count_pairs(buffers: Sequence[Interval]) -> int:
    """How many pairs are alive together."""
    events = sorted([(s, 1) for s, _, _ in buffers] + [(e + 1, 0) for _, e, _ in buffers])
    live = pairs = 0
    for _, begins in events:
        pairs += live if begins else 0
        live += 1 if begins else -1
    return pairs


def _neighbours(buffers: Sequence[Interval]) -> list[list[int]]:
    """For each buffer, those alive together with it."""
    result: list[list[int]] = [[] for _ in buffers]
    live: list[int] = []
    for i in sorted(range(len(buffers)), key=lambda i: buffers[i][0]):
        live = [j for j in live if buffers[j][1] >= buffers[i][0]]
        for j in live:
            result[j].append(i)
        result[i].extend(live)
        live.append(i)
    return result


class _Ordered:
    """Search over the orders in which `first_fit` places buffers."""

    def __init__(
        self,
        buffers: list[Interval],
        neighbours: list[list[int]],
        target: int,
        budget: list[int],
    ) -> None:
        self.buffers = buffers
        self.target = target
        self.budget = budget
        self.neighbours = neighbours
        self.steps = len(buffers) + sum(len(n) for n in self.neighbours)
        self.best: list[int] = []
        self.best_height = -1
        self.best_order: list[int] = []

    def search(self) -> list[int]:
        """Offsets of the best order found."""
        for order in self._orders():
            if self._try(order) <= self.target:
                return self.best
        self._repair()
        return self.best

    def _orders(self) -> Iterator[list[int]]:
        crowd = contention(self.buffers)
        keys: tuple[Callable[[Interval, int], tuple[int, ...]], ...] = (
            lambda b, _: (-b[2], b[0] - b[1], b[0]),  # size
            lambda b, _: (-b[2] * (b[1] - b[0] + 1), -b[2], b[0]),  # area
            lambda b, _: (b[0] - b[1], -b[2], b[0]),  # duration
            lambda b, _: (b[0], -b[2], b[1]),  # start
            lambda b, c: (-c, -b[2], b[0]),  # contention, size
            lambda b, c: (-c, -b[2] * (b[1] - b[0] + 1), b[0]),  # contention, area
            lambda b, c: (-c, b[0] - b[1], -b[2]),  # contention, duration
        )
        indices = range(len(self.buffers))
        for key in keys:
            yield sorted(indices, key=lambda i, key=key: (*key(self.buffers[i], crowd[i]), i))  # type: ignore[misc]

    def _try(self, order: list[int]) -> int:
        """Place in this order, keep it if it is the best, and return its height."""
        offsets = [-1] * len(self.buffers)
        first_fit(order, self.buffers, self.neighbours, offsets)
        height = _height(self.buffers, offsets)
        if self.best_height < 0 or height < self.best_height:
            self.best, self.best_height, self.best_order = offsets, height, order
        self.last = offsets
        return height

    def _repair(self) -> None:
        rng = random.Random(0)
        order = self.best_order
        self.last = self.best
        stale = 0
        limit = self.budget[0] // 2  # leave some to the parts that follow
        while self.budget[0] > limit and self.best_height > self.target:
            self.budget[0] -= self.steps
            order = self._blame(order) if stale < STALE_ROUNDS else self._shake(rng)
            before = self.best_height
            self._try(order)
            stale = 0 if self.best_height < before or stale >= STALE_ROUNDS else stale + 1

    def _blame(self, order: list[int]) -> list[int]:
        """Move each buffer that ended above the target ahead, further the more it did."""
        rank = {i: float(position) for position, i in enumerate(order)}
        for i, offset in enumerate(self.last):
            over = offset + self.buffers[i][2] - self.target
            if over > 0:
                rank[i] -= 1 + len(order) * over / self.best_height
        return sorted(order, key=lambda i: rank[i])

    def _shake(self, rng: random.Random) -> list[int]:
        """The best order with one buffer that ended too high, or a neighbour of it, moved ahead."""
        order = list(self.best_order)
        high = [i for i in order if self.best[i] + self.buffers[i][2] > self.target]
        moved = rng.choice(high)
        if rng.random() < 0.5 and self.neighbours[moved]:
            moved = rng.choice(self.neighbours[moved])
        order.remove(moved)
        order.insert(rng.randrange(len(order) + 1), moved)
        return order
