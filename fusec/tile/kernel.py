"""Kernels as data: program, configs, source text, binaries, and how each was checked."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from fusec.ir.sym import Dim
from fusec.tile.program import TileProgram

INTERPRETER = "interpreter"  # the target name of the config for Triton's interpreter


class Checked(Enum):
    """How a kernel was checked; one is never shown as another."""

    NONE = "none"
    INTERPRETER = "interpreter"
    GOLDEN = "golden"
    GPU = "gpu"


@dataclass(frozen=True)
class Config:
    """Tile sizes and launch parameters for one target (a target's name, or ``interpreter``).

    ``tiles``: (axis name, size) for each vector axis, sizes are powers of two.
    """

    target: str
    tiles: tuple[tuple[str, int], ...]
    num_warps: int
    num_stages: int

    def tile(self, axis: str) -> int:
        return dict(self.tiles)[axis]


@dataclass(frozen=True)
class Candidate:
    """One config with its modelled time in seconds, and what bounds it.

    ``why``: the reason for a contraction tile below 64x64 where rows and columns would fill one.
    """

    config: Config
    seconds: float
    bound: str  # memory, compute, latency
    why: str = ""


@dataclass(frozen=True)
class Resources:
    """What the compiler reports for one binary: per-thread registers and spilled bytes, shared
    bytes."""

    registers: int
    spills: int
    shared_bytes: int


@dataclass(frozen=True)
class Argument:
    """One kernel argument: ``pointer`` to a buffer by name, or ``integer``, a symbol by name."""

    name: str
    kind: str
    dtype: str
    divisor: int = 1  # what the compiled code assumes divides it


@dataclass(frozen=True)
class Binary:
    """A compiled kernel with all that a launch needs; plain data.

    ``format``: cubin, hsaco. ``grid``: number of programs as a dim over the plan's symbols.
    """

    target: str
    format: str
    data: bytes
    entry: str
    arguments: tuple[Argument, ...]
    grid: Dim
    num_warps: int
    shared_bytes: int
    resources: Resources
    config: Config
    options: tuple[tuple[str, str], ...]  # every compile option passed


@dataclass(frozen=True)
class Kernel:
    """A distinct kernel. Equal (program without origins, configs) means the same kernel."""

    name: str
    program: TileProgram
    configs: tuple[Config, ...]
    source: str
    binaries: tuple[Binary, ...] = ()
    checked: Checked = Checked.NONE

    def config(self, target: str) -> Config:
        """The config for a target; KeyError if it was not compiled for it."""
        for config in self.configs:
            if config.target == target:
                return config
        raise KeyError(target)
