"""What a config needs of a target: threads, registers, shared memory.

The estimates were fitted to what ptxas reports for float32 convolutions and matrix products (sm_80,
sm_90; tiles 32..256, depth 16..64, 4 and 8 warps); a config that spills all the same is replaced by
the next candidate when it is compiled.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import prod

from fusec.target import Target
from fusec.tile.program import Apply, Dot, Load, Loop, Reduce, Role, Statement, Store, TileProgram
from fusec.tile.shapes import Dims, dot_uses_unit, tile_dims

BASE_REGISTERS = 31
MAX_REGISTERS = 255
FMA_DEPTH = 32  # deeper float32 tiles are unrolled until they spill
FMA_ACCUMULATORS = 64  # a thread; 128 spill beside the operands
FMA_ROWS = 32  # elements of the left operand a thread loads a step
LIVE_ELEMENTS = 96  # registers a thread may hold in tiles


@dataclass(frozen=True)
class Facts:
    """What the model asks of a program again and again, found once."""

    program: TileProgram
    dims: dict[str, Dims]

    @cached_property
    def dots(self) -> tuple[Dot, ...]:
        """The contractions that run on matrix units or as FMA tiles."""
        found = (s for s in self.program.statements if isinstance(s, Dot))
        return tuple(d for d in found if dot_uses_unit(self.program, d, self.dims))

    @cached_property
    def dot(self) -> Dot | None:
        """The main one of them: the anchor, else the first."""
        anchors = [d for d in self.dots if d.name == self.program.anchor]
        return next(iter([*anchors, *self.dots]), None)

    @cached_property
    def dot_dtype(self) -> str:
        """The element type of the dot's operands; float32 if there is no dot."""
        dtypes = {s.name: s.dtype.name for s in self.program.statements}
        return dtypes[self.dot.a] if self.dot is not None else "float32"

    @cached_property
    def loads(self) -> tuple[Load, ...]:
        return tuple(s for s in self.program.statements if isinstance(s, Load))

    @cached_property
    def itemsizes(self) -> dict[str, int]:
        """Bytes an element, by buffer name."""
        buffers = (*self.program.operands, *self.program.results)
        return {b.name: b.type.dtype.itemsize for b in buffers}

    @cached_property
    def live(self) -> tuple[tuple[Dims, int], ...]:
        """The largest set of tiles alive at once: their dimensions and 32-bit words an element."""
        return _largest_live_set(self.program, self.dims)

    @cached_property
    def steps_axis(self) -> str | None:
        """The axis that is walked in a loop, if there is one."""
        serial = (Role.LOOP, Role.SERIAL)
        return next((a.name for a in self.program.axes if a.role in serial), None)


def facts_of(program: TileProgram) -> Facts:
    """The facts of a program."""
    return Facts(program, tile_dims(program))


def _reads(statement: Statement) -> tuple[str, ...]:
    if isinstance(statement, Apply):
        return statement.args
    if isinstance(statement, Reduce | Store):
        return (statement.arg,)
    return (statement.a, statement.b) if isinstance(statement, Dot) else ()


def _largest_live_set(program: TileProgram, dims: dict[str, Dims]) -> tuple[tuple[Dims, int], ...]:
    """Walk the statements backwards; addresses of a load or store count as one more tile."""
    order = list(program.statements)
    looped = {s.name for item in program.body if isinstance(item, Loop) for s in item.body}
    last = {name: at for at, s in enumerate(order) for name in _reads(s)}
    best: tuple[tuple[Dims, int], ...] = ()
    best_size = -1
    for at, statement in enumerate(order):
        alive = [s for s in order[: at + 1] if last.get(s.name, -1) >= at or s is statement]
        tiles = [(dims[s.name], max(1, s.dtype.itemsize // 4)) for s in alive]
        tiles += _accumulators(program, statement, dims, looped)
        if isinstance(statement, Load | Store):
            tiles.append((dims[statement.name], 2))
        size = sum(words * 64 ** len(d) for d, words in tiles)
        if size > best_size:
            best, best_size = tuple(tiles), size
    return best


def _accumulators(
    program: TileProgram, statement: Statement, dims: dict[str, Dims], looped: set[str]
) -> list[tuple[Dims, int]]:
    """A looped reduction keeps a tile as wide as its block; products have the joint shape."""
    words = max(1, statement.dtype.itemsize // 4)
    if isinstance(statement, Reduce) and statement.name in looped:
        return [(dims[statement.arg], words)]
    if isinstance(statement, Dot) and not dot_uses_unit(program, statement, dims):
        return [(tuple(dict.fromkeys((*dims[statement.a], *dims[statement.b]))), words)]
    return []


# ------------------------------------------------------------------------------- estimates


def shared_bytes(facts: Facts, tiles: dict[str, int], warps: int, stages: int) -> int:
    """Shared memory of one program: pipelined operand tiles, or the exchange of a result tile."""
    if facts.dot is None:
        crosses = any(isinstance(s, Reduce) for s in facts.program.statements)
        return 128 * warps if crosses else 0
    itemsize = {"float16": 2, "bfloat16": 2, "int8": 1}.get(facts.dot_dtype, 4)
    sides = sum(_elements(facts.dims[s], tiles) for d in facts.dots for s in (d.a, d.b))
    exchange = max(_elements(facts.dims[d.name], tiles) for d in facts.dots) * 4
    # A matrix unit that reads shared memory itself (sm_90 on) keeps one more stage alive.
    buffers = max(1, stages - 1 + (itemsize < 4))
    return max(buffers * sides * itemsize, exchange)


def register_estimate(facts: Facts, tiles: dict[str, int], threads: int) -> int:
    """32-bit registers of one thread."""
    if facts.dot is not None:
        accumulators = sum(_elements(facts.dims[d.name], tiles) for d in facts.dots) / threads
        sides = sum(_elements(facts.dims[s], tiles) for d in facts.dots for s in (d.a, d.b))
        sides = sides // threads
        return int(BASE_REGISTERS + accumulators + sides)
    held = sum(words * _elements(d, tiles) for d, words in facts.live) / threads
    return int(BASE_REGISTERS + held)


def fits(facts: Facts, tiles: dict[str, int], warps: int, stages: int, target: Target) -> bool:
    """Whether a config is within the target's limits and not expected to spill."""
    threads = warps * target.warp_size
    if shared_bytes(facts, tiles, warps, stages) > target.shared_per_block:
        return False
    if facts.dot is None:
        held = sum(words * _elements(d, tiles) for d, words in facts.live)
        return held <= LIVE_ELEMENTS * threads
    accumulators = sum(_elements(facts.dims[d.name], tiles) for d in facts.dots) / threads
    if not uses_fma(facts, target):
        return accumulators <= 2 * FMA_ACCUMULATORS
    side = max(_elements(facts.dims[s], tiles) for d in facts.dots for s in (d.a, d.b)) / threads
    looped = (d for d in facts.dots if facts.program.axis(d.axis).role is Role.LOOP)
    deep = any(tiles[d.axis] > FMA_DEPTH for d in looped)
    return not deep and accumulators <= FMA_ACCUMULATORS and side <= FMA_ROWS


def uses_fma(facts: Facts, target: Target) -> bool:
    """Whether the dot runs on scalar units: exact float32 on CUDA, and anything before sm_80."""
    if target.kind != "cuda":
        return False
    exact = facts.dot_dtype == "float32" and facts.program.precision == "ieee"
    return exact or not target.has_async_copy


def _elements(dims: Dims, tiles: dict[str, int]) -> int:
    return prod(tiles[d] for d in dims)
