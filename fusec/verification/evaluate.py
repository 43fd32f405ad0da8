"""A graph's outputs by the reference semantics, and the check of every pass with them."""

from __future__ import annotations

from collections.abc import Mapping

from fusec.errors import CheckFailed
from fusec.ir.graph import Graph
from fusec.verification.case import Case
from fusec.verification.compare import Comparison, compare_outputs, tolerance_floor
from fusec.verification.tensors import Array


def evaluate(graph: Graph, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """Outputs by name, each op evaluated in torch on the CPU."""
    from fusec.ir.evaluate import array_to_torch, evaluate_graph, to_numpy

    tensors = {v.name: array_to_torch(inputs[v.name]) for v in graph.inputs}
    results = evaluate_graph(graph, tensors)
    return {name: to_numpy(t) for name, t in zip(output_names(graph), results, strict=True)}


def output_names(graph: Graph) -> list[str]:
    """The source model's names of the outputs, in order."""
    return graph.output_names or [v.name for v in graph.outputs]


class PassCheck:
    """Compares a graph after each pass with itself before it, and with the reference.

    ``tolerances`` of the first comparison are those of the case: folding rounds differently.
    """

    def __init__(self, graph: Graph, case: Case, rtol: float | None = None) -> None:
        self.case = case
        self.rtol = rtol
        self.last = evaluate(graph, case.inputs)
        wrong = [v for v in case.compare(self.last, rtol) if not v.ok]
        if wrong:
            raise CheckFailed(
                f"the imported graph differs from {case.reference} at {_text(wrong[0])}",
                hint="this is a bug in the import, not in a pass",
            )

    def after(self, name: str, graph: Graph) -> None:
        """CheckFailed, naming the pass, when it changed what the graph computes."""
        outputs = evaluate(graph, self.case.inputs)
        tolerances = {
            output: self.case.tolerances.get(output, tolerance_floor(array.dtype))
            for output, array in self.last.items()
        }
        before = compare_outputs(outputs, self.last, tolerances, "the graph before the pass")
        wrong = [v for v in (*before, *self.case.compare(outputs, self.rtol)) if not v.ok]
        if wrong:
            raise CheckFailed(
                f"pass {name} changed what the graph computes: {_text(wrong[0])}",
                hint=f"see what it did with `fusec explain MODEL --pass {name} --diff`, "
                f"or leave it out with --disable {name}",
            )
        self.last = outputs


def _text(verdict: Comparison) -> str:
    return f"output {verdict.name}: {verdict.reason} (reference: {verdict.reference})"
