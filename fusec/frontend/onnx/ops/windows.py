"""Padding of sliding windows: explicit, SAME, VALID, ceil mode. Shared by conv and pooling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fusec.frontend.onnx.call import Call
from fusec.ir.sym import Dim, ceildiv, smax, smin

Pair = tuple[Dim, Dim]


@dataclass(frozen=True)
class Window:
    """Settings of a sliding window, one item for each spatial axis."""

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    padding: tuple[Pair, ...]

    @property
    def attributes(self) -> dict[str, object]:
        """As the core ops take them, but for the kernel."""
        return {"strides": self.strides, "padding": self.padding, "dilations": self.dilations}


def window_of(c: Call, kernel: Sequence[Dim], spatial: Sequence[Dim]) -> Window:
    """The window of a node: ``strides``, ``dilations``, and ``pads`` or ``auto_pad``."""
    rank = len(spatial)
    sizes = _sizes(c, kernel)
    strides = _list(c, "strides", rank)
    dilations = _list(c, "dilations", rank)
    mode = c.text("auto_pad", "NOTSET")
    if mode == "NOTSET":
        padding = explicit_padding(c, rank)
    elif mode == "VALID":
        padding = ((0, 0),) * rank
    elif mode in ("SAME_UPPER", "SAME_LOWER"):
        rows = zip(spatial, sizes, strides, dilations, strict=True)
        padding = tuple(_same(*row, is_upper=mode == "SAME_UPPER") for row in rows)
    else:
        c.invalid(f"auto_pad is {mode!r}")
    return Window(sizes, strides, dilations, padding)


def _sizes(c: Call, kernel: Sequence[Dim]) -> tuple[int, ...]:
    if not all(isinstance(k, int) and k > 0 for k in kernel):
        c.invalid(f"kernel {[str(k) for k in kernel]} is not positive")
    return tuple(k for k in kernel if isinstance(k, int))


def _list(c: Call, name: str, rank: int) -> tuple[int, ...]:
    values = c.integers(name, ()) or (1,) * rank
    if len(values) != rank or any(v < 1 for v in values):
        c.invalid(f"{name} {list(values)} do not fit {rank} spatial axes")
    return values


def explicit_padding(c: Call, rank: int) -> tuple[Pair, ...]:
    """``pads`` as pairs; 0 if not given."""
    pads = c.integers("pads", ()) or (0,) * (2 * rank)
    if len(pads) != 2 * rank:
        c.invalid(f"pads {list(pads)} do not fit {rank} spatial axes")
    return tuple(zip(pads[:rank], pads[rank:], strict=True))


def _same(size: Dim, kernel: int, stride: int, dilation: int, *, is_upper: bool) -> Pair:
    """Total padding so that ``ceil(size / stride)`` windows fit; the odd one goes to one end."""
    extent = (kernel - 1) * dilation + 1
    total = smax((ceildiv(size, stride) - 1) * stride + extent - size, 0)
    small = total // 2
    return (small, total - small) if is_upper else (total - small, small)


def with_ceil(window: Window, spatial: Sequence[Dim]) -> Window:
    """End padding for ceil mode: partial windows count, those that start in the end padding do not.

    The second rule is ONNX Runtime's, and the standard's from version 22 on.
    """
    rows = zip(
        spatial, window.kernel, window.strides, window.dilations, window.padding, strict=True
    )
    padding = tuple(_ceil(*row) for row in rows)
    return Window(window.kernel, window.strides, window.dilations, padding)


def _ceil(size: Dim, kernel: int, stride: int, dilation: int, pair: Pair) -> Pair:
    before, after = pair
    extent = (kernel - 1) * dilation + 1
    padded = size + before
    count = smin(ceildiv(padded + after - extent, stride) + 1, ceildiv(padded, stride))
    return before, smax((count - 1) * stride + extent - padded, 0)
