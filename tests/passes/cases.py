"""Text cases of passes: IR before and after, with everything else that holds for a rewrite.

A file of ``tests/golden/ir`` holds cases one after the other:

    ## name
    graph main(...) { ... }
    # rule; another rule            the rules that were applied, or: unchanged
    # missed: code, code            the remarks, where there are any
    graph main(...) { ... }         the graph after, unless unchanged

`check_case` runs the pass and checks text, flag, rules, remarks; that the graph verifies; that it
computes the same values on seeded data, NaN and infinities included; and that a second run changes
nothing. ``--update-golden`` rewrites what stands below the first graph of each case.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch

from fusec.ir import (
    Constant,
    Graph,
    Tensor,
    evaluate_graph,
    parse_graph,
    print_graph,
    verify_graph,
)
from fusec.ir.reference import array_to_torch, to_numpy
from fusec.ir.sym import evaluate
from fusec.passes.base import Context, Pass
from fusec.passes.changes import Snapshot
from fusec.passes.manager import PassManager
from tests.ir.harness import Array, draw

GOLDEN = Path(__file__).parent.parent / "golden" / "ir"
_SPECIAL = (np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0)


@dataclass(frozen=True)
class Case:
    """One case of a file; ``expected`` is what stands below the first graph."""

    name: str
    before: str
    expected: str


def read_cases(path: Path) -> list[Case]:
    """The cases of a file, in order."""
    cases = []
    for block in re.split(r"^## ", path.read_text("utf-8"), flags=re.M)[1:]:
        name, _, rest = block.partition("\n")
        before, closing, expected = rest.partition("\n}\n")
        cases.append(Case(name.strip(), before + closing, expected.strip()))
    return cases


def write_cases(path: Path, cases: Sequence[Case]) -> None:
    head = re.split(r"^## ", path.read_text("utf-8"), maxsplit=1, flags=re.M)[0]
    blocks = [f"## {c.name}\n{c.before}{c.expected}\n" for c in cases]
    path.write_text(head + "\n".join(blocks), "utf-8")


def read_graph(text: str, rng: np.random.Generator) -> Graph:
    """Parse IR text; named weights get seeded data, ordinary and different everywhere."""
    graph = parse_graph(text, None)
    _seed_weights(graph, rng)
    verify_graph(graph)
    return graph


def _seed_weights(graph: Graph, rng: np.random.Generator) -> None:
    for node in graph.nodes:
        if node.is_constant and node.attrs["data"].name is not None:
            old: Constant = node.attrs["data"]
            array = draw(rng, old.type.dtype.name, old.array.shape, low=-4, high=4)
            node.attrs = MappingProxyType({"data": Constant(array, old.name)})
        for nested in node.graphs:
            _seed_weights(nested, rng)


def draw_inputs(graph: Graph, rng: np.random.Generator, *, special: bool) -> list[torch.Tensor]:
    """Data for the inputs, symbols at small values; ``special``: with NaN, infinities, zeros."""
    env = {name: max(s.lo, s.divisor * 3) for name, s in graph.symbols.items()}
    return [_draw(v.type, env, rng, special) for v in graph.inputs]


def _draw(
    type: Tensor, env: Mapping[str, int], rng: np.random.Generator, special: bool
) -> torch.Tensor:
    shape = [evaluate(d, env) for d in type.shape]
    array = draw(rng, type.dtype.name, shape, low=-5, high=5)
    if special and type.dtype.is_float and array.size:
        flat = array.reshape(-1)
        places = rng.choice(flat.size, max(1, flat.size // 2), replace=False)
        flat[places] = np.resize(np.asarray(_SPECIAL), places.size).astype(array.dtype)
    return array_to_torch(array, type.dtype)


def run(graph: Graph, inputs: Sequence[torch.Tensor]) -> list[Array]:
    """The outputs as numpy arrays."""
    outputs = evaluate_graph(graph, list(inputs))
    pairs = zip(outputs, graph.outputs, strict=True)
    return [to_numpy(tensor, value.type.dtype) for tensor, value in pairs]


def assert_same(found: Sequence[Array], wanted: Sequence[Array], tolerance: float) -> None:
    """Equal arrays: exactly for 0, else relative to the largest element; NaN where NaN is."""
    assert len(found) == len(wanted)
    for a, b in zip(found, wanted, strict=True):
        assert a.dtype == b.dtype and a.shape == b.shape
        if tolerance == 0.0 or a.dtype.kind in "biu":
            assert np.array_equal(a, b, equal_nan=a.dtype.kind not in "biu"), (a, b)
            continue
        x, y = a.astype(np.float64), b.astype(np.float64)
        assert np.array_equal(np.isfinite(x), np.isfinite(y))
        scale = np.max(np.abs(y), where=np.isfinite(y), initial=1.0)
        np.testing.assert_allclose(x, y, rtol=0, atol=tolerance * float(scale))


def check_case(
    one: Pass, case: Case, rng: np.random.Generator, *, tolerance: float = 0.0, special: bool = True
) -> Case:
    """Check everything but the text; returns the case with the text that came out."""
    seed = int(rng.integers(1 << 30))
    graph = read_graph(case.before, np.random.default_rng(seed))
    reference = read_graph(case.before, np.random.default_rng(seed))
    record = PassManager([one]).run(graph).records[0]
    for unusual in (False, True) if special else (False,):
        inputs = draw_inputs(reference, rng, special=unusual)
        assert_same(run(graph, inputs), run(reference, inputs), tolerance)
    assert_settled(one, graph)
    lines = [f"# {'; '.join(dict.fromkeys(c.rule for c in record.changes)) or 'unchanged'}"]
    codes = sorted({r.code for r in record.remarks if r.kind == "missed"})
    lines += [f"# missed: {', '.join(codes)}"] if codes else []
    lines += [print_graph(graph).rstrip()] if record.changed else []
    return Case(case.name, case.before, "\n".join(lines))


def assert_settled(one: Pass, graph: Graph) -> None:
    """A further run says that it changes nothing, and changes nothing."""
    before, text = Snapshot(graph), print_graph(graph)
    assert one.run(graph, Context(one.name)) is False
    assert Snapshot(graph) == before and print_graph(graph) == text
