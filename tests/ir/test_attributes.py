"""Which Python values each kind of attribute holds."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

from fusec.ir import Constant, Dim, Kind, all_ops, dtype, f32, get_op, symbol
from fusec.ir.attributes import misfit
from fusec.ir.op import Attribute, Family, Op

N: Dim = symbol("n", 1, 4)
GOOD: dict[Kind, list[Any]] = {
    Kind.INT: [0, -3],
    Kind.INTS: [(), (1, 2)],
    Kind.DIM: [3, N],
    Kind.DIMS: [(), (3, N)],
    Kind.PAIRS: [((0, 1), (N, 2))],
    Kind.FLOAT: [0.5, float("nan")],
    Kind.BOOL: [True],
    Kind.STR: ["x"],
    Kind.STRS: [("x", "y")],
    Kind.DTYPE: [f32],
    Kind.SCALAR: [True, 1, -0.0],
    Kind.DATA: [Constant(np.ones(2))],
    Kind.MAP: [(), (("a", 1), ("b", ("x", 2.0)))],
}
BAD: dict[Kind, list[Any]] = {
    Kind.INT: [True, 1.0, np.int64(1), N, None],
    Kind.INTS: [[1], 1, (True,), (np.int32(2),)],
    Kind.DIM: ["n", 1.0, np.int64(3), None],
    Kind.DIMS: [[3], N, (1.0,)],
    Kind.PAIRS: [(1, 2), ([0, 1],)],
    Kind.FLOAT: [1, np.float32(1), True],
    Kind.BOOL: [1, np.bool_(True)],
    Kind.STR: [b"x", 1],
    Kind.STRS: ["xy", ["x"]],
    Kind.DTYPE: ["f32", np.dtype("float32"), None],
    Kind.SCALAR: [np.float32(1), "1", N, None],
    Kind.DATA: [np.ones(2), 1.0],
    Kind.MAP: [{"a": 1}, ("a",), (("a", [1]),), ((1, 1),)],
}


def op_of(kind: Kind, *default: Any) -> Op:
    from fusec.ir.declare import no_flops

    attribute = Attribute("a", kind, *default)
    return Op("made", Family.POINTWISE, (), (attribute,), lambda *_: (), None, no_flops)


@pytest.mark.parametrize("kind", Kind)
def test_kinds(kind: Kind) -> None:
    for value in GOOD[kind]:
        assert misfit(op_of(kind), {"a": value}) is None
    for value in BAD[kind]:
        assert misfit(op_of(kind), {"a": value}) == "a", value


def test_none_only_where_it_is_the_default() -> None:
    assert misfit(op_of(Kind.DTYPE, None), {"a": None}) is None
    assert misfit(op_of(Kind.INT, 0), {"a": None}) == "a"


def test_defaults_fit_their_kinds() -> None:
    for op in all_ops():
        given = {name: GOOD[kind][0] for name, kind in op.kinds.items()}
        optional = {a.name: a.default for a in op.attributes if a.default.__class__ is not object}
        assert misfit(op, given | optional) is None, op


def test_dtypes_and_ops_exist_once() -> None:
    assert pickle.loads(pickle.dumps(f32)) is f32
    assert copy.deepcopy(get_op("add")) is get_op("add")
    assert dtype("float32") is dtype("f32") is f32
