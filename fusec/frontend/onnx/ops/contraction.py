"""Matrix products and convolutions."""

from __future__ import annotations

from collections.abc import Sequence

from fusec.frontend.onnx.call import Call
from fusec.frontend.onnx.ops.windows import explicit_padding, window_of
from fusec.frontend.onnx.registry import lowers
from fusec.ir import Value
from fusec.ir.sym import Dim, smax


@lowers("MatMul")
def matmul(c: Call) -> Value:
    """numpy's ``matmul``: vectors are promoted to matrices."""
    return product_of(c, c.value(0), c.value(1))


def product_of(c: Call, a: Value, b: Value, **attributes: object) -> Value:
    """Matrix product of operands of rank 1 or more."""
    if not a.type.rank or not b.type.rank:
        c.invalid("scalars have no matrix product")
    is_row, is_column = a.type.rank == 1, b.type.rank == 1
    if is_row:
        a = c.reshape(a, (1, *a.type.shape))
    if is_column:
        b = c.reshape(b, (*b.type.shape, 1))
    result = c.op("matmul", a, b, **attributes)
    shape = list(result.type.shape)
    if is_column:
        del shape[-1]
    if is_row:
        del shape[-1 if is_column else -2]
    return c.reshape(result, shape)


@lowers("Gemm", rich=True)
def gemm(c: Call) -> Value:
    """``alpha * A' B' + beta * C``; C broadcasts."""
    a, b = c.value(0), c.value(1)
    if a.type.rank != 2 or b.type.rank != 2:
        c.invalid(f"A and B must have rank 2, not {a.type} and {b.type}")
    a = c.transpose(a, (1, 0)) if c.flag("transA") else a
    b = c.transpose(b, (1, 0)) if c.flag("transB") else b
    result = scaled(c, c.op("matmul", a, b), c.real("alpha", 1.0))
    beta = c.real("beta", 1.0)
    if not c.has(2) or beta == 0:
        return result
    total = c.op("add", result, scaled(c, c.value(2), beta))
    if total.type.shape != result.type.shape:
        c.invalid(f"C of {c.type(2)} does not broadcast to {result.type}")
    return total


def scaled(c: Call, x: Value, factor: float) -> Value:
    """``x * factor``; ``x`` itself for 1."""
    return x if factor == 1.0 else c.op("mul", x, factor)


def kernel_of(c: Call, weights: Sequence[Dim]) -> Sequence[Dim]:
    """Window sizes: the weights', which ``kernel_shape`` has to repeat."""
    given = c.integers("kernel_shape", ())
    if given and given != tuple(weights):
        c.invalid(f"kernel_shape {list(given)} is not that of the weights, {list(weights)}")
    return weights


def with_bias(c: Call, x: Value, index: int) -> Value:
    """Add a per-channel bias if the input is given."""
    bias = c.optional(index)
    return x if bias is None else c.op("add", x, c.channels(bias, x.type.rank))


@lowers("Conv")
def conv(c: Call) -> Value:
    """Any number of spatial axes; groups, strides, dilations, SAME and explicit padding."""
    x, w = c.value(0), c.value(1)
    if x.type.rank < 3 or x.type.rank != w.type.rank:
        c.invalid(f"data and weights must have one rank of at least 3: {x.type}, {w.type}")
    window = window_of(c, kernel_of(c, w.type.shape[2:]), x.type.shape[2:])
    result = c.op("conv", x, w, groups=c.integer("group", 1), **window.attributes)
    return with_bias(c, result, 2)


@lowers("ConvTranspose")
def conv_transpose(c: Call) -> Value:
    """The gradient of a convolution; ``output_shape`` or ``auto_pad`` decide the padding."""
    x, w = c.value(0), c.value(1)
    if x.type.rank < 3 or x.type.rank != w.type.rank:
        c.invalid(f"data and weights must have one rank of at least 3: {x.type}, {w.type}")
    rank = x.type.rank - 2
    kernel = kernel_of(c, w.type.shape[2:])
    strides = c.integers("strides", ()) or (1,) * rank
    dilations = c.integers("dilations", ()) or (1,) * rank
    extra = c.integers("output_padding", ()) or (0,) * rank
    for name, values in (("strides", strides), ("dilations", dilations), ("output_padding", extra)):
        if len(values) != rank:
            c.invalid(f"{name} {list(values)} do not fit {rank} spatial axes")
    # Extent of the result without padding.
    full = [
        (d - 1) * s + (k - 1) * t + 1 + e
        for d, s, k, t, e in zip(x.type.shape[2:], strides, kernel, dilations, extra, strict=True)
    ]
    padding = _transposed_padding(c, x.type.shape[2:], strides, full)
    # Where the result is larger than what the windows reach, the rest is zeros at the end.
    extra = tuple(e + max(-_fixed(a), 0) for e, (_, a) in zip(extra, padding, strict=True))
    padding = tuple((b, smax(a, 0)) for b, a in padding)
    result = c.op(
        "conv_transpose",
        x,
        w,
        strides=strides,
        padding=padding,
        output_padding=extra,
        dilations=dilations,
        groups=c.integer("group", 1),
    )
    return with_bias(c, result, 2)


def _transposed_padding(
    c: Call, spatial: Sequence[Dim], strides: Sequence[int], full: Sequence[Dim]
) -> tuple[tuple[Dim, Dim], ...]:
    mode = c.text("auto_pad", "NOTSET")
    target: Sequence[Dim] = c.integers("output_shape", ())
    if target:
        # Some exporters write batch and channels too.
        target = target[-len(spatial) :]
    elif mode in ("SAME_UPPER", "SAME_LOWER"):
        target = [d * s for d, s in zip(spatial, strides, strict=True)]
    else:
        return explicit_padding(c, len(spatial))
    padding: list[tuple[Dim, Dim]] = []
    for have, want in zip(full, target, strict=True):
        total = have - want
        if isinstance(total, int) and total < 0:
            padding.append((0, total))
            continue
        half = total // 2
        padding.append((half, total - half) if mode == "SAME_UPPER" else (total - half, half))
    return tuple(padding)


def _fixed(dim: Dim) -> int:
    return dim if isinstance(dim, int) else 0
