"""Casts between every pair of element types, bit for bit those of the reference."""

from __future__ import annotations

import warnings

import pytest
import torch

from fusec.codegen.compile import compile_with_assembly
from fusec.ir.op import get_op
from fusec.ir.types import DType, bool_, dtype, f32
from fusec.target import resolve
from fusec.tile.candidates import candidates
from tests.codegen.programs import pointwise, run, torch_dtype
from tests.codegen.values import FLOAT8S, FLOATS, INTEGERS, NARROW, same_bits, values

BITS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
KINDS = (bool_, *INTEGERS, *NARROW, *FLOATS, *FLOAT8S)


def reference(x: torch.Tensor, target: DType, saturate: bool) -> torch.Tensor:
    op = get_op("cast")
    assert op.evaluate is not None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # ml_dtypes warns where a float8 overflows
        (result,) = op.evaluate((x,), {"dtype": target, "saturate": saturate}, ())
    assert isinstance(result, torch.Tensor)
    return result


def in_range(x: torch.Tensor, target: DType) -> torch.Tensor:
    """The values whose cast to an integer type is defined: the others differ between machines."""
    if target.bits >= 8 and not x.is_floating_point():
        return x  # wraps
    bits = target.bits - (target.kind == "int")
    low = -(2**bits) if target.kind == "int" else 0
    numbers = x.to(torch.float64) if x.is_floating_point() else x
    inside = [low <= v < 2**bits for v in numbers.tolist()]
    return x.view(BITS[x.itemsize])[torch.tensor(inside)].view(x.dtype)


@pytest.mark.parametrize("source", KINDS, ids=str)
@pytest.mark.parametrize("saturate", [False, True])
def test_cast(source: DType, saturate: bool) -> None:
    for target in KINDS:
        x = values(source)
        if target.is_integer and not saturate:
            x = in_range(x, target)
        expected = reference(x, target, saturate)
        out = torch.zeros(len(x), dtype=torch_dtype(target))
        attrs = {"dtype": target, "saturate": saturate}
        run(pointwise("cast", (source,), target, len(x), attrs), {"a": x, "out": out})
        same = same_bits(out, expected)
        worst = [(x[i], out[i], expected[i]) for i in (~same).nonzero().flatten()[:4].tolist()]
        assert bool(same.all()), (target, worst)


def test_float32_to_bfloat16_rounds_to_nearest_even() -> None:
    """Every tie and its neighbours; Triton's own interpreter truncates."""
    bits = torch.arange(0x3F80, 0x3FC0, dtype=torch.int32) << 16
    ties = torch.cat([bits | 0x7FFF, bits | 0x8000, bits | 0x8001, bits]).view(torch.float32)
    out = torch.zeros(len(ties), dtype=torch.bfloat16)
    target = dtype("bf16")
    program = pointwise("cast", (f32,), target, len(ties), {"dtype": target, "saturate": False})
    run(program, {"a": ties, "out": out})
    assert torch.equal(out, ties.to(torch.bfloat16))


PAIRS = [("f32", "bf16"), ("f64", "f16"), ("f32", "u8"), ("u64", "f32"), ("f32", "bool")]


@pytest.mark.parametrize(
    ("source", "target"), [*PAIRS, *(("f32", k.short) for k in FLOAT8S), ("f8e4m3fn", "f16")]
)
@pytest.mark.parametrize(
    "machine", ["sm_80", *(pytest.param(n, marks=pytest.mark.slow) for n in ("sm_90", "gfx942"))]
)
def test_compiles(source: str, target: str, machine: str) -> None:
    for saturate in (False, True):
        attrs = {"dtype": dtype(target), "saturate": saturate}
        made = pointwise("cast", (dtype(source),), dtype(target), 1000, attrs)
        config = candidates(made, resolve(machine))[0].config
        assert compile_with_assembly(made, "k", resolve(machine), config).binary.data


@pytest.mark.parametrize(
    ("source", "target"), [("f32", "i32"), ("u8", "f8e5m2"), ("bf16", "i16"), ("i64", "f64")]
)
def test_bitcast(source: str, target: str) -> None:
    x = values(dtype(source))
    kind = dtype(target)
    out = torch.zeros(len(x), dtype=torch_dtype(kind))
    run(pointwise("bitcast", (dtype(source),), kind, len(x), {"dtype": kind}), {"a": x, "out": out})
    assert bool(same_bits(out, x.view(torch_dtype(kind))).all())
