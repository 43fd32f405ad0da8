"""Short form of an op's declaration: one result, no nested graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from fusec.ir.op import Attribute, Attrs, Family, Flops, Op, register
from fusec.ir.sym import Dim
from fusec.ir.types import Tensor

if TYPE_CHECKING:
    from fusec.ir.graph import Graph

Rule = Callable[[Sequence[Tensor], Attrs], Tensor]  # operand types, attributes: the result's type
Compute = Callable[[Sequence[Any], Attrs], Any]  # torch tensors, attributes: the result


def declare(
    name: str,
    family: Family,
    operands: tuple[str, ...],
    attributes: tuple[Attribute, ...],
    rule: Rule,
    compute: Compute,
    flops: Flops,
    *,
    doc: str = "",
    **traits: bool,
) -> Op:
    """Register an op with one result from its inference rule and its meaning in torch."""

    def infer(
        types: Sequence[Tensor],
        attrs: Attrs,
        graphs: Sequence[Graph],  # noqa: ARG001
    ) -> tuple[Tensor, ...]:
        return (rule(types, attrs),)

    def evaluate(
        values: Sequence[Any],
        attrs: Attrs,
        graphs: Sequence[Callable[..., tuple[Any, ...]]],  # noqa: ARG001
    ) -> tuple[Any, ...]:
        return (compute(values, attrs),)

    op = Op(name, family, operands, attributes, infer, evaluate, flops, **traits, doc=doc)
    return register(op)


def no_flops(
    types: Sequence[Tensor],  # noqa: ARG001
    results: Sequence[Tensor],  # noqa: ARG001
    attrs: Attrs,  # noqa: ARG001
) -> Dim:
    """Of ops that only move data."""
    return 0


def one_per_result(
    types: Sequence[Tensor],  # noqa: ARG001
    results: Sequence[Tensor],
    attrs: Attrs,  # noqa: ARG001
) -> Dim:
    """One operation for each element of the result."""
    return results[0].numel


def one_per_operand(
    types: Sequence[Tensor],
    results: Sequence[Tensor],  # noqa: ARG001
    attrs: Attrs,  # noqa: ARG001
) -> Dim:
    """One operation for each element of the first operand."""
    return types[0].numel
