"""Modelled time of a tile program with given tile sizes: a roofline with the effects of tiling.

Counted: bytes read again for every tile of the other axes (from L2, or from memory where the
operands do not fit in it), padding, the unit that does the arithmetic and how well a tile feeds it,
the index arithmetic of loads, how many programs run at once and the last, partly empty wave, the
latency of each step of a loop, the launch.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, prod, sqrt

from fusec.target import Target
from fusec.tile.cost import typical
from fusec.tile.limits import Facts, register_estimate, shared_bytes, uses_fma
from fusec.tile.program import Dot, Load, Role

STEP_LATENCY = 0.8e-6  # seconds from a load to the arithmetic that needs it, first in a step
PROGRAM_LATENCY = 1.0e-6  # of a program that does little: start, load, store
LOAD_WORK = 8  # integer operations for the address, mask and conversion of one loaded element
BUSY_WARPS = 8  # warps that keep an SM's arithmetic busy
BYTES_IN_FLIGHT = 32 * 1024  # that an SM needs to have asked for to saturate memory
SATURATING = 0.5  # the share of SMs that saturates memory
SCALAR_EFFICIENCY = 0.7  # of the FMA peak that pointwise arithmetic reaches


@dataclass(frozen=True)
class Estimate:
    """Seconds, what bounds them (memory, compute, latency), and programs launched."""

    seconds: float
    bound: str
    programs: int


@dataclass(frozen=True)
class Tiling:
    """Tile sizes, the programs they make, elements and bytes loaded in the whole run."""

    tiles: dict[str, int]
    programs: int
    loaded: float
    traffic: float


class Model:
    """The modelled time of one program on one target; asked for many tile sizes."""

    def __init__(self, facts: Facts, target: Target) -> None:
        program = facts.program
        self.facts, self.target = facts, target
        self.extents = {a.name: typical(a.extent) for a in program.axes}
        self.grid = [a.name for a in program.axes if a.in_grid]
        self.bytes = typical(program.cost.bytes_read) + typical(program.cost.bytes_written)
        self.flops = typical(program.cost.flops)
        self.fma = facts.dot is not None and uses_fma(facts, target)
        self.peak = self._peak()

    def _peak(self) -> float:
        target = self.target
        if self.facts.dot is None:
            return target.fp32_flops * SCALAR_EFFICIENCY
        if self.fma:
            return target.fp32_flops
        return target.dot_flops(self.facts.dot_dtype, self.facts.program.precision)

    def tiling(self, tiles: dict[str, int]) -> Tiling:
        """What does not depend on warps and stages."""
        counts = {n: ceil(self.extents[n] / tiles.get(n, 1)) for n in self.grid}
        programs = max(1, prod(counts.values()))
        loads = [self._loaded(load, counts) for load in self.facts.loads]
        sizes = [self.facts.itemsizes[load.buffer] for load in self.facts.loads]
        traffic = sum(n * size for n, size in zip(loads, sizes, strict=True))
        return Tiling(tiles, programs, sum(loads), traffic)

    def estimate(self, tiling: Tiling, warps: int, stages: int) -> Estimate:
        """The time of one run."""
        resident = self._resident(tiling.tiles, warps, stages)
        per_sm = ceil(tiling.programs / self.target.sms)
        together = min(resident, per_sm)
        compute = self._compute(tiling, warps, together, per_sm)
        memory = self._memory(tiling, warps * together)
        latency = self._latency(tiling.tiles, stages, ceil(per_sm / together))
        seconds = max(compute, memory) + latency
        parts = (("compute", compute), ("memory", memory), ("latency", latency))
        bound = max(parts, key=lambda part: part[1])[0]
        return Estimate(self.target.launch_seconds + seconds, bound, tiling.programs)

    def _resident(self, tiles: dict[str, int], warps: int, stages: int) -> int:
        """How many programs an SM holds at once."""
        target, threads = self.target, warps * self.target.warp_size
        registers = min(255, register_estimate(self.facts, tiles, threads))
        shared = max(1024, shared_bytes(self.facts, tiles, warps, stages))
        by_threads = target.threads_per_sm // threads
        by_registers = target.registers // (registers * threads)
        return max(1, min(by_threads, by_registers, target.shared_per_sm // shared, 32))

    def _compute(self, tiling: Tiling, warps: int, together: int, per_sm: int) -> float:
        """Every SM works through its share of programs; the busiest one decides."""
        busy = min(1.0, sqrt(together * warps / BUSY_WARPS)) / self.target.sms
        loads = tiling.loaded / tiling.programs * LOAD_WORK / (self.target.fp32_flops / 2)
        dot = self.facts.dot
        if dot is None:
            return per_sm * (self.flops / tiling.programs / self.peak + loads) / busy
        tiles = tiling.tiles
        held = prod(tiles[d] for d in self.facts.dims[dot.name])
        flops = sum(self._dot_flops(d, tiles) for d in self.facts.dots)
        return per_sm * (flops / (self.peak * self._tile_efficiency(held, warps)) + loads) / busy

    def _dot_flops(self, dot: Dot, tiles: dict[str, int]) -> float:
        """Operations of one program, padding included."""
        flops = 2.0
        for name in {*self.facts.dims[dot.a], *self.facts.dims[dot.b]}:
            looped = self.facts.program.axis(name).role is Role.LOOP
            flops *= tiles[name] * (ceil(self.extents[name] / tiles[name]) if looped else 1)
        return flops

    def _tile_efficiency(self, elements: int, warps: int) -> float:
        """Arithmetic per operand read: small tiles wait for shared memory."""
        held = elements / (warps * self.target.warp_size)
        if self.fma:
            return held / (held + 3 * sqrt(held))
        return min(1.0, sqrt(elements / (128 * 128))) * 0.8

    def _memory(self, tiling: Tiling, warps: int) -> float:
        """Distinct bytes from memory and repeated ones from L2, when enough is in flight."""
        again = max(0.0, tiling.traffic - self.bytes)
        fits_l2 = self.bytes < 0.7 * self.target.l2_bytes
        rate = self.target.l2_bandwidth if fits_l2 else self.target.bandwidth
        busy = min(1.0, tiling.programs / (SATURATING * self.target.sms))
        asked = min(1.0, warps * self.target.warp_size * 64 / BYTES_IN_FLIGHT)
        fill = max(1e-3, busy * sqrt(asked))
        return self.bytes / (self.target.bandwidth * fill) + again / (rate * fill)

    def _loaded(self, load: Load, counts: dict[str, int]) -> float:
        """Elements one load asks for in the whole run, again for each tile of the axes it lacks."""
        elements = 1.0
        for axis in self.facts.program.axes:
            if axis.name in load.axes:
                elements *= self.extents[axis.name]
            elif axis.name in counts:
                elements *= counts[axis.name]
        return elements

    def _latency(self, tiles: dict[str, int], stages: int, turns: int) -> float:
        """What no parallelism hides: the start of a program, and the steps of its loop."""
        axis = self.facts.steps_axis
        if axis is None:
            return PROGRAM_LATENCY * turns
        serial = self.facts.program.axis(axis).role is Role.SERIAL
        steps = self.extents[axis] if serial else ceil(self.extents[axis] / tiles[axis])
        hidden = max(1, stages - 1) if self.target.has_async_copy and self.facts.dot else 1
        if serial:
            hidden = 8  # the loads of an unrolled loop do not wait for each other
        return turns * (PROGRAM_LATENCY + STEP_LATENCY * steps / hidden / 4)
