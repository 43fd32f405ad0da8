"""What a plan holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from numpy.typing import NDArray

from fusec.errors import InternalError
from fusec.ir.graph import Graph, Node
from fusec.ir.launches import launch_nodes
from fusec.ir.storage import MemoryPlan
from fusec.tile.kernel import Kernel

Array = NDArray[Any]


class LaunchKind(Enum):
    """What one launch runs: a generated kernel, a library operator, or nested graphs."""

    KERNEL = "kernel"
    EXTERN = "extern"
    CONTROL = "control"


@dataclass(frozen=True)
class Launch:
    """One step of a run. ``node``: the name of the node's first result; ``kernel``: by name."""

    kind: LaunchKind
    node: str
    kernel: str | None = None


@dataclass(frozen=True)
class Golden:
    """Seeded inputs and the source model's outputs, computed by an independent tool.

    ``tolerances``: relative L2 by output name, from the tool's own error.
    """

    inputs: Mapping[str, Array]
    outputs: Mapping[str, Array]
    tool: str
    version: str
    seed: int
    tolerances: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Plan:
    """A compiled model: all that is needed to run, check and explain it; nothing in it executes.

    ``options``: JSON data of the compile options. ``targets``: names of those with binaries.
    ``trace``: one JSON record for each pass. ``producer``: versions by package name.
    ``summary``: figures of the compilation that the graph alone does not tell (JSON data).
    """

    graph: Graph
    kernels: tuple[Kernel, ...]
    launches: tuple[Launch, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    targets: tuple[str, ...] = ()
    golden: Golden | None = None
    trace: tuple[Mapping[str, Any], ...] = ()
    producer: Mapping[str, str] = field(default_factory=dict)
    summary: Mapping[str, Any] = field(default_factory=dict)

    @property
    def memory(self) -> MemoryPlan:
        """The offsets of the arena's roots."""
        if self.graph.memory is None:
            raise InternalError("the graph of a plan has no memory plan: plan-memory did not run")
        return self.graph.memory

    def kernel(self, name: str) -> Kernel:
        """The kernel of that name; KeyError if there is none."""
        for kernel in self.kernels:
            if kernel.name == name:
                return kernel
        raise KeyError(name)

    @property
    def nodes(self) -> Mapping[str, Node]:
        """The nodes that launches name."""
        return {node.results[0].name: node for node in launch_nodes(self.graph)}


def output_names(graph: Graph) -> tuple[str, ...]:
    """The names of the graph's outputs: those of the source model, else of the values."""
    values = [v.name for v in graph.outputs]
    return tuple(graph.output_names) + tuple(values[len(graph.output_names) :])


def make_launches(graph: Graph, kernels: Mapping[str, str]) -> tuple[Launch, ...]:
    """The launches of a graph in order; ``kernels``: kernel name by the name of the node."""
    return tuple(_launch(node, kernels) for node in launch_nodes(graph))


def _launch(node: Node, kernels: Mapping[str, str]) -> Launch:
    name = node.results[0].name
    if name in kernels:
        return Launch(LaunchKind.KERNEL, name, kernels[name])
    nested = bool(node.graphs) and node.op.name != "fused"
    return Launch(LaunchKind.CONTROL if nested else LaunchKind.EXTERN, name)
