"""A graph's outputs by the reference semantics, and the check of every pass with them."""

from __future__ import annotations

from collections.abc import Mapping

from fusec.errors import CheckFailed
from fusec.ir.graph import Graph
from fusec.plan.plan import output_names
from fusec.verification.case import Case
from fusec.verification.compare import Comparison, compare_outputs, tolerance_floor
from fusec.verification.tensors import Array

IMPORT = ""  # the name of the pass before the first


class PassMismatch(CheckFailed):
    """A pass changed what the graph computes. ``pass_name`` is empty when the import is wrong."""

    def __init__(self, pass_name: str, verdict: Comparison) -> None:
        detail = f"output {verdict.name}: {verdict.reason} (reference: {verdict.reference})"
        if pass_name == IMPORT:
            message = f"the imported graph does not compute what the model does: {detail}"
            hint = "this is a bug in the import, not in a pass"
        else:
            message = f"pass {pass_name} changed what the graph computes: {detail}"
            hint = (
                f"see what it did with `fusec explain MODEL --pass {pass_name} --diff`, "
                f"or leave it out with --disable {pass_name}"
            )
        super().__init__(message, hint=hint)
        self.pass_name = pass_name
        self.verdict = verdict


def evaluate(graph: Graph, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """Outputs by name, each op evaluated in torch on the CPU."""
    from fusec.ir.evaluate import array_to_torch, evaluate_graph, to_numpy

    tensors = {v.name: array_to_torch(inputs[v.name], v.type.dtype) for v in graph.inputs}
    results = evaluate_graph(graph, tensors)
    named = zip(output_names(graph), graph.outputs, results, strict=True)
    return {name: to_numpy(tensor, value.type.dtype) for name, value, tensor in named}


class PassCheck:
    """Compares a graph after each pass with itself before it, and with the reference.

    The tolerances are those of the case in both comparisons: folding rounds differently.
    PassMismatch, from the constructor too, names the first pass that is wrong.
    """

    def __init__(self, graph: Graph, case: Case, rtol: float | None = None) -> None:
        self.case = case
        self.rtol = rtol
        self.last = evaluate(graph, case.inputs)
        self._raise_for(IMPORT, case.compare(self.last, rtol))

    def after(self, graph: Graph, name: str) -> None:
        """Check the graph after pass ``name`` changed it."""
        outputs = evaluate(graph, self.case.inputs)
        tolerances = {
            output: self.case.tolerances.get(output, tolerance_floor(array.dtype))
            for output, array in self.last.items()
        }
        before = compare_outputs(outputs, self.last, tolerances, "the graph before the pass")
        self._raise_for(name, (*before, *self.case.compare(outputs, self.rtol)))
        self.last = outputs

    def _raise_for(self, name: str, verdicts: tuple[Comparison, ...]) -> None:
        wrong = [v for v in verdicts if not v.ok]
        if wrong:
            raise PassMismatch(name, wrong[0])
