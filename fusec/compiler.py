"""The driver: source -> Graph -> passes -> tile programs -> kernels -> Plan."""

from __future__ import annotations

import importlib
import os
import tempfile
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fusec.errors import InternalError, UsageError
from fusec.ir.graph import Graph, Node
from fusec.tile.kernel import Kernel
from fusec.tile.program import Literal, Loop, Refusal, Statement, TileProgram

if TYPE_CHECKING:
    from fusec.passes.base import Pass
    from fusec.passes.manager import PassRecord, Trace
    from fusec.plan import Plan
    from fusec.target import Target
    from fusec.verification.case import Case

Observe = Callable[[Graph, "PassRecord | None"], None]
Report = Callable[[int, int, str], None]  # done, total, stage
Source = str | os.PathLike[str] | bytes

STEM_OPS = 4  # of a kernel's name
PRECISIONS = ("ieee", "tf32x3", "tf32")  # of float32 dots


@dataclass(frozen=True)
class CompileOptions:
    """Everything that decides what a plan holds.

    ``passes``: a pass spec instead of the pipeline of ``level``. ``disable``: passes left out.
    ``targets``: names or aliases; none means no binaries. ``shapes``: sizes
    of inputs by name; a string names a symbolic dim.
    ``dims``: a size, or (low, high, divisor), by symbol name. ``golden``: store outputs of the
    source model, computed by an independent tool on inputs drawn with ``seed``. ``verify_each``:
    evaluate the graph after every pass that changed it.
    """

    level: int = 2
    passes: str = ""
    disable: tuple[str, ...] = ()
    precision: str = "ieee"
    targets: tuple[str, ...] = ()
    shapes: tuple[tuple[str, tuple[int | str, ...]], ...] = ()
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
    """Seconds by stage, in the order they first ran; ``report`` hears of the progress in each."""

    def __init__(self, report: Report | None = None) -> None:
        self.seconds: dict[str, float] = {}
        self._report = report
        self._name = ""

    def progress(self, done: int, total: int) -> None:
        """Say how far the running stage is."""
        if self._report is not None:
            self._report(done, total, self._name)

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        self._name = name
        self.progress(0, 1)
        start = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - start
            self.seconds[name] = self.seconds.get(name, 0.0) + spent


def compile_model(
    source: Source,
    options: CompileOptions = CompileOptions(),
    *,
    stages: Stages | None = None,
    jobs: int = 0,
    observe: Observe | None = None,
) -> Plan:
    """Compile a model (a path, or the bytes of an ONNX file) into a plan.

    ``jobs``: processes that compile binaries; 0: one a core. ``observe``: called with the imported
    graph and None, then with the graph and record of each pass. Raises errors of `fusec.errors`.
    """
    from fusec.plan import Plan, make_launches

    stage, targets = stages or Stages(), resolve_targets(options.targets)
    passes = choose_passes(options)
    with stage("import"):
        graph = import_model(source, options)
        before = source_nodes(graph)
    with stage("reference"):
        case = reference_case(source, graph, options)
    import_torch(stage)
    with stage("passes"):
        trace = run_passes(graph, passes, targets, options, case, observe)
    with stage("kernels"):
        names, kernels = make_kernels(graph, targets, options.precision)
    with stage("compile"):
        kernels = compile_binaries(kernels, targets, jobs, stage)
    return Plan(
        graph,
        kernels,
        make_launches(graph, names),
        options=option_data(options, passes),
        targets=tuple(t.name for t in targets),
        golden=case.golden if case and options.golden else None,
        trace=tuple(r.to_data() for r in trace.records),
        producer=versions(),
        summary={"nodes_before": before, "nodes_after": trace.records[-1].nodes_after},
    )


# -- stages ----------------------------------------------------------------------------------------


def import_model(source: Source, options: CompileOptions) -> Graph:
    """The source as a graph of core ops."""
    from fusec.frontend import load_model

    return load_model(source, dict(options.shapes), dict(options.dims))


def import_torch(stage: Stages) -> None:
    """Folding evaluates with torch; its import, a second or two, is not the passes' time."""
    with stage("torch"):
        importlib.import_module("torch")


def resolve_targets(names: Sequence[str]) -> tuple[Target, ...]:
    """Targets by name, alias, ``native`` or ``all``, each once, in the order given."""
    from fusec.target import TARGETS, resolve

    wanted: list[Target] = []
    for name in names:
        wanted += TARGETS if name == "all" else [resolve(name)]
    return tuple(dict.fromkeys(wanted))


def choose_passes(options: CompileOptions) -> tuple[Pass, ...]:
    """The pipeline of the level, or the passes of the spec with those that every plan needs."""
    from fusec.passes.pipeline import REQUIRED, pipeline
    from fusec.passes.registry import make_pass, parse_spec

    if not options.passes:
        return pipeline(options.level, options.disable)
    chosen = [p for p in parse_spec(options.passes) if p.name not in options.disable]
    missing = [name for name in REQUIRED if name not in {p.name for p in chosen}]
    return (*chosen, *(make_pass(name) for name in missing))


def run_passes(
    graph: Graph,
    passes: Sequence[Pass],
    targets: Sequence[Target],
    options: CompileOptions,
    case: Case | None = None,
    observe: Observe | None = None,
) -> Trace:
    """Transform the graph in place; with ``verify_each``, compare it with ``case`` on the way."""
    from fusec.passes.base import Options
    from fusec.passes.manager import PassManager

    check = None
    if options.verify_each and case is not None:
        from fusec.verification.evaluate import PassCheck

        check = PassCheck(graph, case).after
    if observe is not None:
        observe(graph, None)
    given = Options(tuple(targets), options.precision)
    return PassManager(passes, given, check=check, observe=observe).run(graph)


def make_kernels(
    graph: Graph, targets: Sequence[Target], precision: str
) -> tuple[dict[str, str], tuple[Kernel, ...]]:
    """Kernel names by node name, and the distinct kernels with a config for each target."""
    names: dict[str, str] = {}
    found: dict[Hashable, Kernel] = {}
    for node in graph.nodes:
        if node.op.name == "fused":
            program = lower_node(node, precision)
            key = anonymous(program)
            if key not in found:
                found[key] = make_kernel(program, f"{stem(node)}_{len(found)}", targets)
            names[node.results[0].name] = found[key].name
    return names, tuple(found.values())


def lower_node(node: Node, precision: str) -> TileProgram:
    """The tile program of a fused node at the storages of its operands and results."""
    from fusec.tile.lower import lower

    storages = node.graph.storages if node.graph is not None else {}
    program = lower(
        node.graphs[0],
        operands=[storages[v] for v in node.operands],
        results=[storages[v] for v in node.results],
        precision=precision,
    )
    if isinstance(program, Refusal):
        raise InternalError(f"fused node {node!r} has no kernel: {program.message}")
    return program


def make_kernel(program: TileProgram, name: str, targets: Sequence[Target]) -> Kernel:
    """A kernel with its source, the best config for each target and the interpreter's."""
    from fusec.codegen.printer import print_kernel
    from fusec.tile.candidates import candidates, interpreter_config

    best = [candidates(program, target)[0].config for target in targets]
    return Kernel(name, program, (*best, interpreter_config(program)), print_kernel(program, name))


def anonymous(program: TileProgram) -> Hashable:
    """Equal for programs that are the same kernel: names and origins of the source do not count.

    Literals go by their spelling too, since 0.0 == -0.0.
    """
    body = tuple(
        replace(item, body=tuple(map(_nameless, item.body)))
        if isinstance(item, Loop)
        else _nameless(item)
        for item in program.body
    )
    literals = tuple(repr(s.value) for s in program.statements if isinstance(s, Literal))
    return replace(program, body=body), literals


def _nameless(statement: Statement) -> Statement:
    return replace(statement, origins=(), note="")


def stem(node: Node) -> str:
    """What a kernel computes, as a name: its ops in order, each once, views last."""
    ops = [n.op for n in node.graphs[0].nodes if not n.is_constant]
    computing = [op.name for op in ops if not op.is_view and not op.is_creation]
    names = list(dict.fromkeys(computing or [op.name for op in ops]))
    return "_".join(names[:STEM_OPS]) if names else "copy"


def compile_binaries(
    kernels: Sequence[Kernel], targets: Sequence[Target], jobs: int, stage: Stages
) -> tuple[Kernel, ...]:
    """The kernels with a binary for each target."""
    if not targets:
        return tuple(kernels)
    from fusec.codegen import compile_all

    return compile_all(kernels, targets, jobs or None, stage.progress)


def reference_case(source: Source, graph: Graph, options: CompileOptions) -> Case | None:
    """What the independent tool computes for the source model; None when nobody asks for it."""
    from fusec.verification.case import case_of_model

    if not (options.golden or options.verify_each):
        return None
    seed = options.seed
    if not isinstance(source, bytes):
        return case_of_model(Path(source), graph, seed)
    with tempfile.TemporaryDirectory(prefix="fusec-") as folder:
        path = Path(folder) / "model.onnx"
        path.write_bytes(source)
        return case_of_model(path, graph, seed)


def source_nodes(graph: Graph) -> int:
    """How many nodes of the source model the imported graph came from."""
    return len({name for node in graph.nodes for name in node.origins})


def option_data(options: CompileOptions, passes: Sequence[Pass]) -> dict[str, Any]:
    """The options as the plan stores them, with the passes that ran."""
    return {
        "level": options.level,
        "passes": [p.spec for p in passes],
        "precision": options.precision,
        "shapes": {name: list(dims) for name, dims in options.shapes},
        "dims": {n: d if isinstance(d, int) else list(d) for n, d in options.dims},
        "seed": options.seed,
    }


def versions() -> dict[str, str]:
    """The versions that decide what a plan holds."""
    found = {}
    for package in ("fusec", "onnx", "torch", "triton"):
        with suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    return found


def run_spec(graph: Graph, spec: str, targets: Sequence[Target]) -> Trace:
    """Run the passes of a spec on a graph, in place."""
    from fusec.passes.registry import parse_spec

    return run_passes(graph, parse_spec(spec), targets, CompileOptions())
