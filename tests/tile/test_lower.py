"""Lowering, with no device: programs run whole by `tests.tile.simulate`, against torch eager."""

from __future__ import annotations

import pytest
import torch

from fusec.ir import Graph, GraphBuilder, Tensor, f32
from fusec.ir.sym import symbol
from fusec.tile.lower import lower
from fusec.tile.program import Refusal, TileProgram
from tests.tile.bodies import CASES, Case, conv_attrs, softmax
from tests.tile.simulate import simulate


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_program_computes_what_torch_computes(case: Case) -> None:
    program = lower(case.graph())
    assert isinstance(program, TileProgram), program
    assert program.kind == case.kind
    operands = case.operands()
    for found, wanted in zip(simulate(program, operands), case.eager(*operands), strict=True):
        torch.testing.assert_close(found, wanted, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_names_are_unique_and_defined_before_use(case: Case) -> None:
    program = lower(case.graph())
    assert isinstance(program, TileProgram)
    names = [s.name for s in program.statements]
    assert len(set(names)) == len(names)
    assert not set(names) & {a.name for a in program.axes}


def refused(graph: Graph) -> str:
    result = lower(graph)
    assert isinstance(result, Refusal), result
    return result.code


def body(*types: Tensor) -> tuple[Graph, GraphBuilder]:
    graph = Graph("body")
    for index, type in enumerate(types):
        graph.add_input(f"in{index}", type)
    return graph, GraphBuilder(graph)


def test_two_contractions_are_refused() -> None:
    graph, b = body(Tensor(f32, (1, 8, 4, 4)), Tensor(f32, (8, 8, 3, 3)))
    x, w = graph.inputs
    attrs = conv_attrs(pad=1)
    graph.set_outputs([b.op("conv", b.op("conv", x, w, **attrs), w, **attrs)])
    assert refused(graph) == "two-contractions"


def test_two_matmuls_with_wide_rows_are_refused() -> None:
    graph, b = body(Tensor(f32, (8, 512)), Tensor(f32, (512, 8)), Tensor(f32, (8, 8)))
    x, y, z = graph.inputs
    graph.set_outputs([b.op("matmul", b.op("matmul", x, y), z)])
    assert refused(graph) == "two-contractions"


def test_rows_of_different_length_are_refused() -> None:
    graph, b = body(Tensor(f32, (16, 8)), Tensor(f32, (16, 4)))
    sums = [b.op("reduce_sum", v, axes=(1,)) for v in graph.inputs]
    graph.set_outputs([b.op("add", *sums)])
    assert refused(graph) == "different-reduction-extents"


def test_a_reduction_of_rows_already_reduced_is_refused() -> None:
    graph, b = body(Tensor(f32, (8, 16)))
    (x,) = graph.inputs
    graph.set_outputs([b.op("reduce_sum", b.op("reduce_sum", x, axes=(1,)), axes=(0,))])
    assert refused(graph) == "different-iteration-spaces"


def test_normalising_along_another_axis_is_refused() -> None:
    graph, b = body(Tensor(f32, (16, 16)))
    graph.set_outputs([softmax(b, softmax(b, graph.inputs[0], 0), 1)])
    assert refused(graph) in ("reduction-order", "different-reduction-extents")


def test_results_on_different_spaces_are_refused() -> None:
    graph, b = body(Tensor(f32, (8, 16)), Tensor(f32, (4, 4)))
    x, y = graph.inputs
    graph.set_outputs([b.op("neg", x), b.op("neg", y)])
    assert refused(graph) == "different-iteration-spaces"


def test_a_weight_inside_the_body_is_refused() -> None:
    import numpy as np

    graph, b = body(Tensor(f32, (3,)))
    graph.set_outputs([b.op("add", graph.inputs[0], b.constant(np.ones(3, np.float32), "w"))])
    assert refused(graph) == "constant-inside"


def test_an_empty_result_is_refused() -> None:
    graph, b = body(Tensor(f32, (0, 3)))
    graph.set_outputs([b.op("neg", graph.inputs[0])])
    assert refused(graph) == "empty-result"


@pytest.mark.parametrize("batch", [1, 3, 8])
def test_symbolic_batch(batch: int) -> None:
    size = symbol("batch", lo=1, hi=64)
    graph, b = body(Tensor(f32, (size, 3, 6, 6)), Tensor(f32, (4, 3, 3, 3)))
    conv = b.op(
        "conv", *graph.inputs, strides=(1, 1), padding=((1, 1),) * 2, dilations=(1, 1), groups=1
    )
    graph.set_outputs([b.op("maximum", conv, b.literal(0.0, f32))])
    program = lower(graph)
    assert isinstance(program, TileProgram), program
    assert [s.name for s in program.symbols] == ["batch"]
    x, w = torch.randn(batch, 3, 6, 6), torch.randn(4, 3, 3, 3)
    (found,) = simulate(program, [x, w], {"batch": batch})
    torch.testing.assert_close(
        found, torch.relu(torch.conv2d(x, w, padding=1)), rtol=1e-5, atol=1e-5
    )


def test_symbols_named_as_axes_or_ops_do_not_collide() -> None:
    m, k, exp = (symbol(name, lo=2, hi=64) for name in ("m", "k", "exp"))
    graph, b = body(Tensor(f32, (m, k)), Tensor(f32, (k, exp)))
    x, w = graph.inputs
    graph.set_outputs([b.op("exp", b.op("matmul", x, w))])
    program = lower(graph)
    assert isinstance(program, TileProgram), program
    assert [s.name for s in program.symbols] == ["exp", "k", "m"]
    left, right = torch.randn(5, 7), torch.randn(7, 3)
    (found,) = simulate(program, [left, right], {"m": 5, "k": 7, "exp": 3})
    torch.testing.assert_close(found, (left @ right).exp(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("length", [1, 5, 128])
def test_symbolic_rows_and_row_length(length: int) -> None:
    size = symbol("seq", lo=1, hi=512)
    graph, b = body(Tensor(f32, (2, size, size)))
    graph.set_outputs([softmax(b, graph.inputs[0], 2)])
    program = lower(graph)
    assert isinstance(program, TileProgram), program
    x = torch.randn(2, length, length)
    (found,) = simulate(program, [x], {"seq": length})
    torch.testing.assert_close(found, x.softmax(2), rtol=1e-5, atol=1e-5)


def test_contiguous_accesses_are_recognised() -> None:
    graph, b = body(Tensor(f32, (4, 8, 16, 16)), Tensor(f32, (8, 1, 1)))
    graph.set_outputs([b.op("add", *graph.inputs)])
    program = lower(graph)
    assert isinstance(program, TileProgram)
    offsets = [str(getattr(s, "offset", "")) for s in program.statements]
    assert offsets == ["x", "(x // 256) % 8", "", "x"]


def test_int64_offsets_are_asked_for() -> None:
    graph, b = body(Tensor(f32, (3, 1 << 30)))
    graph.set_outputs([b.op("neg", graph.inputs[0])])
    program = lower(graph)
    assert isinstance(program, TileProgram)
    assert program.wide


def test_reversed_pairs_of_a_symbolic_extent_divide_towards_minus_infinity() -> None:
    size = symbol("size", lo=1)
    graph, b = body(Tensor(f32, (size, 3)))
    y = b.op("slice", graph.inputs[0], starts=(0, 0), sizes=(size, 3), steps=(1, 1))
    graph.set_outputs([b.op("reverse", b.op("reshape", y, shape=(size * 3,)), axes=(0,))])
    program = lower(graph)
    assert isinstance(program, TileProgram), program
    x = torch.randn(4, 3)
    (found,) = simulate(program, [x], {"size": 4})
    torch.testing.assert_close(found, x.reshape(-1).flip(0))


def test_bounds_of_a_reader_are_no_bounds_of_the_elements_summed() -> None:
    graph, b = body(Tensor(f32, (12, 16)))
    (x,) = graph.inputs
    scaled = b.op("mul", x, b.op("reshape", b.op("reduce_sum", x, axes=(1,)), shape=(12, 1)))
    part = b.op("slice", scaled, starts=(0, 0), sizes=(11, 15), steps=(1, 1))
    shifted = b.op("pad", part, padding=((1, 0), (1, 0)), value=0.25)
    graph.set_outputs([b.op("add", scaled, shifted)])
    program = lower(graph)
    assert isinstance(program, TileProgram), program
    data = torch.randn(12, 16)
    wanted = data * data.sum(1, keepdim=True)
    moved = torch.nn.functional.pad(wanted[:11, :15], (1, 0, 1, 0), value=0.25)
    (found,) = simulate(program, [data])
    torch.testing.assert_close(found, wanted + moved, rtol=1e-5, atol=1e-5)
