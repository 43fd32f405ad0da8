"""A plan ready to run."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from fusec.errors import UsageError
from fusec.ir.evaluate import bind_symbols
from fusec.ir.lazy import torch
from fusec.ir.types import from_numpy
from fusec.plan.plan import Launch, Plan, output_names
from fusec.runtime.buffers import Buffers
from fusec.runtime.devices import REFERENCE, choose_device
from fusec.runtime.executors import EXECUTORS, run_by_meaning
from fusec.runtime.kernels import reprint_kernels
from fusec.runtime.tensors import Array

# Called after a launch; the second argument reads the launch's results, by value name.
Observer = Callable[[Launch, Callable[[], dict[str, Array]]], None]


class Session:
    """A plan with its arena allocated and its weights uploaded, on one device.

    ``device``: auto, cuda, reference or interpreter; `device` then says which it is, and `reason`
    why. ``poison`` fills what a launch must not read with NaN before each: slow, for debugging.
    Raises UsageError for an unknown device, EnvironmentProblem for what is missing here.
    """

    def __init__(self, plan: Plan, device: str = "auto", *, poison: bool = False) -> None:
        chosen = choose_device(device)
        self.device = chosen.name
        self.reason = chosen.reason
        self.plan = plan if chosen.name == REFERENCE else reprint_kernels(plan)
        self._poison = poison
        self._run_kernel = EXECUTORS[chosen.name]
        self._kernels = {kernel.name: kernel for kernel in self.plan.kernels}
        self._nodes = self.plan.nodes
        self._buffers = Buffers(self.plan.graph, self.plan.memory, chosen.torch_name)
        self._lock = threading.Lock()

    @property
    def arena_bytes(self) -> int:
        """Bytes of the arena as allocated."""
        return self._buffers.arena_bytes

    def run(
        self,
        inputs: Mapping[str, Array],
        *,
        symbols: Mapping[str, int] = MappingProxyType({}),
        observe: Observer | None = None,
    ) -> dict[str, Array]:
        """The outputs by name. ``symbols``: values that no input's shape tells.

        UsageError names an input that is unknown, missing, or of a wrong dtype or shape, and a
        symbol out of its range. ``observe`` is called after each launch.
        """
        graph = self.plan.graph
        arrays = self._checked(inputs)
        env = bind_symbols(graph, [arrays[v.name].shape for v in graph.inputs], symbols)
        with self._lock, torch.inference_mode():
            self._buffers.begin(arrays, env)
            try:
                for time, launch in enumerate(self.plan.launches):
                    self._launch(time, launch)
                    if observe is not None:
                        observe(launch, lambda launch=launch: self._results(launch))  # type: ignore[misc]
                names = output_names(graph)
                return {
                    name: self._buffers.read(value)
                    for name, value in zip(names, graph.outputs, strict=True)
                }
            finally:
                self._buffers.end()

    def _launch(self, time: int, launch: Launch) -> None:
        if self._poison:
            self._buffers.poison(time)
        node = self._nodes[launch.node]
        if launch.kernel is None:
            run_by_meaning(node, self._buffers)
        else:
            self._run_kernel(self._kernels[launch.kernel], node, self._buffers)

    def _results(self, launch: Launch) -> dict[str, Array]:
        node = self._nodes[launch.node]
        return {value.name: self._buffers.read(value) for value in node.results}

    def _checked(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """The inputs as arrays, when they are those of the graph and of the right dtypes."""
        expected = {v.name: v.type for v in self.plan.graph.inputs}
        have = ", ".join(f"{name}: {type}" for name, type in expected.items())
        hint = f"the inputs are {have}" if expected else "the plan has no inputs"
        unknown = [name for name in inputs if name not in expected]
        if unknown:
            raise UsageError(f"there is no input {unknown[0]!r}", hint=hint)
        missing = [name for name in expected if name not in inputs]
        if missing:
            raise UsageError(f"input {missing[0]!r} is missing", hint=hint)
        arrays = {name: np.asarray(inputs[name]) for name in expected}
        for name, array in arrays.items():
            wanted = expected[name].dtype
            if array.dtype != wanted.numpy:
                raise UsageError(
                    f"input {name!r} is {_dtype_name(array)}, {wanted.name} is expected",
                    hint=f"convert it: {name}.astype({wanted.name!r})",
                )
        return arrays


def _dtype_name(array: Array) -> str:
    try:
        return from_numpy(array.dtype).name
    except KeyError:
        return str(array.dtype)
