"""Runs kernels in Triton's interpreter, on CPU tensors.

The generated module is compiled as the interpreter's own front end would do it (assignments become
tensors), with device functions as plain functions, and its program runs once per point of the grid.
The interpreter swaps parts of ``triton.language`` while it runs, so one kernel runs at a time.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from fusec.codegen.grid import check_config, grid_count
from fusec.codegen.interpreter_patch import Language, patched
from fusec.codegen.names import identifier
from fusec.codegen.printer import print_kernel
from fusec.codegen.source import LOCK
from fusec.errors import EnvironmentProblem, InternalError
from fusec.tile.kernel import Config
from fusec.tile.program import TileProgram

if TYPE_CHECKING:
    import torch


def launch_interpreted(
    program: TileProgram,
    name: str,
    config: Config,
    tensors: Mapping[str, torch.Tensor],
    symbols: Mapping[str, int],
) -> None:
    """Run one kernel, writing its results in place.

    ``tensors``: by buffer name, CPU tensors whose first element is element 0 of the root (offsets
    are part of the program's accesses). The source is printed here: text from a plan is never run.
    """
    check_config(program, config, symbols)
    function = _function(_printed(_Identity(program), name), identifier(name))
    buffers = (*program.operands, *program.results)
    arguments: list[Any] = [_pointer(tensors[b.name]) for b in buffers]
    arguments += [_integer(symbols[s.name], program.wide) for s in program.symbols]
    arguments += [config.tile(a.name) for a in program.axes if a.is_vector]
    count = grid_count(program, config, symbols)
    with LOCK, patched(function) as builder:
        builder.set_grid_dim(count, 1, 1)
        for point in range(count):
            builder.set_grid_idx(point, 0, 0)
            _run(function, arguments, name)


def _run(function: Callable[..., None], arguments: list[Any], name: str) -> None:
    try:
        function(*arguments)
    except Exception as error:
        raise InternalError(f"kernel {name} failed in the interpreter: {error}") from error


class _Identity:
    """A program as a cache key: equal programs may differ in print (0.0 and -0.0 are equal)."""

    def __init__(self, program: TileProgram) -> None:
        self.program = program

    def __hash__(self) -> int:
        return id(self.program)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Identity) and self.program is other.program


@lru_cache(maxsize=4096)
def _printed(key: _Identity, name: str) -> str:
    return print_kernel(key.program, name)


@lru_cache(maxsize=4096)
def _function(source: str, entry: str) -> Callable[..., None]:
    """The kernel's function, with assignments rewritten for the interpreter."""
    try:
        from triton.runtime import interpreter
    except ImportError as error:  # pragma: no cover - Triton is a dependency on Linux
        hint = "install triton, or use --device reference"
        raise EnvironmentProblem("the interpreter needs triton", hint=hint) from error
    tree = ast.parse(source)
    functions: list[ast.stmt] = []
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            node.decorator_list = []
            functions.append(interpreter.ASTTransformer().visit(node))
    module = ast.fix_missing_locations(ast.Module(functions, []))
    space: dict[str, Any] = {
        "tl": Language(interpreter.tl),
        "triton_language": interpreter.tl,  # where the interpreter looks for what to patch
        "interpreter_semantic": interpreter.interpreter_semantic,
    }
    exec(compile(module, f"<fusec kernel {entry}>", "exec"), space)  # noqa: S102 - our own text
    function: Callable[..., None] = space[entry]
    return function


def _pointer(tensor: torch.Tensor) -> Any:
    """The tensor's address as a Triton pointer."""
    import numpy as np
    import torch
    import triton.language as tl
    from triton.runtime.interpreter import TensorHandle
    from triton.runtime.jit import mangle_type

    if tensor.device.type != "cpu":
        raise ValueError("the interpreter runs on CPU tensors")
    if tensor.is_floating_point() and tensor.itemsize == 1:
        tensor = tensor.view(torch.uint8)  # kernels hold float8 as bits
    kind = tl.str_to_ty(mangle_type(tensor), None)
    handle = TensorHandle(np.array([tensor.data_ptr()], dtype=np.uint64), kind)
    return tl.tensor(handle, kind)


def _integer(value: int, wide: bool) -> Any:
    import numpy as np
    import triton.language as tl
    from triton.runtime.interpreter import TensorHandle

    kind = tl.int64 if wide else tl.int32
    data = np.array([value], dtype=np.int64 if wide else np.int32)
    return tl.tensor(TensorHandle(data, kind), kind)
