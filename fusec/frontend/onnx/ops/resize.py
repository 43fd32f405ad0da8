"""Resize and Upsample: every mode, axis by axis.

Nearest neighbours at whole factors become views; other factors gather with a constant index.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from fusec.frontend.onnx.call import Call
from fusec.frontend.onnx.ops.resample import COORDINATES, NEAREST, Array, Resample, Weighted
from fusec.frontend.onnx.registry import lowers
from fusec.ir import Value
from fusec.ir.sym import Dim, floordiv
from fusec.ir.types import f32, f64

LARGEST = 1 << 24  # places along an axis for which a table is made
PROBE = 48  # size at which an open axis is checked to follow a whole factor


@dataclass(frozen=True)
class Settings:
    """The attributes that all axes share."""

    mode: str
    coordinate: str
    nearest: str
    cubic_a: float = -0.75
    antialias: bool = False
    exclude_outside: bool = False
    extrapolation: float = 0.0


@dataclass(frozen=True)
class Target:
    """What one axis becomes. ``scale`` is None where sizes decide and are open."""

    axis: int
    out: Dim
    scale: float | None
    roi: tuple[float, float] = (0.0, 1.0)


@lowers("Upsample", rich=True)
def upsample(c: Call) -> Value:
    """Factors as an attribute (version 7) or an input (9)."""
    scales = c.reals("scales") if c.has_attribute("scales") else _floats(c, 1)
    settings = Settings(_mode(c, "nearest"), "asymmetric", "simple")
    return _resized(c, _scaled(c, scales, range(c.rank())), settings)


@lowers("Resize", since=10, rich=True)
def resize_10(c: Call) -> Value:
    """Factors only; coordinates are asymmetric."""
    settings = Settings(_mode(c, "nearest"), "asymmetric", "simple")
    return _resized(c, _scaled(c, _floats(c, 1), range(c.rank())), settings)


@lowers("Resize", since=11, rich=True)
def resize(c: Call) -> Value:
    """Factors or sizes, of all axes or some."""
    coordinate = c.text("coordinate_transformation_mode", "half_pixel")
    nearest = c.text("nearest_mode", "round_prefer_floor")
    if coordinate not in COORDINATES:
        c.invalid(f"coordinate_transformation_mode is {coordinate!r}")
    if nearest not in NEAREST:
        c.invalid(f"nearest_mode is {nearest!r}")
    settings = Settings(
        _mode(c, "nearest"),
        coordinate,
        nearest,
        c.real("cubic_coeff_a", -0.75),
        c.flag("antialias"),
        c.flag("exclude_outside"),
        c.real("extrapolation_value", 0.0),
    )
    return _resized(c, _with_roi(c, _targets(c), coordinate), settings)


def _mode(c: Call, default: str) -> str:
    mode = {"bilinear": "linear"}.get(c.text("mode", default), c.text("mode", default))
    if mode not in ("nearest", "linear", "cubic"):
        c.invalid(f"mode is {mode!r}")
    return mode


def _floats(c: Call, index: int) -> tuple[float, ...]:
    return tuple(float(x) for x in c.constant(index, "scales").reshape(-1))


# -- targets -------------------------------------------------------------------------------------


def _targets(c: Call) -> list[Target]:
    rank = c.rank()
    axes = c.axes(c.integers("axes", ()) or range(rank), rank)
    if c.has(3) and c.type(3).numel != 0:
        sizes = c.dims(3, "sizes")
        if len(sizes) != len(axes):
            c.invalid(f"{len(sizes)} sizes for {len(axes)} axes")
        return _sized(c, sizes, axes)
    if not c.has(2):
        c.invalid("has neither scales nor sizes")
    contents = c.known(2)
    if contents is not None and contents.dtype == object:
        c.refuse(f"scales {list(contents.reshape(-1))} depend on open sizes")
    return _scaled(c, _floats(c, 2), axes)


def _scaled(c: Call, scales: Sequence[float], axes: Sequence[int]) -> list[Target]:
    if len(scales) != len(axes):
        c.invalid(f"{len(scales)} scales for {len(axes)} axes")
    if not all(s > 0 and np.isfinite(s) for s in scales):
        c.invalid(f"scales {list(scales)} are not positive")
    return [
        Target(axis, _scaled_size(c, c.shape()[axis], scale), scale)
        for axis, scale in zip(axes, scales, strict=True)
    ]


def _scaled_size(c: Call, size: Dim, scale: float) -> Dim:
    if isinstance(size, int):
        return int(np.floor(np.float32(size) * np.float32(scale)))
    exact = Fraction(scale)
    if exact.denominator > 64:
        c.refuse(f"an open size times {scale}")
    return floordiv(size * exact.numerator, exact.denominator)


def _sized(c: Call, sizes: Sequence[Dim], axes: Sequence[int]) -> list[Target]:
    policy = c.text("keep_aspect_ratio_policy", "stretch")
    shape = c.shape()
    if policy == "stretch":
        rows = zip(axes, sizes, strict=True)
        return [Target(axis, size, _ratio(size, shape[axis])) for axis, size in rows]
    if policy not in ("not_larger", "not_smaller"):
        c.invalid(f"keep_aspect_ratio_policy is {policy!r}")
    ratios = [_ratio(size, shape[axis]) for axis, size in zip(axes, sizes, strict=True)]
    if any(r is None for r in ratios) or not all(isinstance(shape[a], int) for a in axes):
        c.refuse("the aspect ratio depends on open sizes")
    known = [r for r in ratios if r is not None]
    scale = min(known) if policy == "not_larger" else max(known)
    extents = [d for a in axes if isinstance(d := shape[a], int)]
    return [
        Target(axis, int(np.floor(scale * extent + 0.5)), scale)
        for axis, extent in zip(axes, extents, strict=True)
    ]


def _ratio(out: Dim, size: Dim) -> float | None:
    if isinstance(out, int) and isinstance(size, int):
        return out / size if size else 1.0
    if out is size:
        return 1.0
    factor = floordiv(out, size)
    if isinstance(factor, int) and factor * size is out:
        return float(factor)
    inverse = floordiv(size, out)
    return 1 / inverse if isinstance(inverse, int) and inverse * out is size else None


def _with_roi(c: Call, targets: list[Target], coordinate: str) -> list[Target]:
    if coordinate != "tf_crop_and_resize":
        return targets
    roi = [float(x) for x in c.constant(1, "roi").reshape(-1)]
    if len(roi) != 2 * len(targets):
        c.invalid(f"roi has {len(roi)} numbers for {len(targets)} axes")
    pairs = zip(roi[: len(targets)], roi[len(targets) :], strict=True)
    return [Target(t.axis, t.out, t.scale, pair) for t, pair in zip(targets, pairs, strict=True)]


# -- axes ----------------------------------------------------------------------------------------


def _resized(c: Call, targets: Sequence[Target], settings: Settings) -> Value:
    x = c.value(0)
    dtype = x.type.dtype
    if settings.mode != "nearest" and dtype != f64:
        x = c.cast(x, f32)
    outside = []
    for target in targets:
        size = x.type.shape[target.axis]
        is_cropped = settings.coordinate == "tf_crop_and_resize" and target.roi != (0.0, 1.0)
        if target.out == size and target.scale == 1.0 and not is_cropped:
            continue
        if not isinstance(size, int) or not isinstance(target.out, int):
            x = _open(c, x, target, settings)
            continue
        if target.out > LARGEST:
            c.refuse(f"size {target.out} of axis {target.axis} is out of reach")
        assert target.scale is not None
        plan = Resample(size, target.out, target.scale, settings.coordinate, target.roi)
        x = _axis(c, x, target.axis, plan, settings)
        mask = plan.outside()
        if mask is not None:
            outside.append((target.axis, mask))
    for axis, mask in outside:
        shape = [len(mask) if i == axis else 1 for i in range(x.type.rank)]
        x = c.op(
            "select", c.const(mask.reshape(shape), f"outside{axis}"), settings.extrapolation, x
        )
    return c.cast(x, dtype)


def _axis(c: Call, x: Value, axis: int, plan: Resample, settings: Settings) -> Value:
    if settings.mode == "nearest":
        return _picked(c, x, axis, plan.nearest(settings.nearest))
    weighted = plan.weights(
        settings.mode,
        a=settings.cubic_a,
        antialias=settings.antialias,
        exclude_outside=settings.exclude_outside,
    )
    if weighted.index.shape[1] > 4:
        return _multiplied(c, x, axis, weighted.matrix(plan.size))
    return _weighted(c, x, axis, weighted)


def _picked(c: Call, x: Value, axis: int, index: Array) -> Value:
    size, out = x.type.shape[axis], len(index)
    assert isinstance(size, int)
    if out and size and out % size == 0 and (index == np.arange(out) // (out // size)).all():
        return _repeated(c, x, axis, out // size)
    if out > 1 and (np.diff(index) == index[1] - index[0]).all() and index[1] > index[0]:
        return c.slice(x, axis, int(index[0]), out, int(index[1] - index[0]))
    return c.op("gather", x, c.const(index, f"index{axis}"), axis=axis)


def _repeated(c: Call, x: Value, axis: int, times: int) -> Value:
    """Each element ``times`` in a row: a view."""
    shape = x.type.shape
    head, tail = shape[: axis + 1], shape[axis + 1 :]
    wide = c.broadcast(c.reshape(x, (*head, 1, *tail)), (*head, times, *tail))
    return c.reshape(wide, (*shape[:axis], shape[axis] * times, *tail))


def _weighted(c: Call, x: Value, axis: int, weighted: Weighted) -> Value:
    total: Value | None = None
    shape = [-1 if i == axis else 1 for i in range(x.type.rank)]
    for place in range(weighted.index.shape[1]):
        weight = weighted.weight[:, place].astype(x.type.dtype.numpy)
        if not weight.any():
            continue
        index = np.ascontiguousarray(weighted.index[:, place])
        part = c.op("gather", x, c.const(index, f"index{axis}.{place}"), axis=axis)
        part = c.op("mul", part, c.const(weight.reshape(shape), f"weight{axis}.{place}"))
        total = part if total is None else c.op("add", total, part)
    assert total is not None
    return total


def _multiplied(c: Call, x: Value, axis: int, matrix: Array) -> Value:
    perm = [i for i in range(x.type.rank) if i != axis] + [axis]
    if x.type.rank == 1:
        x = c.reshape(x, (1, *x.type.shape))
        perm, axis = [0, 1], 1
    weights = c.const(matrix.astype(x.type.dtype.numpy), f"weight{axis}")
    product = c.op("matmul", c.transpose(x, perm), weights)
    back = [perm.index(i) for i in range(len(perm))]
    return c.transpose(product, back)


def _open(c: Call, x: Value, target: Target, settings: Settings) -> Value:
    """An axis of open size: whole factors of nearest neighbours only."""
    scale = target.scale
    if settings.mode != "nearest" or scale is None or scale < 1 or scale != int(scale):
        c.refuse(f"axis {target.axis} of open size is resized by a factor that is not whole")
    factor = int(scale)
    probe = Resample(PROBE, PROBE * factor, scale, settings.coordinate, target.roi)
    if (probe.nearest(settings.nearest) != np.arange(PROBE * factor) // factor).any():
        c.refuse(f"axis {target.axis} of open size, coordinates {settings.coordinate}")
    return _repeated(c, x, target.axis, factor)
