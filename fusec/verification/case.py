"""A case: seeded inputs with the outputs that an independent tool computed for them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fusec.errors import InvalidModel, UsageError
from fusec.ir.graph import Graph
from fusec.verification.compare import Comparison, compare_outputs
from fusec.verification.data import Ranges, random_inputs
from fusec.verification.reference import run_reference
from fusec.verification.tensors import Array

if TYPE_CHECKING:
    from fusec.plan import Golden

_IN, _OUT = "inputs/", "outputs/"


@dataclass(frozen=True)
class Case:
    """``tolerances``: relative L2 by output name. ``tool``, ``version``: who made the outputs."""

    inputs: dict[str, Array]
    outputs: dict[str, Array]
    tolerances: dict[str, float]
    tool: str
    version: str
    seed: int
    notes: tuple[str, ...] = ()

    @property
    def reference(self) -> str:
        """The tool with its version, for reports."""
        return f"{self.tool} {self.version}"

    @property
    def golden(self) -> Golden:
        """As a plan stores it."""
        from fusec.plan import Golden

        tools = self.tool, self.version, self.seed
        return Golden(self.inputs, self.outputs, *tools, self.tolerances)

    def compare(
        self, got: Mapping[str, Array], rtol: float | None = None
    ) -> tuple[Comparison, ...]:
        """The verdict on each output; ``rtol`` takes the place of the stored tolerances."""
        tolerances = self.tolerances if rtol is None else dict.fromkeys(self.outputs, rtol)
        return compare_outputs(got, self.outputs, tolerances, self.reference)


def case_of_model(
    model: Path,
    graph: Graph,
    seed: int,
    *,
    sizes: Mapping[str, int] | None = None,
    ranges: Ranges | None = None,
) -> Case:
    """Run the independent tool on ``model`` with inputs drawn for ``graph`` (its import)."""
    inputs = random_inputs(graph, seed, sizes=sizes, ranges=ranges)
    done = run_reference(model, inputs)
    return Case(inputs, done.outputs, done.tolerances, done.tool, done.version, seed, done.notes)


def case_of_plan(golden: Golden) -> Case:
    """What a plan stores."""
    return Case(
        dict(golden.inputs),
        dict(golden.outputs),
        dict(golden.tolerances),
        golden.tool,
        golden.version,
        golden.seed,
    )


def case_of_folder(folder: Path) -> Case:
    """A golden folder, as tests/golden has them: ``golden.json`` with tool, version, seed and
    tolerance by output; ``golden.safetensors`` with the tensors ``inputs/NAME``, ``outputs/NAME``.

    UsageError when there is none, InvalidModel when it is malformed.
    """
    import safetensors
    from safetensors.numpy import load_file

    if not (folder / "golden.json").is_file():
        inner = sorted(p.parent.name for p in folder.glob("*/golden.json"))
        hint = f"it holds several: {', '.join(inner)}" if inner else "golden.json says who made it"
        raise UsageError(f"{folder} holds no golden.json", hint=hint)
    try:
        told = json.loads((folder / "golden.json").read_text("utf-8"))
        tensors = load_file(folder / "golden.safetensors")
        tolerances = {str(name): float(t) for name, t in told["tolerance"].items()}
        who = str(told["tool"]), str(told["version"]), int(told["seed"])
    except (OSError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise _malformed(folder, error) from None
    except safetensors.SafetensorError as error:
        raise _malformed(folder, error) from None
    inputs = {k.removeprefix(_IN): a for k, a in tensors.items() if k.startswith(_IN)}
    outputs = {k.removeprefix(_OUT): a for k, a in tensors.items() if k.startswith(_OUT)}
    if not outputs:
        raise _malformed(folder, "no outputs")
    return Case(inputs, outputs, tolerances, *who)


def _malformed(folder: Path, why: object) -> InvalidModel:
    return InvalidModel(
        f"{folder}: the golden files are malformed: {why}",
        hint="golden.json and golden.safetensors belong together; write both again",
    )
