"""Printed kernels as Triton functions that can be compiled."""

from __future__ import annotations

import linecache
import threading
from typing import Any

from fusec.codegen.names import identifier, signature_name
from fusec.codegen.printer import parameters
from fusec.errors import EnvironmentProblem
from fusec.ir.sym import Symbol
from fusec.tile.kernel import Argument, Config
from fusec.tile.program import TileProgram

ALIGNMENT = 16  # of every root, in bytes; also the divisor of integers that compilers make use of
LOCK = threading.RLock()  # Triton's front end and its interpreter share global state


def load_function(source: str, name: str) -> Any:
    """The kernel of a printed module as a ``triton.JITFunction``.

    The source is registered under a name that depends on the kernel's only, never on a folder.
    """
    try:
        import triton  # noqa: F401
    except ImportError as error:  # pragma: no cover - Triton is a dependency on Linux
        raise EnvironmentProblem("compiling needs triton", hint="pip install triton") from error
    entry = identifier(name)
    filename = f"<fusec kernel {entry}>"
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    space: dict[str, Any] = {"__name__": "fusec_kernel"}
    exec(compile(source, filename, "exec"), space)  # noqa: S102 - our own text
    return space[entry]


def arguments_of(program: TileProgram) -> tuple[Argument, ...]:
    """The launch arguments in order: a pointer for each buffer, an integer for each symbol."""
    pointers = tuple(
        Argument(b.name, "pointer", b.type.dtype.name, ALIGNMENT)
        for b in (*program.operands, *program.results)
    )
    kind = "int64" if program.wide else "int32"
    return pointers + tuple(Argument(s.name, "integer", kind, _divisor(s)) for s in program.symbols)


def _divisor(symbol: Symbol) -> int:
    return ALIGNMENT if symbol.divisor % ALIGNMENT == 0 else 1


def signature(program: TileProgram) -> dict[str, str]:
    """Triton's type of each parameter, by parameter name."""
    names = [p.split(":")[0] for p in parameters(program)]
    kinds = [f"*{signature_name(b.type.dtype)}" for b in (*program.operands, *program.results)]
    kinds += ["i64" if program.wide else "i32"] * len(program.symbols)
    kinds += ["constexpr"] * (len(names) - len(kinds))
    return dict(zip(names, kinds, strict=True))


def constants(program: TileProgram, config: Config) -> dict[str, int]:
    """The value of each constexpr parameter."""
    return {a.block: config.tile(a.name) for a in program.axes if a.is_vector}


def divisibility(program: TileProgram) -> dict[tuple[int, ...], list[list[str | int]]]:
    """Triton's attributes: which parameters are multiples of 16."""
    found = enumerate(arguments_of(program))
    return {(i,): [["tt.divisibility", ALIGNMENT]] for i, a in found if a.divisor == ALIGNMENT}
