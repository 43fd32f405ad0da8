"""Offsets in order of time: a sweep that allocates and frees, ``n log n`` but in odd cases."""

from __future__ import annotations

import heapq
from bisect import bisect_left, insort
from collections.abc import Sequence

Interval = tuple[int, int, int]  # first launch, last launch (included), bytes


class _FreeList:
    """The gaps below the top, ordered by offset; neighbours are merged."""

    def __init__(self, best_fit: bool) -> None:
        self.gaps: list[tuple[int, int]] = []  # (start, end)
        self.top = 0
        self.best_fit = best_fit

    def allocate(self, size: int) -> int:
        index = self._choose(size)
        if index is not None:
            start, end = self.gaps.pop(index)
            if start + size < end:
                self.gaps.insert(index, (start + size, end))
            return start
        start = self.top
        if self.gaps and self.gaps[-1][1] == self.top:  # extend the gap below the top
            start = self.gaps.pop()[0]
        self.top = start + size
        return start

    def _choose(self, size: int) -> int | None:
        fitting = (
            (end - start, i) for i, (start, end) in enumerate(self.gaps) if end - start >= size
        )
        chosen = min(fitting, default=None) if self.best_fit else next(fitting, None)
        return None if chosen is None else chosen[1]

    def release(self, start: int, end: int) -> None:
        index = bisect_left(self.gaps, (start, end))
        if index < len(self.gaps) and self.gaps[index][0] == end:
            end = self.gaps.pop(index)[1]
        if index and self.gaps[index - 1][1] == start:
            start = self.gaps.pop(index - 1)[0]
        insort(self.gaps, (start, end))


def sweep(buffers: Sequence[Interval], *, best_fit: bool, backwards: bool) -> list[int]:
    """Place each buffer at its first launch (``backwards``: from its last launch down).

    Returns the offsets; of buffers that begin together the larger is placed first.
    """
    if backwards:
        buffers = [(-end, -start, size) for start, end, size in buffers]
    order = sorted(range(len(buffers)), key=lambda i: (buffers[i][0], -buffers[i][2], i))
    free = _FreeList(best_fit)
    offsets = [0] * len(buffers)
    dying: list[tuple[int, int]] = []
    for i in order:
        start, end, size = buffers[i]
        while dying and dying[0][0] < start:
            dead = heapq.heappop(dying)[1]
            free.release(offsets[dead], offsets[dead] + buffers[dead][2])
        offsets[i] = free.allocate(size)
        heapq.heappush(dying, (end, i))
    return offsets
