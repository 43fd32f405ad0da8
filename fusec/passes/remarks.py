"""Remarks: what a pass did, did not do, or found out, as data. The codes are a closed table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fusec.errors import InternalError

PASSED, MISSED, ANALYSIS = "passed", "missed", "analysis"
KINDS = (PASSED, MISSED, ANALYSIS)

# code -> what it means; what to do about it is part of the sentence where there is something.
CODES: Mapping[str, str] = {
    # fuse: done
    "fused": "producer and user are computed by one kernel",
    "fused-siblings": "two readers of one value are computed by one kernel, which reads it once",
    # fuse: refused
    "body-limit": "the kernel would hold more nodes than a kernel may",
    "concat-in-place": "a concat whose parts are written into slices of its buffer takes no kernel",
    "cycle": "a path leaves the kernel and comes back to it",
    "not-tried": "the merge was never tried: no neighbouring merge made it possible",
    "siblings-apart": "two readers of one value stay in two kernels, each reads it",
    "slower-fused": "the model says that two kernels are faster than one",
    # tile.lower: why a body is not one kernel
    "attention-order": "an inner contraction is not queries by keys of the outer one",
    "anchor-moved": "a value is needed in another order than it is computed in",
    "constant-inside": "only scalar literals may stand in a kernel's body",
    "different-iteration-spaces": "a value does not lie on the kernel's iteration space",
    "different-reduction-extents": "reductions over different extents in one kernel",
    "empty-result": "a result has no elements",
    "no-result": "nothing reads what the node computes",
    "no-tile-form": "the operator has no tile form; a library call computes it",
    "reduction-order": "a reduced value is needed at every element of the row it came from",
    "two-contractions": "two contractions in one kernel",
    "two-windows": "two window operators in one kernel",
    # canonicalize
    "may-be-negative-infinity": "pow(x, 0.5) is sqrt(x) for all but minus infinity, which x may be",
    # fold-constants
    "folding-budget": "the folded constant would take more bytes than the budget allows; "
    "raise it with fold-constants{budget=BYTES}",
    "folding-effort": "evaluating the constant takes more operations or memory than "
    "fold-constants allows",
    # fold-affine-into-contraction
    "not-per-channel": "the constant varies along an axis that the weights do not have",
    "other-uses": "the value in between is read elsewhere too, or is an output of the graph",
    "padding": "a shift before a contraction that pads would have to be padded too",
    "not-finite": "folding would make a weight infinite or NaN",
    "not-float": "only contractions of one float dtype are scaled",
    "shift-before": "a shift before a transposed convolution does not reach every output alike",
}


@dataclass(frozen=True)
class Remark:
    """``origins``: the source nodes it is about. ``args``: sorted pairs, the numbers behind it."""

    kind: str
    pass_name: str
    code: str
    origins: tuple[str, ...]
    message: str
    args: tuple[tuple[str, Any], ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InternalError(f"remark of kind {self.kind!r}: one of {', '.join(KINDS)}")
        if self.code not in CODES:
            raise InternalError(f"remark code {self.code!r} is not in fusec.passes.remarks.CODES")

    def to_data(self) -> dict[str, Any]:
        """As JSON data."""
        return {
            "kind": self.kind,
            "pass": self.pass_name,
            "code": self.code,
            "origins": list(self.origins),
            "message": self.message,
            "args": {key: _plain(value) for key, value in self.args},
        }

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Remark:
        """The inverse of `to_data`; sequences in ``args`` come back as tuples."""
        args = tuple(sorted((k, _frozen(v)) for k, v in data["args"].items()))
        origins = tuple(data["origins"])
        return cls(data["kind"], data["pass"], data["code"], origins, data["message"], args)


def _plain(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_plain(v) for v in value]
    return value if isinstance(value, bool | int | float | str | None) else str(value)


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value
