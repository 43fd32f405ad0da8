"""View storages: reading through the strides gives what the evaluator gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusec.ir import Graph, GraphBuilder, Node, Storage, Tensor, f32, symbol
from fusec.ir.sym import contiguous_strides
from fusec.ir.view_layout import is_contiguous, reshape_strides, view_storage
from tests.ir.harness import run


def view(op: str, shape: Any, /, **attrs: Any) -> Node:
    graph = Graph()
    result = GraphBuilder(graph).op(op, graph.add_input("x", Tensor(f32, shape)), **attrs)
    assert result.node is not None
    return result.node


def read(buffer: Any, storage: Storage, shape: Any) -> Any:
    """The elements of a strided window, one by one."""
    result = np.empty(shape, buffer.dtype)
    for at in np.ndindex(*shape):
        result[at] = buffer[
            storage.offset + sum(i * s for i, s in zip(at, storage.strides, strict=True))
        ]
    return result


CASES: list[tuple[str, tuple[int, ...], dict[str, Any]]] = [
    ("reshape", (4, 6), {"shape": (2, 2, 3, 2)}),
    ("reshape", (2, 2, 3, 2), {"shape": (4, 6)}),
    ("reshape", (1, 6, 1), {"shape": (3, 1, 2, 1)}),
    ("reshape", (6,), {"shape": (1, 6)}),
    ("transpose", (2, 3, 4), {"perm": (2, 0, 1)}),
    ("broadcast", (3, 1), {"shape": (2, 3, 4)}),
    ("broadcast", (1,), {"shape": (1,)}),
    ("slice", (5, 6), {"starts": (1, 0), "sizes": (2, 3), "steps": (2, 2)}),
    ("reverse", (3, 4), {"axes": (0, 1)}),
]


@pytest.mark.parametrize(("op", "shape", "attrs"), CASES, ids=lambda x: str(x))
@pytest.mark.parametrize("permuted", [False, True])
def test_same_elements(
    op: str, shape: tuple[int, ...], attrs: dict[str, Any], permuted: bool
) -> None:
    buffer = np.arange(200, dtype=np.float32)
    strides = contiguous_strides(shape)
    if permuted:  # column-major inside a larger buffer
        strides = contiguous_strides(shape[::-1])[::-1]
    operand = Storage("r", 7, strides)
    node = view(op, shape, **attrs)
    found = view_storage(node, operand)
    x = read(buffer, operand, shape)
    if found is None:
        assert permuted
        assert op == "reshape"
        return
    assert found.root == "r"
    np.testing.assert_array_equal(read(buffer, found, node.result.type.shape), run(op, x, **attrs))


def test_what_has_no_layout() -> None:
    assert view_storage(view("pad", (4,), padding=((1, 1),)), Storage("r", 0, (1,))) is None
    assert view_storage(view("concat", (4,), axis=0), Storage("r", 0, (1,))) is None
    assert view_storage(view("reshape", (4, 6), shape=(24,)), Storage("r", 0, (8, 1))) is None
    assert view_storage(view("neg", (4,)), Storage("r", 0, (1,))) is None


def as_strided(shape: tuple[int, ...], strides: tuple[int, ...], target: tuple[int, ...]) -> Any:
    """What numpy makes of the reshape without copying: its strides, or None."""
    size = 1 + sum((n - 1) * abs(s) for n, s in zip(shape, strides, strict=True))
    array = np.lib.stride_tricks.as_strided(
        np.arange(size, dtype=np.int8), shape, strides, writeable=False
    )
    result = array.view()
    try:
        result.shape = target
    except (AttributeError, ValueError):
        return None
    return result.strides


def factors(draw: Any, number: int) -> tuple[int, ...]:
    parts = []
    while number > 1:
        part = draw(st.sampled_from([d for d in range(2, number + 1) if number % d == 0]))
        parts.append(part)
        number //= part
    for _ in range(draw(st.integers(0, 2))):
        parts.insert(draw(st.integers(0, len(parts))), 1)
    return tuple(parts)


@given(st.data())
def test_reshape_strides_agree_with_numpy(data: st.DataObject) -> None:
    number = data.draw(st.sampled_from([1, 4, 6, 12, 24]))
    shape, target = factors(data.draw, number), factors(data.draw, number)
    order = data.draw(st.permutations(range(len(shape))))
    strides = [0] * len(shape)
    step = 1
    for axis in order:
        strides[axis] = step
        step *= shape[axis] * data.draw(st.sampled_from([1, 1, 2]))
    found = reshape_strides(shape, strides, target)
    expected = as_strided(shape, tuple(strides), target)
    assert (found is None) == (expected is None)
    if found is not None:
        kept = [i for i, d in enumerate(target) if d != 1]
        assert [found[i] for i in kept] == [expected[i] for i in kept]


def test_broadcast_dims_merge() -> None:
    assert reshape_strides((2, 3, 4), (0, 0, 1), (6, 4)) == (0, 1)
    assert reshape_strides((3, 4), (0, 1), (12,)) is None
    assert reshape_strides((0, 4), (4, 1), (2, 0)) == contiguous_strides((2, 0))


def test_symbolic() -> None:
    n, h = symbol("n", 1, 64), symbol("h", 8, 64, 8)
    storage = Storage("r", 0, contiguous_strides((n, 4, h)))
    assert view_storage(view("reshape", (n, 4, h), shape=(n, 4 * h)), storage) == Storage(
        "r", 0, (4 * h, 1)
    )
    split = view_storage(view("reshape", (n, 4, h), shape=(n * 4, h // 8, 8)), storage)
    assert split == Storage("r", 0, (h, 8, 1))
    cut = view_storage(
        view("slice", (n, 4, h), starts=(0, 1, 0), sizes=(n, 2, h), steps=(1, 1, 1)), storage
    )
    assert cut == Storage("r", h, (4 * h, h, 1))
    strided = Storage("r", 0, (8 * h, h, 1))
    assert view_storage(view("reshape", (n, 4, h), shape=(n, 4 * h)), strided) == Storage(
        "r", 0, (8 * h, 1)
    )
    assert view_storage(view("reshape", (n, 4, h), shape=(n * 4, h)), strided) is None


def test_is_contiguous() -> None:
    assert is_contiguous(Tensor(f32, (2, 1, 3)), Storage("r", 5, (3, 99, 1)))
    assert not is_contiguous(Tensor(f32, (2, 3)), Storage("r", 0, (1, 2)))
