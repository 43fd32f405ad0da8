"""How one launch runs: by the reference semantics, in Triton's interpreter, or on a GPU."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from fusec.errors import UsageError
from fusec.ir.evaluate import evaluate_graph, evaluate_node
from fusec.ir.graph import Node
from fusec.ir.sym import evaluate
from fusec.runtime.buffers import Buffers
from fusec.runtime.devices import CUDA, INTERPRETER, REFERENCE
from fusec.tile.kernel import INTERPRETER as INTERPRETER_TARGET
from fusec.tile.kernel import Config, Kernel

if TYPE_CHECKING:
    from fusec.runtime.tensors import TorchTensor

RunKernel = Callable[[Kernel, Node, Buffers], None]


def run_by_meaning(node: Node, buffers: Buffers) -> None:
    """Evaluate a node with torch and write its results into their storages."""
    operands = [buffers.load(v) for v in node.operands]
    if node.op.name == "fused":
        results = evaluate_graph(node.graphs[0], operands, buffers.env)
    else:
        results = evaluate_node(node, operands, buffers.env)
    for value, result in zip(node.results, results, strict=True):
        buffers.store(value, result)


def run_interpreted(kernel: Kernel, node: Node, buffers: Buffers) -> None:
    """Run a kernel in Triton's interpreter."""
    from fusec.codegen.interpret import launch_interpreted

    if _is_empty(node, buffers.env):
        return
    config = config_for(kernel, INTERPRETER_TARGET)
    tensors = kernel_tensors(kernel, node, buffers)
    launch_interpreted(kernel.program, kernel.name, config, tensors, buffers.env)


def run_on_cuda(kernel: Kernel, node: Node, buffers: Buffers) -> None:
    """Compile a kernel for the GPU at hand, once a process, and launch it."""
    from fusec.codegen import launch_cuda

    if _is_empty(node, buffers.env):
        return
    tensors = kernel_tensors(kernel, node, buffers)
    launch_cuda(kernel.program, kernel.name, cuda_config(kernel), tensors, buffers.env)


def config_for(kernel: Kernel, target: str) -> Config:
    """The config for a target; UsageError when the plan has none."""
    try:
        return kernel.config(target)
    except KeyError:
        raise UsageError(
            f"kernel {kernel.name} has no config for {target}",
            hint="write the plan again with `fusec optimize`",
        ) from None


def cuda_config(kernel: Kernel) -> Config:
    """The stored config for the GPU at hand, else the best candidate for it."""
    from fusec.target import resolve
    from fusec.tile.candidates import candidates

    target = resolve("native")
    for config in kernel.configs:
        if config.target == target.name:
            return config
    return candidates(kernel.program, target)[0].config


def kernel_tensors(kernel: Kernel, node: Node, buffers: Buffers) -> dict[str, TorchTensor]:
    """The roots that a kernel's pointers are to, by buffer name."""
    program = kernel.program
    values = (*node.operands, *node.results)
    names = [buffer.name for buffer in (*program.operands, *program.results)]
    return {name: buffers.elements(value) for name, value in zip(names, values, strict=True)}


def _is_empty(node: Node, env: Mapping[str, int]) -> bool:
    """Whether there is nothing to compute for these values of the symbols."""
    return all(evaluate(value.type.numel, env) == 0 for value in node.results)


def _by_meaning(kernel: Kernel, node: Node, buffers: Buffers) -> None:  # noqa: ARG001
    run_by_meaning(node, buffers)


EXECUTORS: dict[str, RunKernel] = {
    REFERENCE: _by_meaning,
    INTERPRETER: run_interpreted,
    CUDA: run_on_cuda,
}
