"""The default pipeline: which passes run, in which order, and why each stands where it does."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from fusec.errors import UsageError
from fusec.passes.base import Pass
from fusec.passes.registry import parse_spec, pass_class

LEVELS = (0, 1, 2, 3)
DEFAULT_LEVEL = 2
REQUIRED = ("fuse", "assign-storage", "plan-memory")  # a plan is made of what they leave


@dataclass(frozen=True)
class Step:
    """One place of the pipeline. ``level``: the lowest ``-O`` at which it runs."""

    spec: str
    level: int
    reason: str


PIPELINE: tuple[Step, ...] = (
    Step(
        "canonicalize",
        1,
        "First: exporters spell one thing in many ways; one spelling lets constants meet and equal "
        "subexpressions be equal.",
    ),
    Step(
        "fold-constants",
        1,
        "After the identities went, before any pass that asks for constant operands: shape "
        "arithmetic and the constant half of decomposed norms become constants here.",
    ),
    Step(
        "eliminate-common-subexpressions",
        2,
        "Equal constants exist once folding has made them; sharing a value after weights were "
        "scaled would be too late, since scaled weights differ.",
    ),
    Step(
        "fold-affine-into-contraction",
        1,
        "Needs constant scales and shifts (folded above), and contractions whose result has one "
        "reader, which shared subexpressions decide.",
    ),
    Step(
        "canonicalize",
        1,
        "Folding leaves constants where rules had seen values: selects, gathers and branches on "
        "constants, merged shifts.",
    ),
    Step(
        "fold-constants",
        2,
        "The second canonicalize reassociates constants and takes constant branches: what it "
        "brought together becomes one constant.",
    ),
    Step(
        "merge-sibling-matmuls",
        1,
        "Weights and biases are final: nothing scales one of them alone any more.",
    ),
    Step(
        "fold-affine-into-contraction",
        1,
        "A norm whose readers were several projections has one reader now: its scale can go there.",
    ),
    Step(
        "eliminate-common-subexpressions",
        3,
        "What canonical forms made equal since the first time; rarely anything.",
    ),
    Step(
        "eliminate-dead-code",
        0,
        "Before kernels are made: a dead reader would keep a value in memory and block a fusion.",
    ),
    Step("fuse", 0, "All algebra is done: what it reads is what kernels will compute."),
    Step(
        "eliminate-dead-code",
        0,
        "Kernels hold their own literals: those that nothing else reads would be weights.",
    ),
    Step("assign-storage", 0, "Only values that cross a kernel boundary have a storage."),
    Step("plan-memory", 0, "The roots and the order of launches are final."),
)


def pipeline(level: int = DEFAULT_LEVEL, disable: Collection[str] = ()) -> tuple[Pass, ...]:
    """The passes of an optimisation level, without the disabled ones.

    UsageError for a level that does not exist, an unknown name, or one that plans cannot miss.
    """
    if level not in LEVELS:
        raise UsageError(f"no level -O {level}: one of {', '.join(map(str, LEVELS))}")
    for name in disable:
        pass_class(name)
        if name in REQUIRED:
            raise UsageError(f"pass {name} cannot be disabled", hint="a plan is made of its result")
    chosen = parse_spec(",".join(step.spec for step in PIPELINE if step.level <= level))
    return tuple([one for one in chosen if one.name not in disable])
