"""The operator tables: which function lowers which operator, from which version on.

A lowering builds core ops for one node. An evaluator computes contents at import, when those of
all inputs are known. Both receive a `Call`. Adding an operator is adding a function.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from fusec.frontend.onnx.call import Call
    from fusec.frontend.onnx.contents import Array
    from fusec.ir.graph import Value
    from fusec.ir.types import DType

    Results: TypeAlias = Value | tuple[Value | None, ...]
    Lower: TypeAlias = Callable[[Call], Results]
    Evaluate: TypeAlias = Callable[[Call], Array | tuple[Array, ...]]
    ResultType: TypeAlias = Callable[[Call], DType]
else:
    Lower = Evaluate = ResultType = Callable[..., Any]


@dataclass(frozen=True)
class Lowering:
    """One entry: operator-set versions ``since`` up to the next entry's are lowered by ``lower``.

    ``rich``: it becomes several core ops, which are stamped with one region.
    """

    domain: str
    op: str
    since: int
    lower: Lower
    rich: bool


@dataclass(frozen=True)
class Evaluator:
    """Contents of the results from contents of the inputs; ``dtype``: their element type."""

    evaluate: Evaluate
    dtype: ResultType


_LOWERINGS: dict[tuple[str, str], list[Lowering]] = {}
_EVALUATORS: dict[tuple[str, str], Evaluator] = {}


def lowers(
    *ops: str, since: int = 1, rich: bool = False, domain: str = ""
) -> Callable[[Lower], Lower]:
    """Register a lowering for one or more operators."""

    def register(lower: Lower) -> Lower:
        for op in ops:
            entries = _LOWERINGS.setdefault((domain, op), [])
            if any(e.since == since for e in entries):
                raise ValueError(f"{domain}::{op} version {since} has two lowerings")
            entries.append(Lowering(domain, op, since, lower, rich))
            entries.sort(key=lambda e: e.since, reverse=True)
        return lower

    return register


def evaluates(*ops: str, dtype: ResultType | None = None) -> Callable[[Evaluate], Evaluate]:
    """Register an evaluator; the results have the element type of input 0 by default."""

    def register(evaluate: Evaluate) -> Evaluate:
        entry = Evaluator(evaluate, dtype or (lambda call: call.dtype(0)))
        for op in ops:
            if ("", op) in _EVALUATORS:
                raise ValueError(f"{op} has two evaluators")
            _EVALUATORS["", op] = entry
        return evaluate

    return register


def find_lowering(domain: str, op: str, version: int) -> Lowering | None:
    """The entry for an operator-set version; None if there is none."""
    for entry in _LOWERINGS.get((domain, op), ()):
        if entry.since <= version:
            return entry
    return None


def find_evaluator(domain: str, op: str) -> Evaluator | None:
    """The evaluator of an operator; None if there is none."""
    return _EVALUATORS.get((domain, op))


def all_lowerings() -> tuple[Lowering, ...]:
    """Every entry, by domain, operator and version."""
    entries = [e for row in _LOWERINGS.values() for e in row]
    return tuple(sorted(entries, key=lambda e: (e.domain, e.op, e.since)))
