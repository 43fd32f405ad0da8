"""GPU targets: limits and peaks by architecture, and the device names that people know them by.

Figures are those of the data sheets: dense peaks at boost clock, memory bandwidth, shared memory as
in the CUDA C++ Programming Guide (compute capabilities). One typical device stands for each.
"""

from __future__ import annotations

from dataclasses import dataclass

from fusec.errors import EnvironmentProblem, UsageError

CUDA, HIP = "cuda", "hip"


@dataclass(frozen=True)
class Target:
    """One architecture. Sizes in bytes, rates per second.

    ``arch``: compute capability (80) or gfx name. ``*_flops``: peaks of float32 FMA units, of
    matrix units with tf32 and half operands, of float64; ``int8_ops`` of matrix units.
    ``shared_per_block``: what one program may use (opt-in). ``registers``: 32-bit, of one SM.
    """

    name: str
    kind: str
    arch: int | str
    device: str
    sms: int
    fp32_flops: float
    tf32_flops: float
    half_flops: float
    fp64_flops: float
    int8_ops: float
    bandwidth: float
    l2_bytes: int
    shared_per_block: int
    shared_per_sm: int
    registers: int = 65536
    threads_per_sm: int = 2048
    warp_size: int = 32
    launch_seconds: float = 3e-6

    @property
    def has_async_copy(self) -> bool:
        """Whether loads can be pipelined through shared memory in more than two stages."""
        return self.kind == CUDA and isinstance(self.arch, int) and self.arch >= 80

    @property
    def l2_bandwidth(self) -> float:
        """About what L2 delivers: 3 times the memory (microbenchmarks of A100 and H100)."""
        return 3 * self.bandwidth

    def dot_flops(self, dtype: str, precision: str) -> float:
        """Peak of the unit that multiplies matrices of a dtype (torch name); operations a second.

        Exact float32 dots run on FMA units; ``tf32x3`` takes three products on the matrix unit.
        """
        if dtype == "float32" and precision != "ieee" and self.tf32_flops > self.fp32_flops:
            return self.tf32_flops / (3 if precision == "tf32x3" else 1)
        peaks = {"float16": self.half_flops, "bfloat16": self.half_flops, "int8": self.int8_ops}
        return self.fp64_flops if dtype == "float64" else peaks.get(dtype, self.fp32_flops)


_KB, _MB = 1024, 1024 * 1024

TARGETS: tuple[Target, ...] = (
    Target(
        "sm_75", CUDA, 75, "T4", 40, 8.1e12, 8.1e12, 65e12, 0.25e12, 130e12,
        320e9, 4 * _MB, 64 * _KB, 64 * _KB, threads_per_sm=1024,
    ),
    Target(
        "sm_80", CUDA, 80, "A100", 108, 19.5e12, 156e12, 312e12, 9.7e12, 624e12,
        1555e9, 40 * _MB, 163 * _KB, 164 * _KB,
    ),
    Target(
        "sm_86", CUDA, 86, "A10", 72, 31.2e12, 62.5e12, 125e12, 0.49e12, 250e12,
        600e9, 6 * _MB, 99 * _KB, 100 * _KB, threads_per_sm=1536,
    ),
    Target(
        "sm_87", CUDA, 87, "Jetson AGX Orin", 16, 5.3e12, 21e12, 42e12, 0.08e12, 85e12,
        205e9, 4 * _MB, 163 * _KB, 164 * _KB, threads_per_sm=1536, launch_seconds=6e-6,
    ),
    Target(
        "sm_89", CUDA, 89, "L4", 58, 30.3e12, 60e12, 121e12, 0.47e12, 242e12,
        300e9, 48 * _MB, 99 * _KB, 100 * _KB, threads_per_sm=1536,
    ),
    Target(
        "sm_90", CUDA, 90, "H100 SXM", 132, 66.9e12, 494e12, 989e12, 33.5e12, 1979e12,
        3350e9, 50 * _MB, 227 * _KB, 228 * _KB,
    ),
    Target(
        "sm_100", CUDA, 100, "B200", 148, 75e12, 1100e12, 2250e12, 37e12, 4500e12,
        8000e9, 126 * _MB, 227 * _KB, 228 * _KB,
    ),
    Target(
        "sm_120", CUDA, 120, "RTX 5090", 170, 104.8e12, 104.8e12, 209.5e12, 1.6e12, 838e12,
        1792e9, 96 * _MB, 99 * _KB, 100 * _KB, threads_per_sm=1536,
    ),
    Target(
        "gfx90a", HIP, "gfx90a", "MI250X", 110, 23.9e12, 23.9e12, 191.5e12, 23.9e12, 191.5e12,
        1638e9, 8 * _MB, 64 * _KB, 64 * _KB, 131072, warp_size=64, launch_seconds=5e-6,
    ),
    Target(
        "gfx942", HIP, "gfx942", "MI300X", 304, 163.4e12, 653e12, 1307e12, 81.7e12, 2614e12,
        5300e9, 256 * _MB, 64 * _KB, 64 * _KB, 131072, warp_size=64, launch_seconds=5e-6,
    ),
)  # fmt: skip

ALIASES: dict[str, str] = {
    "t4": "sm_75",
    "rtx2080": "sm_75",
    "a100": "sm_80",
    "a30": "sm_80",
    "a10": "sm_86",
    "a40": "sm_86",
    "rtx3090": "sm_86",
    "orin": "sm_87",
    "l4": "sm_89",
    "l40": "sm_89",
    "l40s": "sm_89",
    "rtx4090": "sm_89",
    "h100": "sm_90",
    "h200": "sm_90",
    "gh200": "sm_90",
    "b200": "sm_100",
    "gb200": "sm_100",
    "rtx5090": "sm_120",
    "mi210": "gfx90a",
    "mi250": "gfx90a",
    "mi250x": "gfx90a",
    "mi300": "gfx942",
    "mi300x": "gfx942",
    "mi325x": "gfx942",
}

_BY_NAME = {target.name: target for target in TARGETS}


def resolve(name: str) -> Target:
    """The target of a name (``sm_90``) or device alias (``h100``), in any case.

    ``native`` is the GPU at hand. UsageError that lists the names if there is none of that name;
    EnvironmentProblem if there is no GPU.
    """
    if name == "native":
        return _native()
    key = name.strip().lower().replace("-", "").replace(" ", "")
    found = _BY_NAME.get(ALIASES.get(key, key))
    if found is None:
        names = ", ".join([*_BY_NAME, *ALIASES])
        raise UsageError(f"unknown target {name!r}", hint=f"one of {names}")
    return found


def _native() -> Target:
    """The entry of the current GPU's architecture, or of the newest one before it."""
    import torch

    if not torch.cuda.is_available():
        hint = "name a target, such as sm_80 or h100"
        raise EnvironmentProblem("no usable GPU for target 'native'", hint=hint)
    properties = torch.cuda.get_device_properties(torch.cuda.current_device())
    gfx = getattr(properties, "gcnArchName", "").split(":")[0]
    if torch.version.hip is not None and gfx in _BY_NAME:
        return _BY_NAME[gfx]
    found = properties.major * 10 + properties.minor
    older = [t for t in TARGETS if isinstance(t.arch, int) and t.arch <= found]
    if torch.version.hip is not None or not older:
        raise EnvironmentProblem(f"no target for this GPU ({gfx or f'sm_{found}'})")
    return older[-1]
