"""Test values of every element type: edges first, then seeded random ones."""

from __future__ import annotations

import torch

from fusec.ir.types import DType, dtype
from tests.codegen.programs import torch_dtype

SEED = 7
_EDGES = [
    *(0.0, -0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5, 3.0, -3.0, 1.5, 2.5, -2.5, 1e-3, -1e-3),
    *(float("inf"), float("-inf"), float("nan"), 1e-10, 0.25, 0.75, 100.0, -100.0, 88.5, -88.5),
    *(-104.0, 20.0, -20.0, 0.9999999, -0.9999999, 1.0000001),
]


def floats(kind: DType, count: int) -> torch.Tensor:
    """Edges, subnormals and extremes of the type, and random values of many sizes."""
    info = torch.finfo(torch_dtype(kind))
    small, least = info.smallest_normal, info.smallest_normal / 4
    edges = [*_EDGES, small, -small, least, -least, info.max, -info.max]
    generator = torch.Generator().manual_seed(SEED)
    normal = torch.randn(count, generator=generator, dtype=torch.float64)
    sign = torch.sign(torch.randn(count, generator=generator, dtype=torch.float64))
    unit = torch.rand(count, generator=generator, dtype=torch.float64) * 2 - 1
    spread = torch.exp(normal * (20 if kind.bits >= 32 else 3)) * sign
    parts = [torch.tensor(edges, dtype=torch.float64), normal, normal * 10, unit, spread]
    return torch.cat([*parts, torch.exp(normal / 100)]).to(torch_dtype(kind))


def integers(kind: DType, count: int) -> torch.Tensor:
    """Small values, the limits, and random values of the whole range."""
    low = -(2 ** (kind.bits - 1)) if kind.kind == "int" else 0
    high = low + 2**kind.bits - 1
    edges = [0, 1, 2, 3, 5, 7, min(high, 2**63 - 1), low, max(low, -1), max(low, -2), max(low, -7)]
    generator = torch.Generator().manual_seed(SEED)
    wide = torch.randint(max(low, -(2**62)), min(high, 2**62), (count,), generator=generator)
    near = torch.randint(-20 if low else 0, 20, (count,), generator=generator)
    near = near.clamp(low, min(high, 2**62))
    return torch.cat([torch.tensor(edges), wide, near]).to(torch_dtype(kind))


def values(kind: DType, count: int = 400) -> torch.Tensor:
    """Values of an element type; float8 and 4-bit types: every one there is."""
    if kind.name.startswith("float8"):
        return torch.arange(256, dtype=torch.uint8).view(torch_dtype(kind))
    if kind.bits < 8:
        low = -8 if kind.kind == "int" else 0
        return torch.arange(low, low + 16).to(torch_dtype(kind))
    if kind.kind == "bool":
        return torch.arange(64) % 3 == 0
    return floats(kind, count) if kind.is_float else integers(kind, count)


def operands(kinds: tuple[DType, ...], count: int = 400) -> list[torch.Tensor]:
    """Operands of one shape: every pair of edge values, then random ones beside each other."""
    if len(kinds) == 1:
        return [values(kinds[0], count)]
    pools = [values(kind, count) for kind in kinds]
    edges = [pool[: 37 if kind.is_float else 11] for pool, kind in zip(pools, kinds, strict=True)]
    grid = torch.cartesian_prod(*[torch.arange(len(edge)) for edge in edges[:2]])
    generator = torch.Generator().manual_seed(SEED)
    length = min(len(pool) for pool in pools)
    columns = []
    for at, (pool, edge) in enumerate(zip(pools, edges, strict=True)):
        picked = edge[grid[:, min(at, 1)] % len(edge)]
        order = torch.randperm(len(pool), generator=generator)[:length]
        columns.append(torch.cat([picked, pool[order]]))
    return columns


def same_bits(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Where two tensors of one dtype hold the same value: any NaN, equal zeros by sign."""
    assert a.dtype == b.dtype
    if not a.is_floating_point():
        return torch.from_numpy(a.numpy() == b.numpy())
    width = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}[a.itemsize]
    wide = torch.float64
    nan = torch.isnan(a.to(wide)) & torch.isnan(b.to(wide))
    return nan | (a.view(width) == b.view(width))


FLOATS = tuple(dtype(name) for name in ("f16", "bf16", "f32", "f64"))
FLOAT8S = tuple(dtype(n) for n in ("f8e4m3fn", "f8e4m3fnuz", "f8e5m2", "f8e5m2fnuz"))
INTEGERS = tuple(dtype(n) for n in ("i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64"))
NARROW = (dtype("i4"), dtype("u4"))
