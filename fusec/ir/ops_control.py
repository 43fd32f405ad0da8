"""Ops with nested graphs: if, loop, fused; and extern, a call of one library operator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fusec.ir import infer as t
from fusec.ir.declare import no_flops
from fusec.ir.externs import get_extern
from fusec.ir.lazy import torch
from fusec.ir.op import Attribute, Attrs, Bodies, Family, Kind, Op, register
from fusec.ir.sym import Dim
from fusec.ir.types import Tensor, bool_, i64

if TYPE_CHECKING:
    from fusec.ir.graph import Graph


def _check_inputs(types: Sequence[Tensor], graph: Graph) -> None:
    inputs = [v.type for v in graph.inputs]
    if len(inputs) != len(types):
        raise ValueError(f"graph {graph.name} has {len(inputs)} inputs, not {len(types)}")
    for index, (given, wanted) in enumerate(zip(types, inputs, strict=True)):
        if given != wanted:
            raise ValueError(f"input {index} of graph {graph.name} is {wanted}, not {given}")


def _outputs(graph: Graph) -> tuple[Tensor, ...]:
    return tuple([v.type for v in graph.outputs])


def _check_graphs(graphs: Sequence[Graph], count: int) -> None:
    if len(graphs) != count:
        raise ValueError(f"needs {count} graphs, not {len(graphs)}")


# -- fused ---------------------------------------------------------------------------------------


def _infer_fused(
    types: Sequence[Tensor],
    attrs: Attrs,  # noqa: ARG001
    graphs: Sequence[Graph],
) -> tuple[Tensor, ...]:
    _check_graphs(graphs, 1)
    _check_inputs(types, graphs[0])
    return _outputs(graphs[0])


def _evaluate_fused(operands: Sequence[Any], attrs: Attrs, graphs: Bodies) -> tuple[Any, ...]:  # noqa: ARG001
    return graphs[0](*operands)


register(
    Op(
        "fused",
        Family.FUSED,
        ("*operands",),
        (),
        _infer_fused,
        _evaluate_fused,
        no_flops,
        graphs=1,
        doc="the ops of one kernel; means what its body means",
    )
)

# -- if ------------------------------------------------------------------------------------------


def _infer_if(types: Sequence[Tensor], attrs: Attrs, graphs: Sequence[Graph]) -> tuple[Tensor, ...]:  # noqa: ARG001
    t.check_scalar(types[0], bool_, "condition")
    _check_graphs(graphs, 2)
    for graph in graphs:
        _check_inputs(types[1:], graph)
    if _outputs(graphs[0]) != _outputs(graphs[1]):
        raise ValueError("the branches have different results")
    return _outputs(graphs[0])


def _evaluate_if(operands: Sequence[Any], attrs: Attrs, graphs: Bodies) -> tuple[Any, ...]:  # noqa: ARG001
    return graphs[0 if bool(operands[0]) else 1](*operands[1:])


register(
    Op(
        "if",
        Family.CONTROL,
        ("cond", "*captures"),
        (),
        _infer_if,
        _evaluate_if,
        no_flops,
        graphs=2,
        doc="the first graph where cond holds, else the second",
    )
)

# -- loop ----------------------------------------------------------------------------------------


def _infer_loop(
    types: Sequence[Tensor], attrs: Attrs, graphs: Sequence[Graph]
) -> tuple[Tensor, ...]:
    t.check_scalar(types[0], i64, "trip")
    t.check_scalar(types[1], bool_, "cond")
    _check_graphs(graphs, 1)
    carried = attrs["carried"]
    if not 0 <= carried <= len(types) - 2:
        raise ValueError(f"carried {carried} is not in [0, {len(types) - 2}]")
    _check_inputs((Tensor(i64, ()), *types[1:]), graphs[0])
    outputs = _outputs(graphs[0])
    if len(outputs) < 1 + carried:
        raise ValueError(f"graph {graphs[0].name} has {len(outputs)} outputs, needs {1 + carried}")
    t.check_scalar(outputs[0], bool_, "the first output")
    for given, kept in zip(types[2 : 2 + carried], outputs[1:], strict=False):
        if given != kept:
            raise ValueError(f"a carried value changes from {given} to {kept}")
    return (*outputs[1 : 1 + carried], *_stacked(outputs[1 + carried :], attrs["length"]))


def _stacked(scans: Sequence[Tensor], length: Dim | None) -> list[Tensor]:
    if length is None:
        if scans:
            raise ValueError("stacked results need attribute length, the number of iterations")
        return []
    t.check_natural([length], "length")
    return [Tensor(s.dtype, (length, *s.shape)) for s in scans]


def _evaluate_loop(operands: Sequence[Any], attrs: Attrs, graphs: Bodies) -> tuple[Any, ...]:
    trip, going, carried = int(operands[0]), operands[1], attrs["carried"]
    state, captures = tuple(operands[2 : 2 + carried]), tuple(operands[2 + carried :])
    stacks: list[tuple[Any, ...]] = []
    iteration = 0
    while iteration < trip and bool(going):
        going, *rest = graphs[0](torch.tensor(iteration), going, *state, *captures)
        state, scans = tuple(rest[:carried]), tuple(rest[carried:])
        stacks.append(scans)
        iteration += 1
    if attrs["length"] is None:
        return state
    if attrs["length"] != iteration:
        raise ValueError(f"loop of length {attrs['length']} ran {iteration} times")
    return (*state, *_stack(stacks))


def _stack(stacks: Sequence[tuple[Any, ...]]) -> list[Any]:
    """Results stacked on a new leading dim."""
    return [torch.stack(column) for column in zip(*stacks, strict=True)]


register(
    Op(
        "loop",
        Family.CONTROL,
        ("trip", "cond", "*operands"),
        (Attribute("carried", Kind.INT), Attribute("length", Kind.DIM, None)),
        _infer_loop,
        _evaluate_loop,
        no_flops,
        graphs=1,
        doc="runs its graph up to trip times while cond holds; then carried values, stacked scans",
    )
)

# -- extern --------------------------------------------------------------------------------------


def _infer_extern(
    types: Sequence[Tensor],
    attrs: Attrs,
    graphs: Sequence[Graph],  # noqa: ARG001
) -> tuple[Tensor, ...]:
    return get_extern(attrs["function"]).infer(types, attrs)


def _evaluate_extern(operands: Sequence[Any], attrs: Attrs, graphs: Bodies) -> tuple[Any, ...]:  # noqa: ARG001
    return get_extern(attrs["function"]).evaluate(operands, attrs)


def _extern_flops(types: Sequence[Tensor], results: Sequence[Tensor], attrs: Attrs) -> Dim:
    return get_extern(attrs["function"]).flops(types, results, attrs)


register(
    Op(
        "extern",
        Family.EXTERN,
        ("*operands",),
        (
            Attribute("function", Kind.STR),
            Attribute("arguments", Kind.MAP, ()),
            Attribute("dims", Kind.DIMS, ()),
        ),
        _infer_extern,
        _evaluate_extern,
        _extern_flops,
        doc="one call of a library operator of the closed table; dims: those that depend on data",
    )
)
