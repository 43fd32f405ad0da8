"""Ahead-of-time compilation of one kernel for one target; needs no GPU.

Deterministic: no line information, every option explicit, nothing of the folder or the time in the
binary. Triton's on-disk cache is not used.
"""

from __future__ import annotations

import contextlib
import io
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fusec.codegen.grid import grid_size
from fusec.codegen.names import identifier
from fusec.codegen.printer import print_kernel
from fusec.codegen.source import (
    LOCK,
    arguments_of,
    constants,
    divisibility,
    load_function,
    signature,
)
from fusec.errors import InternalError
from fusec.target import CUDA, Target
from fusec.tile.kernel import Argument, Binary, Config, Resources
from fusec.tile.program import TileProgram


@dataclass(frozen=True)
class Compiled:
    """A binary and the assembly it was made from (PTX or AMDGCN)."""

    binary: Binary
    assembly: str


def compile_options(target: Target, config: Config) -> dict[str, Any]:
    """Every option of the backend that changes code, explicitly."""
    options: dict[str, Any] = {
        "num_warps": config.num_warps,
        "num_stages": config.num_stages,
        "num_ctas": 1,
        "enable_fp_fusion": True,
        "launch_cooperative_grid": False,
        "debug": False,
        "sanitize_overflow": False,
    }
    if target.kind == CUDA:
        # Subnormals are kept: libdevice functions must not flush them either.
        return options | {"enable_reflect_ftz": False, "launch_pdl": False}
    return options | {
        "waves_per_eu": 0,
        "matrix_instr_nonkdim": 0,
        "kpack": 1,
        "allow_flush_denorm": False,
        "schedule_hint": "none",
    }


def compile_kernel(program: TileProgram, name: str, target: Target, config: Config) -> Binary:
    """Compile one kernel with one config; spills are reported, not refused."""
    return compile_with_assembly(program, name, target, config).binary


def compile_with_assembly(
    program: TileProgram, name: str, target: Target, config: Config
) -> Compiled:
    """Like `compile_kernel`, with the assembly for those who want to read it."""
    options = compile_options(target, config)
    source = print_kernel(program, name)
    with LOCK, _quiet() as log:
        compiled = _compile(source, name, program, target, config, options)
    assembly = compiled.asm["ptx" if target.kind == CUDA else "amdgcn"]
    shared = int(compiled.metadata.shared)
    resources = (_ptxas_resources if target.kind == CUDA else _amd_resources)(
        log.getvalue() if target.kind == CUDA else assembly, shared
    )
    binary = Binary(
        target=target.name,
        format="cubin" if target.kind == CUDA else "hsaco",
        data=bytes(compiled.kernel),
        entry=compiled.metadata.name,
        arguments=arguments_of(program) + _hidden(assembly, program, target),
        grid=grid_size(program, config),
        num_warps=int(compiled.metadata.num_warps),
        shared_bytes=shared,
        resources=resources,
        config=config,
        options=tuple((k, str(v)) for k, v in sorted(options.items())),
    )
    return Compiled(binary, assembly)


def _compile(
    source: str,
    name: str,
    program: TileProgram,
    target: Target,
    config: Config,
    options: dict[str, Any],
) -> Any:
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    function = load_function(source, name)
    ast_source = ASTSource(
        function, signature(program), constants(program, config), divisibility(program)
    )
    gpu = GPUTarget(target.kind, target.arch, target.warp_size)
    try:
        return triton.compile(ast_source, target=gpu, options=options)
    except Exception as error:
        what = f"{identifier(name)} does not compile for {target.name} with {dict(config.tiles)}"
        raise InternalError(f"{what}: {error}") from error


@contextlib.contextmanager
def _quiet() -> Iterator[io.StringIO]:
    """Triton's settings for reproducible compilation; yields what the assembler reports."""
    from triton import knobs

    log = io.StringIO()
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="fusec-triton-"))
        stack.enter_context(knobs.compilation.scope())
        stack.enter_context(knobs.cache.scope())
        stack.enter_context(knobs.nvidia.scope())
        knobs.compilation.disable_line_info = True
        knobs.compilation.always_compile = True
        knobs.compilation.override = False
        knobs.compilation.dump_ir = False
        knobs.cache.dir = folder
        knobs.nvidia.dump_ptxas_log = True
        stack.enter_context(contextlib.redirect_stdout(log))
        yield log


# ------------------------------------------------------------------------------- resources


def _ptxas_resources(log: str, shared: int) -> Resources:
    registers = [int(n) for n in re.findall(r"Used (\d+) registers", log)]
    spills = re.findall(r"(\d+) bytes spill stores, (\d+) bytes spill loads", log)
    if not registers:
        raise InternalError("ptxas did not report registers")
    return Resources(max(registers), sum(int(a) + int(b) for a, b in spills), shared)


def _amd_resources(assembly: str, shared: int) -> Resources:
    registers = _amd_field(assembly, "vgpr_count") + _amd_field(assembly, "agpr_count")
    lanes = _amd_field(assembly, "vgpr_spill_count")
    return Resources(registers, 4 * lanes, shared)


def _amd_field(assembly: str, name: str) -> int:
    found = re.search(rf"\.{name}:\s*(\d+)", assembly)
    return int(found.group(1)) if found else 0


def _hidden(assembly: str, program: TileProgram, target: Target) -> tuple[Argument, ...]:
    """Parameters that Triton adds after ours: scratch pointers, which stay null."""
    if target.kind == CUDA:
        entry = re.search(r"\.entry \w+\((.*?)\)", assembly, re.DOTALL)
        count = len(re.findall(r"\.param", entry.group(1))) if entry else 0
    else:
        kernarg = assembly[assembly.find(".args:") :]
        count = len(re.findall(r"\.value_kind:\s+(?:global_buffer|by_value)", kernarg))
    extra = max(0, count - len(arguments_of(program)))
    return tuple(Argument(f"scratch{i}", "scratch", "uint8") for i in range(extra))
