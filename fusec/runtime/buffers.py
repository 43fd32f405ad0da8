"""The memory of one run: the arena, the weights, the caller's inputs, and fresh outputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from fusec.errors import EnvironmentProblem, InternalError
from fusec.ir.graph import Graph, Value
from fusec.ir.lazy import torch
from fusec.ir.storage import ARENA, OUTPUT, MemoryPlan
from fusec.ir.sym import evaluate
from fusec.runtime.tensors import Array, array_of, bytes_of, flat, load, store, strided

if TYPE_CHECKING:
    from fusec.runtime.tensors import TorchTensor

POISON = 0xFF  # NaN in every float, -1 in signed integers


class Buffers:
    """Every root of a graph as a tensor of bytes on one device.

    The arena is allocated once (again only when symbols without bound need more), weights are
    uploaded once. `begin` starts a run with the caller's inputs.
    """

    def __init__(self, graph: Graph, memory: MemoryPlan, device: str) -> None:
        self.graph = graph
        self.memory = memory
        self.device = device
        self.env: dict[str, int] = {}
        self._arena = self._allocate(0)
        self._weights = self._upload_weights()
        self._roots: dict[str, TorchTensor] = {}
        self._spans: dict[str, tuple[int, int]] = {}
        if isinstance(memory.arena_bytes, int):
            self._arena = self._allocate(memory.arena_bytes)

    @property
    def arena_bytes(self) -> int:
        """Bytes of the arena as allocated."""
        return int(self._arena.numel())

    def begin(self, inputs: Mapping[str, Array], env: dict[str, int]) -> None:
        """Bind the caller's inputs (checked before) and place the arena's roots."""
        self.env = env
        size = evaluate(self.memory.arena_bytes, env)
        if size > self.arena_bytes:
            self._arena = self._allocate(size)
        self._roots = dict(self._weights)
        for value in self.graph.inputs:
            data = bytes_of(inputs[value.name], value.type.dtype)
            self._roots[self.graph.storages[value].root] = data.to(self.device)
        offsets = {name: evaluate(offset, env) for name, offset in self.memory.offsets}
        for life in self.memory.lifetimes:
            start = offsets[life.root]
            self._spans[life.root] = (start, start + evaluate(life.nbytes, env))

    def elements(self, value: Value) -> TorchTensor:
        """The whole root of a value as elements of its dtype: what a kernel's pointer is to."""
        return flat(self._root(self.graph.storages[value].root), value.type.dtype)

    def load(self, value: Value) -> TorchTensor:
        """The value, as the evaluator holds it."""
        return load(self._window(value), value.type.dtype)

    def store(self, value: Value, tensor: TorchTensor) -> None:
        """Write a value; what is a view of these buffers is copied first."""
        window = self._window(value)
        if tuple(tensor.shape) != tuple(window.shape):
            raise InternalError(
                f"%{value.name} has shape {list(tensor.shape)}, not {list(window.shape)}"
            )
        if tensor.untyped_storage().data_ptr() == window.untyped_storage().data_ptr():
            tensor = tensor.clone()
        store(window, tensor, value.type.dtype)

    def read(self, value: Value) -> Array:
        """The value as a numpy array of its own."""
        return array_of(self._window(value), value.type.dtype)

    def poison(self, time: int) -> None:
        """Fill all of the arena but what launch ``time`` may read."""
        live = [
            self._spans[life.root]
            for life in self.memory.lifetimes
            if life.start < time <= life.end
        ]
        at = 0
        for start, end in [*sorted(live), (self.arena_bytes, self.arena_bytes)]:
            if start > at:
                self._arena[at:start].fill_(POISON)
            at = max(at, end)

    def end(self) -> None:
        """Let go of the caller's buffers."""
        self._roots = {}

    def _window(self, value: Value) -> TorchTensor:
        storage = self.graph.storages[value]
        shape = [evaluate(d, self.env) for d in value.type.shape]
        strides = [evaluate(s, self.env) for s in storage.strides]
        return strided(self.elements(value), shape, strides, evaluate(storage.offset, self.env))

    def _root(self, name: str) -> TorchTensor:
        """A root's bytes; an output's are allocated when it is first used in a run."""
        root = self.graph.roots[name]
        if root.kind == ARENA:
            start, end = self._spans[name]
            return self._arena[start:end]
        if name not in self._roots:
            if root.kind != OUTPUT:
                raise InternalError(f"root {name} is used before it is bound")
            self._roots[name] = self._allocate(evaluate(root.nbytes, self.env))
        return self._roots[name]

    def _upload_weights(self) -> dict[str, TorchTensor]:
        weights: dict[str, TorchTensor] = {}
        for value in self.graph.values:
            data, root = value.constant, self.graph.storages[value].root
            if data is not None and root not in weights:
                weights[root] = bytes_of(data.array, value.type.dtype).to(self.device)
        return weights

    def _allocate(self, size: int) -> TorchTensor:
        """Bytes whose address is a multiple of the plan's alignment."""
        step = self.memory.alignment
        try:
            raw: TorchTensor = torch.empty(size + step, dtype=torch.uint8, device=self.device)
        except RuntimeError as error:  # torch has no one class for this
            hint = "free some memory, or run on another device"
            raise EnvironmentProblem(f"cannot allocate {size} bytes", hint=hint) from error
        start = -raw.data_ptr() % step
        return raw[start : start + size]
