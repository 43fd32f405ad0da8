"""Tile sizes: every legal one within reach, ranked by the model; and the interpreter's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import product
from math import prod

from fusec.ir.sym import Dim, bounds, is_divisible
from fusec.target import Target
from fusec.tile.kernel import INTERPRETER, Candidate, Config
from fusec.tile.limits import Facts, facts_of, fits, uses_fma
from fusec.tile.model import Estimate, Model
from fusec.tile.program import Axis, Role, TileProgram
from fusec.tile.shapes import shortest_dot, tile_shapes

LARGEST = 2**20  # elements of one tile that Triton takes
FULL_TILE = 64  # the least rows and columns of a contraction tile where there are as many
WORTH = 0.8  # a smaller tile has to take at most this share of the time of a full one
KEPT = 12  # candidates returned, best first
INTERPRETED_TILE = 2**18  # the interpreter is fastest while a tile's addresses stay in the cache

Option = tuple[int, int]  # warps, stages
Ranked = tuple[Estimate, Config]

WARPS = (1, 2, 4, 8)
_POINTWISE = (128, 256, 512, 1024, 2048, 4096)
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128)
_LOOPED = (128, 256, 512, 1024, 2048)
_DOT_SIDE = (16, 32, 64, 128, 256)
_DOT_DEPTH = (16, 32, 64, 128)


@lru_cache(maxsize=4096)
def candidates(program: TileProgram, target: Target) -> tuple[Candidate, ...]:
    """Configs within the target's limits, best first by modelled time."""
    facts = facts_of(program)
    model = Model(facts, target)
    ranked: list[Ranked] = []
    for tiles, options in _configs(facts, target):
        tiling = model.tiling(tiles)
        for warps, stages in options:
            config = Config(target.name, tuple(tiles.items()), warps, stages)
            ranked.append((model.estimate(tiling, warps, stages), config))
    ranked.sort(key=lambda pair: (pair[0].seconds, pair[1].num_warps, pair[1].tiles))
    return _explained(facts, target, ranked)[:KEPT]


def modelled_seconds(program: TileProgram, target: Target) -> float:
    """Modelled time of one launch with the best config."""
    return candidates(program, target)[0].seconds


# ------------------------------------------------------------------------------- legal configs


def _configs(facts: Facts, target: Target) -> Iterator[tuple[dict[str, int], list[Option]]]:
    """Tile sizes with the warps and stages that fit; if none does, the smallest tiles."""
    tilings = list(_tilings(facts))
    found = False
    for tiles in tilings:
        options = product(_warps(facts, tiles, target), _stages(facts, target))
        fitting = [o for o in options if fits(facts, tiles, *o, target)]
        if fitting:
            found = True
            yield tiles, fitting
    if not found:
        yield min(tilings, key=lambda t: prod(t.values())), [(WARPS[-1], _stages(facts, target)[0])]


def _tilings(facts: Facts) -> Iterator[dict[str, int]]:
    axes = [a for a in facts.program.axes if a.is_vector]
    shapes = tile_shapes(facts.program)
    for sizes in product(*(_sizes(facts, a) for a in axes)):
        tiles = dict(zip((a.name for a in axes), sizes, strict=True))
        if all(prod(tiles[d] for d in shape) <= LARGEST for shape in shapes):
            yield tiles


def _sizes(facts: Facts, axis: Axis) -> list[int]:
    """Tile sizes worth trying along an axis; at least one."""
    if axis.role is Role.FULL:
        return [next_power(_most(axis.extent))]
    menu = _menu(facts, axis)
    limit = next_power(_most(axis.extent))
    legal = [size for size in menu if size <= max(limit, min(menu)) and is_legal(axis, size)]
    if legal:
        return legal
    return [max(size for size in powers(min(menu)) if is_legal(axis, size))]


def _menu(facts: Facts, axis: Axis) -> tuple[int, ...]:
    dot = facts.dot
    if dot is not None and axis.name == dot.axis:
        least = shortest_dot(8 if facts.dot_dtype == "int8" else 16)
        return tuple(s for s in _DOT_DEPTH if s >= least)
    if dot is not None:
        return _DOT_SIDE
    if facts.program.kind == "contraction":
        return (1, 2, 4, 8, 16, 32)  # products at the joint shape: small tiles
    if axis.role is Role.LOOP:
        return _LOOPED
    inner = any(a.role in (Role.FULL, Role.LOOP) for a in facts.program.axes)
    return _ROWS if inner else _POINTWISE


def is_legal(axis: Axis, size: int) -> bool:
    """Whether a tile size never reaches past the extent of an axis without masks."""
    return axis.masked or is_divisible(axis.extent, size)


def next_power(value: int) -> int:
    """The least power of two that is not smaller."""
    return 1 << max(0, value - 1).bit_length()


def powers(limit: int) -> Iterable[int]:
    """1, 2, 4, ... up to ``limit``."""
    return (1 << n for n in range(limit.bit_length()))


def _most(extent: Dim) -> int:
    """The largest value of an extent; large if there is no bound."""
    high = bounds(extent)[1]
    return LARGEST if high is None else max(1, high)


def _warps(facts: Facts, tiles: dict[str, int], target: Target) -> list[int]:
    """Warp counts that give a thread neither too little nor too much to hold."""
    largest = max((prod(tiles[d] for d in dims) for dims in facts.dims.values()), default=1)
    per_warp = largest / target.warp_size
    wanted = [w for w in WARPS if per_warp / w >= 1]
    if facts.dot is not None:
        least = 4 if target.kind == "cuda" and target.arch in (90, 100) else 1
        wanted = [w for w in wanted if w >= least]
        if uses_fma(facts, target):
            wanted = [w for w in wanted if per_warp / w >= 4]
    return wanted or [4 if facts.dot is not None else 1]


def _stages(facts: Facts, target: Target) -> tuple[int, ...]:
    if facts.dot is None or not target.has_async_copy:
        return (1,) if facts.dot is None else (2,)
    return (2, 3, 4)


# ------------------------------------------------------------------------------- small tiles


def _explained(facts: Facts, target: Target, ranked: list[Ranked]) -> tuple[Candidate, ...]:
    """Candidates; contraction tiles below 64x64 only where they win clearly, with the reason."""
    dot = facts.dot
    whole = [Candidate(c, e.seconds, e.bound) for e, c in ranked]
    if dot is None:
        return tuple(whole)
    sides = facts.dims[dot.name]
    if any(_most(facts.program.axis(s).extent) < FULL_TILE for s in sides):
        return tuple(whole)
    full = [(e, c) for e, c in ranked if all(c.tile(s) >= FULL_TILE for s in sides)]
    if not full:
        return tuple(_with_why(c, "no larger tile divides the extents or fits") for c in whole)
    best = full[0]
    kept = [Candidate(c, e.seconds, e.bound) for e, c in full]
    for e, c in ranked:
        if (e, c) not in full and e.seconds <= WORTH * best[0].seconds:
            kept.append(Candidate(c, e.seconds, e.bound, _reason(e, best[0], target)))
    return tuple(sorted(kept, key=lambda k: (k.seconds, k.config.tiles)))


def _with_why(candidate: Candidate, why: str) -> Candidate:
    return Candidate(candidate.config, candidate.seconds, candidate.bound, why)


def _reason(small: Estimate, full: Estimate, target: Target) -> str:
    return (
        f"{small.programs} programs for {target.sms} SMs take {small.seconds * 1e6:.3g} us; "
        f"tiles of {FULL_TILE}x{FULL_TILE} or more: {full.programs} programs, "
        f"{full.seconds * 1e6:.3g} us"
    )


# ------------------------------------------------------------------------------- interpreter


def interpreter_config(program: TileProgram) -> Config:
    """Very large tiles: the interpreter's cost is per operation, hardly per element.

    Axes grow in turn, columns and depth of a contraction first, while tiles stay in the cache.
    """
    axes = [a for a in program.axes if a.is_vector]
    shapes = tile_shapes(program)
    tiles = {a.name: next_power(_most(a.extent)) if a.role is Role.FULL else 1 for a in axes}
    grown = [a for a in axes if a.role is not Role.FULL]
    for limit in (512, INTERPRETED_TILE):
        for axis in sorted(grown, key=_growth_order):
            _grow(axis, tiles, shapes, limit)
    return Config(INTERPRETER, tuple(tiles.items()), 4, 1)


def _growth_order(axis: Axis) -> tuple[int, str]:
    first = {"n": 0, "k": 1}
    return first.get(axis.name, 1 if axis.role is Role.LOOP else 2), axis.name


def _grow(axis: Axis, tiles: dict[str, int], shapes: list[tuple[str, ...]], limit: int) -> None:
    """Double a tile size while it is legal, useful, and no tile outgrows the cache."""
    needed = next_power(_most(axis.extent))
    best = tiles[axis.name]
    size = best * 2
    while size <= min(needed, limit):
        trial = tiles | {axis.name: size}
        held = max((prod(trial[d] for d in s) for s in shapes if axis.name in s), default=1)
        if held > INTERPRETED_TILE:
            break
        if is_legal(axis, size):
            best = size
        size *= 2
    tiles[axis.name] = best
