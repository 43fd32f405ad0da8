"""The driver: source -> Graph -> passes -> tile programs -> kernels -> Plan."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from fusec.errors import InternalError, UsageError
from fusec.ir.graph import Graph, Node
from fusec.target import Target, resolve
from fusec.tile.kernel import Kernel
from fusec.tile.program import Loop, Refusal, Statement, TileProgram

if TYPE_CHECKING:
    from fusec.passes.manager import Trace
    from fusec.plan import Golden, Launch, Plan

PRECISIONS = ("ieee", "tf32x3", "tf32")  # of float32 dots


@dataclass(frozen=True)
class CompileOptions:
    """Everything that decides what a plan holds.

    ``passes``: a pass spec instead of the pipeline of ``level``. ``disable``: passes left out.
    ``targets``: names or aliases; none means no binaries. ``shapes``: dims of inputs by name.
    ``dims``: a size, or (low, high, divisor), by symbol name. ``golden``: store outputs of the
    source model, computed by an independent tool on inputs drawn with ``seed``. ``verify_each``:
    evaluate the graph after every pass that changed it.
    """

    level: int = 2
    passes: str = ""
    disable: tuple[str, ...] = ()
    precision: str = "ieee"
    targets: tuple[str, ...] = ()
    shapes: tuple[tuple[str, tuple[int, ...]], ...] = ()
    dims: tuple[tuple[str, int | tuple[int, int, int]], ...] = ()
    golden: bool = False
    verify_each: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise UsageError(f"no precision {self.precision!r}: one of {', '.join(PRECISIONS)}")
        if self.level not in range(4):
            raise UsageError(f"no level -O {self.level}: one of 0, 1, 2, 3")


class Stages:
    """Seconds by stage, in the order they first ran."""

    def __init__(self, on_start: Callable[[str], None] | None = None) -> None:
        self.seconds: dict[str, float] = {}
        self._on_start = on_start

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        if self._on_start is not None:
            self._on_start(name)
        start = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - start
            self.seconds[name] = self.seconds.get(name, 0.0) + spent


def compile_model(
    source: str | os.PathLike[str] | bytes,
    options: CompileOptions = CompileOptions(),  # noqa: B008  (it is frozen)
    *,
    stages: Stages | None = None,
    jobs: int = 0,
) -> Plan:
    """Compile a model (a path, or the bytes of an ONNX file) into a plan.

    ``jobs``: processes that compile binaries; 0 means one for each core. Raises errors of
    `fusec.errors`: InvalidModel, UnsupportedModel, UsageError, CheckFailed (``verify_each``).
    """
    from fusec.frontend import load_model
    from fusec.plan import Plan

    stage = stages or Stages()
    targets = resolve_targets(options.targets)
    with stage("import"):
        graph = load_model(_path_or_bytes(source), dict(options.shapes), dict(options.dims))
    golden = None
    if options.golden or options.verify_each:
        with stage("reference"):
            golden = _golden(source, graph, options.seed)
    with stage("passes"):
        trace = run_passes(graph, options, targets, golden)
    with stage("kernels"):
        launches, kernels = make_kernels(graph, targets, options.precision)
    if targets:
        with stage("compile"):
            kernels = _compile(kernels, targets, jobs)
    return Plan(graph, kernels, launches, trace, options, golden)  # filled in when plan lands
