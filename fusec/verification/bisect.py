"""Which pass, else which kernel, makes a plan's outputs wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fusec.ir.graph import Graph, Node, Value
from fusec.ir.sym import evaluate as evaluate_dim
from fusec.plan import Plan
from fusec.tile.kernel import INTERPRETER, Kernel
from fusec.verification.case import Case
from fusec.verification.compare import Comparison, compare_outputs
from fusec.verification.evaluate import IMPORT, PassCheck, PassMismatch

if TYPE_CHECKING:
    import torch

Advance = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Culprit:
    """What is wrong first. ``kind``: import, pass, kernel; none when each part alone is right."""

    kind: str
    name: str
    detail: str
    origins: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """For people."""
        if self.kind == "none":
            return f"no culprit: {self.detail}"
        which = "the import of the model" if self.kind == "import" else f"{self.kind} {self.name}"
        source = f"\n  from {', '.join(self.origins)}" if self.origins else ""
        return f"first wrong: {which}\n  {self.detail}{source}"

    def as_json(self) -> dict[str, Any]:
        """The same as data."""
        return {
            "kind": self.kind,
            "name": self.name,
            "detail": self.detail,
            "origins": list(self.origins),
        }


def find(
    plan: Plan, case: Case, model: Path, advance: Advance, rtol: float | None = None
) -> Culprit:
    """Run the plan's passes on ``model`` again, checking each; then each kernel alone."""
    wrong = find_pass(plan, case, model, advance, rtol)
    return (
        wrong
        or find_kernel(plan, case, advance)
        or Culprit(
            "none",
            "",
            "every pass and every kernel alone is right; storages or the runtime are not",
        )
    )


def find_pass(
    plan: Plan, case: Case, model: Path, advance: Advance, rtol: float | None = None
) -> Culprit | None:
    """The first pass after which the graph computes something else."""
    from fusec.frontend import load_model
    from fusec.passes.base import Options
    from fusec.passes.manager import PassManager
    from fusec.passes.registry import parse_spec
    from fusec.target import resolve

    stored = plan.options
    dims = {n: d if isinstance(d, int) else tuple(d) for n, d in stored["dims"].items()}
    shapes = {name: tuple(shape) for name, shape in stored["shapes"].items()}
    passes = parse_spec(",".join(stored["passes"]))
    options = Options(tuple(resolve(name) for name in plan.targets), stored["precision"])
    graph = load_model(model, shapes, dims)
    ran: list[str] = []

    def observe(_: Graph, record: Any) -> None:
        ran.append(record.name)
        advance(len(ran), len(passes), record.name)

    try:
        check = PassCheck(graph, case, rtol)
        PassManager(passes, options, check=check.after, observe=observe).run(graph)
    except PassMismatch as wrong:
        kind = "import" if wrong.pass_name == IMPORT else "pass"
        place = f"pass {len(ran) + 1} of {len(passes)}: " if kind == "pass" else ""
        return Culprit(kind, wrong.pass_name, f"{place}{wrong.message}")
    return None


def find_kernel(plan: Plan, case: Case, advance: Advance) -> Culprit | None:
    """The first launch whose kernel, on operands by the reference, gives something else."""
    from fusec.ir.evaluate import array_to_torch, bind_symbols, evaluate_node

    graph = plan.graph
    tensors = [array_to_torch(case.inputs[v.name], v.type.dtype) for v in graph.inputs]
    env = bind_symbols(graph, [tuple(t.shape) for t in tensors])
    values: dict[Value, torch.Tensor] = dict(zip(graph.inputs, tensors, strict=True))
    kernels = {n: k for k in plan.kernels for n in _nodes_of(plan, k)}
    for position, node in enumerate(graph.nodes):
        operands = [values[v] for v in node.operands]
        want = evaluate_node(node, operands, env)
        values.update(zip(node.results, want, strict=True))
        kernel = kernels.get(node.results[0].name)
        if kernel is not None:
            advance(position, len(graph), kernel.name)
            wrong = _compare_kernel(kernel, node, operands, want, env)
            if wrong is not None:
                detail = f"result %{wrong.name}: {wrong.reason}"
                return Culprit("kernel", kernel.name, detail, node.origins)
    return None


def _nodes_of(plan: Plan, kernel: Kernel) -> list[str]:
    return [launch.node for launch in plan.launches if launch.kernel == kernel.name]


def _compare_kernel(
    kernel: Kernel,
    node: Node,
    operands: list[torch.Tensor],
    want: tuple[torch.Tensor, ...],
    env: Mapping[str, int],
) -> Comparison | None:
    """The first result that the kernel gets wrong in the interpreter."""
    from fusec.codegen.interpret import launch_interpreted
    from fusec.ir.evaluate import to_numpy

    program = kernel.program
    buffers: dict[str, torch.Tensor] = {}
    for buffer, tensor in zip((*program.operands, *program.results), (*operands, *want)):
        buffers[buffer.name] = _flat(tensor, buffer.offset, buffer.strides, env)
    for buffer in program.results:
        buffers[buffer.name].zero_()
    launch_interpreted(program, kernel.name, kernel.config(INTERPRETER), buffers, env)
    for buffer, value, tensor in zip(program.results, node.results, want, strict=True):
        window = _window(buffers[buffer.name], tensor, buffer.offset, buffer.strides, env)
        got, right = ({value.name: to_numpy(t, value.type.dtype)} for t in (window, tensor))
        (verdict,) = compare_outputs(got, right, {}, "the reference semantics")
        if not verdict.ok:
            return verdict
    return None


def _flat(tensor: torch.Tensor, offset: Any, strides: Any, env: Mapping[str, int]) -> torch.Tensor:
    """A root that holds ``tensor`` at an offset and strides, in elements."""
    start = evaluate_dim(offset, env)
    steps = [evaluate_dim(s, env) for s in strides]
    reach = sum((n - 1) * s for n, s in zip(tensor.shape, steps)) if tensor.numel() else 0
    root = tensor.new_zeros(start + reach + 1)
    root.as_strided(tensor.shape, steps, start).copy_(tensor)
    return root


def _window(
    root: torch.Tensor, like: torch.Tensor, offset: Any, strides: Any, env: Mapping[str, int]
) -> torch.Tensor:
    steps = [evaluate_dim(s, env) for s in strides]
    return root.as_strided(like.shape, steps, evaluate_dim(offset, env)).contiguous()
