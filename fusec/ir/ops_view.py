"""Views: they move elements and compute nothing; an index expression describes each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fusec.ir import infer as t
from fusec.ir.declare import Compute, Rule, declare, no_flops
from fusec.ir.lazy import torch
from fusec.ir.op import Attribute, Attrs, Family, Kind
from fusec.ir.reference import movable
from fusec.ir.sym import Dim, prove_lt
from fusec.ir.types import Tensor


def moving(move: Callable[..., Any]) -> Compute:
    """Evaluation by a torch function that moves bits: ``move(first operand, attrs)``."""

    def evaluate(operands: Sequence[Any], attrs: Attrs) -> Any:
        (x,) = operands
        return move(movable(x), attrs).view(x.dtype)

    return evaluate


def _declare(
    name: str,
    attributes: tuple[Attribute, ...],
    rule: Rule,
    compute: Compute,
    doc: str,
    operands: tuple[str, ...] = ("x",),
) -> None:
    zero = name != "pad"
    declare(
        name,
        Family.VIEW,
        operands,
        attributes,
        rule,
        compute,
        no_flops,
        preserves_zero=zero,
        doc=doc,
    )


def _reshape_rule(types: Sequence[Tensor], attrs: Attrs) -> Tensor:
    (x,), shape = types, attrs["shape"]
    t.check_natural(shape, "shape")
    result = x.with_shape(shape)
    if not t.same_dim(x.numel, result.numel):
        raise ValueError(
            f"{t.text(x.shape)} has {x.numel} elements, {t.text(shape)} has {result.numel}"
        )
    return result


def _transpose_rule(types: Sequence[Tensor], attrs: Attrs) -> Tensor:
    (x,), perm = types, attrs["perm"]
    if sorted(perm) != list(range(x.rank)):
        raise ValueError(f"perm {list(perm)} is not a permutation of {x.rank} axes")
    return x.with_shape(x.shape[axis] for axis in perm)


def _broadcast_rule(types: Sequence[Tensor], attrs: Attrs) -> Tensor:
    (x,), shape = types, attrs["shape"]
    t.check_natural(shape, "shape")
    if not t.broadcasts_to(x.shape, shape):
        raise ValueError(f"{t.text(x.shape)} does not broadcast to {t.text(shape)}")
    return x.with_shape(shape)


def _slice_rule(types: Sequence[Tensor], attrs: Attrs) -> Tensor:
    (x,) = types
    starts, sizes, steps = (
        t.check_length(attrs[n], x.rank, n) for n in ("starts", "sizes", "steps")
    )
    t.check_natural(starts, "starts")
    t.check_natural(sizes, "sizes")
    t.check_positive(steps, "steps")
    for axis, (start, size, step, dim) in enumerate(
        zip(starts, sizes, steps, x.shape, strict=True)
    ):
        if size != 0 and not prove_lt(start + (size - 1) * step, dim):
            raise ValueError(
                f"start {start}, size {size}, step {step} may leave axis {axis} of {dim}"
            )
    return x.with_shape(sizes)


def _slices(x: Any, attrs: Attrs) -> Any:
    cuts = zip(attrs["starts"], attrs["sizes"], attrs["steps"], strict=True)
    return x[
        tuple(
            slice(start, start + (size - 1) * step + 1 if size else start, step)
            for start, size, step in cuts
        )
    ]


def _reverse_rule(types: Sequence[Tensor], attrs: Attrs) -> Tensor:
    t.check_axes(attrs["axes"], types[0].rank)
    return types[0]


def _pad_rule(types: Sequence[Tensor], attrs: Attrs) -> Tensor:
    (x,) = types
    for pair in t.check_length(attrs["padding"], x.rank, "padding"):
        t.check_natural(t.check_length(pair, 2, "padding"), "padding")
    return x.with_shape(
        before + d + after for d, (before, after) in zip(x.shape, attrs["padding"], strict=True)
    )


def _evaluate_pad(operands: Sequence[Any], attrs: Attrs) -> Any:
    (x,) = operands
    fill = movable(torch.tensor(attrs["value"]).to(x.dtype))
    plain = movable(x)
    shape = [b + d + a for d, (b, a) in zip(x.shape, attrs["padding"], strict=True)]
    result = fill.expand(shape).clone()
    result[tuple(slice(b, b + d) for d, (b, _) in zip(x.shape, attrs["padding"], strict=True))] = (
        plain
    )
    return result.view(x.dtype)


def _concat_rule(types: Sequence[Tensor], attrs: Attrs) -> Tensor:
    if not types:
        raise ValueError("concat needs an operand")
    dtype = t.check_same_dtype(types)
    first = types[0].shape
    axis = t.check_axis(attrs["axis"], len(first))
    total: Dim = 0
    for x in types:
        others = x.shape[:axis] + x.shape[axis + 1 :]
        if x.rank != len(first) or not t.same_shape(others, first[:axis] + first[axis + 1 :]):
            raise ValueError(f"{t.text(x.shape)} and {t.text(first)} differ beside axis {axis}")
        total = total + x.shape[axis]
    return Tensor(dtype, (*first[:axis], total, *first[axis + 1 :]))


def _evaluate_concat(operands: Sequence[Any], attrs: Attrs) -> Any:
    return torch.cat([movable(x) for x in operands], attrs["axis"]).view(operands[0].dtype)


_SHAPE = (Attribute("shape", Kind.DIMS),)
_declare(
    "reshape",
    _SHAPE,
    _reshape_rule,
    moving(lambda x, attrs: x.reshape(attrs["shape"])),
    "the same elements in row-major order",
)
_declare(
    "transpose",
    (Attribute("perm", Kind.INTS),),
    _transpose_rule,
    moving(lambda x, attrs: x.permute(attrs["perm"])),
    "axis i of the result is axis perm[i] of x",
)
_declare(
    "broadcast",
    _SHAPE,
    _broadcast_rule,
    moving(lambda x, attrs: x.expand(attrs["shape"])),
    "numpy rules: dims align at the right, 1 repeats",
)
_declare(
    "slice",
    tuple(Attribute(name, Kind.DIMS) for name in ("starts", "sizes"))
    + (Attribute("steps", Kind.INTS),),
    _slice_rule,
    moving(_slices),
    "start, size and positive step for each axis, inside the operand",
)
_declare(
    "reverse",
    (Attribute("axes", Kind.INTS),),
    _reverse_rule,
    moving(lambda x, attrs: x.flip(attrs["axes"])),
    "the axes backwards",
)
_declare(
    "pad",
    (Attribute("padding", Kind.PAIRS), Attribute("value", Kind.SCALAR, 0)),
    _pad_rule,
    _evaluate_pad,
    "elements of one value before and after, for each axis",
)
_declare(
    "concat",
    (Attribute("axis", Kind.INT),),
    _concat_rule,
    _evaluate_concat,
    "one or more operands, one after the other along the axis",
    operands=("*xs",),
)
