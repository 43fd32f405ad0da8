"""Contractions: matmul, convolution and transposed convolution of any spatial rank.

``dtype``: of the result (None: the operands'; required when integer operands differ). ``acc``:
of the sum (None: `default_accumulator`). A bias is a separate ``add``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fusec.ir import infer as t
from fusec.ir.declare import declare
from fusec.ir.lazy import torch
from fusec.ir.op import Attribute, Attrs, Family, Kind
from fusec.ir.ops_reduce import accumulator, check_accumulator, wrapped
from fusec.ir.reference import back, computable, flat_padding, torch_dtype, windows
from fusec.ir.sym import Dim, product
from fusec.ir.types import DType, Tensor, dtype

_TYPES = (Attribute("dtype", Kind.DTYPE, None), Attribute("acc", Kind.DTYPE, None))


def _result_dtype(types: Sequence[Tensor], attrs: Attrs) -> DType:
    a, b = types[0].dtype, types[1].dtype
    given: DType | None = attrs["dtype"]
    t.check_kind(a, t.NUMBERS)
    if a != b and (given is None or a.is_integer != b.is_integer or not (a.bits == b.bits == 8)):
        raise ValueError(f"operands have different dtypes {a} and {b}")
    check_accumulator(a, attrs)
    return a if given is None else given


def _sort_of(x: Any) -> DType:
    return dtype(str(x.dtype).removeprefix("torch."))


def _in_accumulator(operands: Sequence[Any], attrs: Attrs) -> tuple[Any, Any, DType]:
    """Both operands in a dtype whose sums are exact modulo the accumulator, and that accumulator.

    Integers are summed in float64 where no sum can reach 2**53 (torch is fast there), else int64.
    """
    a, b = operands
    acc = accumulator(_sort_of(a), attrs)
    if acc.is_integer:
        wide = torch.float64 if _largest(a) * _largest(b) * b.numel() < 1 << 53 else torch.int64
        return computable(a).to(wide), computable(b).to(wide), acc
    return wrapped(a, acc), wrapped(b, acc), acc


def _largest(x: Any) -> int:
    """A bound of the absolute values of integers."""
    if not x.numel():
        return 0
    if x.dtype is torch.uint64:
        return 1 << 64
    low, high = torch.aminmax(computable(x))
    return max(abs(int(low)), abs(int(high)))


def _finish(total: Any, acc: DType, operands: Sequence[Any], attrs: Attrs) -> Any:
    """Convert the sum to the accumulator, then to the result's dtype."""
    if acc.is_integer:
        total = total.to(torch.int64)
        total = back(total, torch_dtype(acc))
    target = operands[0].dtype if attrs["dtype"] is None else torch_dtype(attrs["dtype"])
    if target is torch.uint64 and total.dtype is torch.int64:
        return total.view(target)
    return back(total, target)


def _matmul_rule(types: Sequence[Tensor], attrs: Attrs) -> Tensor:
    a, b = types
    if a.rank < 2 or b.rank < 2:
        raise ValueError(f"operands {a} and {b} must have rank 2 or more")
    if not t.same_dim(a.shape[-1], b.shape[-2]):
        raise ValueError(f"contracted dims {a.shape[-1]} and {b.shape[-2]} differ")
    batch = t.broadcast_shapes([a.shape[:-2], b.shape[:-2]])
    return Tensor(_result_dtype(types, attrs), (*batch, a.shape[-2], b.shape[-1]))


def _evaluate_matmul(operands: Sequence[Any], attrs: Attrs) -> Any:
    a, b, acc = _in_accumulator(operands, attrs)
    return _finish(torch.matmul(a, b), acc, operands, attrs)


def _matmul_flops(types: Sequence[Tensor], results: Sequence[Tensor], attrs: Attrs) -> Dim:  # noqa: ARG001
    return 2 * results[0].numel * types[0].shape[-1]


declare(
    "matmul",
    Family.CONTRACTION,
    ("a", "b"),
    _TYPES,
    _matmul_rule,
    _evaluate_matmul,
    _matmul_flops,
    doc="a[..., M, K] @ b[..., K, N]; batch dims broadcast",
)


def _check_filter(x: Tensor, w: Tensor, attrs: Attrs) -> int:
    """Ranks and attributes of a convolution; returns the spatial rank."""
    if x.rank < 3 or w.rank != x.rank:
        raise ValueError(f"x {x} and w {w} must have one rank of 3 or more")
    rank = x.rank - 2
    for name in ("strides", "dilations"):
        t.check_positive(t.check_length(attrs[name], rank, name), name)
    for pair in t.check_length(attrs["padding"], rank, "padding"):
        t.check_natural(t.check_length(pair, 2, "padding"), "padding")
    t.check_positive([attrs["groups"]], "groups")
    if any(d == 0 for d in w.shape[2:]):
        raise ValueError(f"the window of w {w} is empty")
    return rank


def _conv_rule(types: Sequence[Tensor], attrs: Attrs) -> Tensor:
    x, w = types
    rank = _check_filter(x, w, attrs)
    groups = attrs["groups"]
    if not t.same_dim(w.shape[1] * groups, x.shape[1]):
        raise ValueError(
            f"x has {x.shape[1]} channels, w takes {w.shape[1]} in each of {groups} groups"
        )
    if not t.same_dim(w.shape[0] // groups * groups, w.shape[0]):
        raise ValueError(f"{w.shape[0]} output channels do not divide into {groups} groups")
    spatial = [
        t.window_extent(
            x.shape[2 + i],
            w.shape[2 + i],
            attrs["strides"][i],
            attrs["padding"][i],
            attrs["dilations"][i],
        )
        for i in range(rank)
    ]
    return Tensor(_result_dtype(types, attrs), (x.shape[0], w.shape[0], *spatial))


def _convolve(x: Any, w: Any, attrs: Attrs) -> Any:
    """Any spatial rank, any padding."""
    pads = attrs["padding"]
    if len(pads) > 3 or not (x.is_floating_point() or x.is_complex()):
        return _convolve_windows(x, w, attrs)
    if any(p[0] != p[1] for p in pads):
        x = torch.nn.functional.pad(x, flat_padding(pads))
        pads = tuple((0, 0) for _ in pads)
    around, zeros = [p[0] for p in pads], [0] * len(pads)
    strides, dilations, groups = attrs["strides"], attrs["dilations"], attrs["groups"]
    return torch.convolution(x, w, None, strides, around, dilations, False, zeros, groups)


def _convolve_windows(x: Any, w: Any, attrs: Attrs) -> Any:
    """As a matmul of windows, which torch has for every dtype and rank."""
    rank, groups = x.ndim - 2, attrs["groups"]
    cut = windows(x, w.shape[2:], attrs, 0)
    out = cut.shape[2 : 2 + rank]
    cut = cut.unflatten(1, (groups, -1)).movedim(2, 2 + rank)  # n, g, *out, c, *kernel
    columns = cut.flatten(2 + rank).flatten(2, 1 + rank)  # n, g, out, c * kernel
    filters = w.flatten(1).unflatten(0, (groups, -1))  # g, o, c * kernel
    result = filters @ columns.transpose(2, 3)  # n, g, o, out
    return result.flatten(1, 2).unflatten(2, out)


def _evaluate_conv(operands: Sequence[Any], attrs: Attrs) -> Any:
    x, w, acc = _in_accumulator(operands, attrs)
    return _finish(_convolve(x, w, attrs), acc, operands, attrs)


def _conv_flops(types: Sequence[Tensor], results: Sequence[Tensor], attrs: Attrs) -> Dim:  # noqa: ARG001
    return 2 * results[0].numel * product(types[1].shape[1:])


_WINDOW = (
    Attribute("strides", Kind.INTS),
    Attribute("padding", Kind.PAIRS),
    Attribute("dilations", Kind.INTS),
    Attribute("groups", Kind.INT, 1),
)

declare(
    "conv",
    Family.CONTRACTION,
    ("x", "w"),
    (*_WINDOW, *_TYPES),
    _conv_rule,
    _evaluate_conv,
    _conv_flops,
    doc="x[N, C, *S], w[CO, C/groups, *K]; cross-correlation, zeros as padding",
)


def _conv_transpose_rule(types: Sequence[Tensor], attrs: Attrs) -> Tensor:
    x, w = types
    rank = _check_filter(x, w, attrs)
    groups = attrs["groups"]
    if not t.same_dim(w.shape[0], x.shape[1]) or not t.same_dim(
        x.shape[1] // groups * groups, x.shape[1]
    ):
        raise ValueError(f"x has {x.shape[1]} channels, w takes {w.shape[0]} in {groups} groups")
    extra = t.check_length(attrs["output_padding"], rank, "output_padding")
    t.check_natural(extra, "output_padding")
    spatial = []
    for i in range(rank):
        before, after = attrs["padding"][i]
        window = attrs["dilations"][i] * (w.shape[2 + i] - 1) + 1
        size = (x.shape[2 + i] - 1) * attrs["strides"][i] + window - before - after + extra[i]
        t.check_natural([size], f"extent of spatial dim {i}")
        spatial.append(size)
    return Tensor(_result_dtype(types, attrs), (x.shape[0], w.shape[1] * groups, *spatial))


def _evaluate_conv_transpose(operands: Sequence[Any], attrs: Attrs) -> Any:
    x, w, acc = _in_accumulator(operands, attrs)
    full = _scatter_windows(x, w, attrs)
    pads, extra = attrs["padding"], attrs["output_padding"]
    crop = [
        side for i in reversed(range(len(pads))) for side in (-pads[i][0], extra[i] - pads[i][1])
    ]
    return _finish(torch.nn.functional.pad(full, crop), acc, operands, attrs)


def _scatter_windows(x: Any, w: Any, attrs: Attrs) -> Any:
    """The transposed convolution without padding."""
    rank, groups = x.ndim - 2, attrs["groups"]
    if rank <= 3 and x.is_floating_point():
        zeros = [0] * rank
        return torch.convolution(
            x, w, None, attrs["strides"], zeros, attrs["dilations"], True, zeros, groups
        )
    # As a convolution of x spread by the strides with the mirrored, transposed window.
    spread = x.new_zeros(
        *x.shape[:2], *((s - 1) * k + 1 for s, k in zip(x.shape[2:], attrs["strides"], strict=True))
    )
    spread[(slice(None), slice(None), *(slice(None, None, k) for k in attrs["strides"]))] = x
    mirrored = (
        w.flip(tuple(range(2, w.ndim))).unflatten(0, (groups, -1)).transpose(1, 2).flatten(0, 1)
    )
    around = tuple((d * (k - 1),) * 2 for d, k in zip(attrs["dilations"], w.shape[2:], strict=True))
    plain = {
        "strides": (1,) * rank,
        "padding": around,
        "dilations": attrs["dilations"],
        "groups": groups,
    }
    return _convolve(spread, mirrored, plain)


def _conv_transpose_flops(types: Sequence[Tensor], results: Sequence[Tensor], attrs: Attrs) -> Dim:  # noqa: ARG001
    return 2 * types[0].numel * product(types[1].shape[1:])


declare(
    "conv_transpose",
    Family.CONTRACTION,
    ("x", "w"),
    (
        Attribute("strides", Kind.INTS),
        Attribute("padding", Kind.PAIRS),
        Attribute("output_padding", Kind.INTS),
        Attribute("dilations", Kind.INTS),
        Attribute("groups", Kind.INT, 1),
        *_TYPES,
    ),
    _conv_transpose_rule,
    _evaluate_conv_transpose,
    _conv_transpose_flops,
    doc="x[N, C, *S], w[C, CO/groups, *K]; gives (S - 1) * stride + window - pads + output_padding",
)
