"""Einsum against numpy, quantised operators against ONNX Runtime, on shapes the cases lack."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fusec.errors import InvalidModel
from tests.frontend.onnx.harness import Array, assert_as_ort, assert_same, imported, one, run

rng = np.random.default_rng(9)

EQUATIONS: dict[str, tuple[tuple[int, ...], ...]] = {
    "ij,jk->ik": ((3, 4), (4, 5)),
    "bhqd,bhkd->bhqk": ((2, 3, 4, 5), (2, 3, 6, 5)),
    "bqhd,bkhd->bhqk": ((2, 4, 3, 5), (2, 6, 3, 5)),
    "...ij,...jk->...ik": ((7, 1, 3, 4), (2, 4, 5)),
    "a...j,...jk->...ak": ((3, 2, 4), (2, 4, 5)),
    "...ij,jk": ((2, 3, 4), (4, 5)),
    "ab,cd,bd->ca": ((2, 3), (4, 5), (3, 5)),
    "ii->i": ((4, 4),),
    "iji->j": ((3, 4, 3),),
    "ii": ((5, 5),),
    "iij,jk->ik": ((3, 3, 4), (4, 2)),
    "i,j->ij": ((3,), (4,)),
    "ij,ij->": ((3, 4), (3, 4)),
    "ijk->kji": ((2, 3, 4),),
    "ijk->j": ((2, 3, 4),),
    "ba,b": ((3, 2), (3,)),
    "ij,ik->ijk": ((3, 4), (3, 5)),
    "abc,cd->d": ((2, 3, 4), (4, 5)),
}


def data(*shape: int) -> Array:
    return np.asarray(rng.standard_normal(shape)).astype(np.float32)


@pytest.mark.parametrize("equation", EQUATIONS)
def test_einsum(equation: str) -> None:
    feeds = {f"x{i}": data(*shape) for i, shape in enumerate(EQUATIONS[equation])}
    graph = imported(one("Einsum", feeds, opset=12, equation=equation))
    expected = np.einsum(equation, *(a.astype(np.float64) for a in feeds.values()))
    assert_same(run(graph, feeds), [np.asarray(expected, np.float32)])


@pytest.mark.parametrize("equation", ["i$,j->ij", "ij->k", "ijk,jk->i", "ij"])
def test_bad_equations(equation: str) -> None:
    feeds = {"a": data(2, 3), "b": data(3)} if "," in equation else {"a": data(2)}
    with pytest.raises(InvalidModel, match=r"the_Einsum"):
        imported(one("Einsum", feeds, opset=12, equation=equation))


def integers(low: int, high: int, *shape: int, kind: Any = np.uint8) -> Array:
    return rng.integers(low, high, shape).astype(kind)


def scalar(value: float, kind: Any = np.float32) -> Array:
    return np.array(value, kind)


@pytest.mark.parametrize("kind", [np.uint8, np.int8])
@pytest.mark.parametrize("axis", [None, 0, 1, -1])
def test_quantize_and_back(kind: Any, axis: int | None) -> None:
    x = data(4, 4, 4) * 40
    count = () if axis is None else (4,)
    scale = np.asarray(rng.uniform(0.2, 0.6, count)).astype(np.float32)
    zero = np.asarray(rng.integers(0, 20, count)).astype(kind)
    settings: Any = {} if axis is None else {"axis": axis}
    weights = {"s": scale, "z": zero}
    assert_as_ort(one("QuantizeLinear", {"x": x}, weights, opset=13, **settings), {"x": x})
    q = integers(0, 100, 4, 4, 4, kind=kind)
    assert_as_ort(one("DequantizeLinear", {"x": q}, weights, opset=13, **settings), {"x": q})


def test_ties_round_to_even() -> None:
    x = np.arange(-6, 7, dtype=np.float32) / 2
    weights = {"s": scalar(1), "z": scalar(100, np.uint8)}
    assert_as_ort(one("QuantizeLinear", {"x": x}, weights, opset=13), {"x": x})


@pytest.mark.parametrize("per_channel", [False, True])
def test_qlinear_conv(per_channel: bool) -> None:
    x = integers(0, 255, 2, 4, 9, 7)
    count = (6,) if per_channel else ()
    weights = {
        "xs": scalar(0.02),
        "xz": scalar(120, np.uint8),
        "w": integers(-120, 120, 6, 2, 3, 3, kind=np.int8),
        "ws": np.asarray(rng.uniform(0.01, 0.03, count)).astype(np.float32),
        "wz": np.zeros(count, np.int8),
        "ys": scalar(0.09),
        "yz": scalar(130, np.uint8),
        "b": integers(-900, 900, 6, kind=np.int32),
    }
    settings: Any = {"group": 2, "pads": [1, 0, 1, 1], "strides": [2, 1]}
    assert_as_ort(one("QLinearConv", {"x": x}, weights, opset=10, **settings), {"x": x})


def test_qlinear_matmul() -> None:
    a = integers(0, 255, 3, 5, 8)
    weights = {
        "as": scalar(0.02),
        "az": scalar(128, np.uint8),
        "b": integers(0, 255, 8, 6),
        "bs": scalar(0.015),
        "bz": scalar(115, np.uint8),
        "ys": scalar(0.03),
        "yz": scalar(117, np.uint8),
    }
    assert_as_ort(one("QLinearMatMul", {"a": a}, weights, opset=10), {"a": a})


def test_integer_products() -> None:
    a = integers(0, 255, 5, 8)
    weights = {
        "b": integers(-128, 127, 8, 6, kind=np.int8),
        "az": scalar(12, np.uint8),
        "bz": integers(-5, 5, 6, kind=np.int8),
    }
    assert_as_ort(one("MatMulInteger", {"a": a}, weights, opset=10), {"a": a})
    x = integers(0, 255, 1, 3, 6, 5)
    kernel = {
        "w": integers(0, 255, 4, 3, 3, 2),
        "xz": scalar(9, np.uint8),
        "wz": scalar(2, np.uint8),
    }
    assert_as_ort(one("ConvInteger", {"x": x}, kernel, opset=10, pads=[1, 1, 0, 1]), {"x": x})


def test_dynamic_quantisation() -> None:
    x = data(4, 9) * 3
    model = one("DynamicQuantizeLinear", {"x": x}, opset=11, outputs=("y", "s", "z"))
    assert_as_ort(model, {"x": x})
