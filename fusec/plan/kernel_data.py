"""Kernels as entries of the plan: ``.tile`` (program, configs, how checked) and launch metadata."""

from __future__ import annotations

from dataclasses import dataclass, replace

from fusec.errors import InternalError
from fusec.plan.codec import dump, load
from fusec.tile.kernel import Binary, Checked, Config, Kernel
from fusec.tile.program import TileProgram


@dataclass(frozen=True)
class TileFile:
    """``kernels/NAME.tile``."""

    program: TileProgram
    configs: tuple[Config, ...]
    checked: Checked


def dump_tile(kernel: Kernel) -> bytes:
    """The tile entry; InternalError when it would not read back the same."""
    file = TileFile(kernel.program, kernel.configs, kernel.checked)
    try:
        data = dump(file, TileFile)
        same = dump(load(data, TileFile), TileFile) == data
    except (TypeError, ValueError) as error:
        raise InternalError(f"kernel {kernel.name} cannot be stored: {error}") from error
    if not same:
        raise InternalError(f"kernel {kernel.name} is not the same after it is stored")
    return data


def load_tile(name: str, data: bytes, source: str, binaries: tuple[Binary, ...]) -> Kernel:
    """The kernel of a tile entry; CodecError when it is none."""
    file = load(data, TileFile)
    return Kernel(name, file.program, file.configs, source, binaries, file.checked)


def dump_binary(binary: Binary) -> bytes:
    """The launch metadata of a binary: all but its machine code."""
    return dump(_without_data(binary), Binary)


def load_binary(metadata: bytes, data: bytes) -> Binary:
    """A binary from its two entries; CodecError when the metadata is none."""
    return replace(load(metadata, Binary), data=data)


def _without_data(binary: Binary) -> Binary:
    return replace(binary, data=b"")
