"""Compiles a kernel for the GPU at hand and launches it there, by Triton's own launcher."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from fusec.codegen.compile import compile_options
from fusec.codegen.grid import check_config, grid_count
from fusec.codegen.printer import print_kernel
from fusec.codegen.source import LOCK, load_function
from fusec.target import resolve
from fusec.tile.kernel import Config
from fusec.tile.program import TileProgram

if TYPE_CHECKING:
    import torch


def launch_cuda(
    program: TileProgram,
    name: str,
    config: Config,
    tensors: Mapping[str, torch.Tensor],
    symbols: Mapping[str, int],
) -> None:
    """Run one kernel on the current stream, writing its results in place.

    ``tensors``: by buffer name, GPU tensors whose first element is element 0 of the root. The first
    call compiles, into Triton's cache.
    """
    check_config(program, config, symbols)
    buffers = (*program.operands, *program.results)
    arguments: list[Any] = [_bits(tensors[b.name]) for b in buffers]
    arguments += [symbols[s.name] for s in program.symbols]
    tiles = {a.block: config.tile(a.name) for a in program.axes if a.is_vector}
    options = compile_options(resolve("native"), config)
    with LOCK:
        function = _function(print_kernel(program, name), name)
        function[(grid_count(program, config, symbols),)](*arguments, **tiles, **options)


def _bits(tensor: torch.Tensor) -> torch.Tensor:
    """Kernels hold float8 as bits."""
    import torch

    is_float8 = tensor.is_floating_point() and tensor.itemsize == 1
    return tensor.view(torch.uint8) if is_float8 else tensor


@lru_cache(maxsize=4096)
def _function(source: str, name: str) -> Any:
    return load_function(source, name)
