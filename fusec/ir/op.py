"""How a core op is declared: one `Op` per op, gathered in one registry.

Ask an op for its traits (``op.is_pointwise``); never compare names against a list.
The declarations themselves stand in ``fusec/ir/ops_*.py``, one short file a family.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING, Any

from fusec.ir.sym import Dim
from fusec.ir.types import Tensor

if TYPE_CHECKING:
    from fusec.ir.graph import Graph

Attrs = Mapping[str, Any]
Infer = Callable[[Sequence[Tensor], Attrs, "Sequence[Graph]"], tuple[Tensor, ...]]
# (torch tensors, attributes with every dim evaluated to int, one callable per nested graph)
Bodies = Sequence[Callable[..., tuple[Any, ...]]]
Evaluate = Callable[[Sequence[Any], Attrs, Bodies], tuple[Any, ...]]
Flops = Callable[[Sequence[Tensor], Sequence[Tensor], Attrs], Dim]


class Family(Enum):
    """The families of DESIGN: what kind of iteration an op is."""

    POINTWISE = "pointwise"
    REDUCE = "reduce"
    SCAN = "scan"
    CONTRACTION = "contraction"
    WINDOW = "window"
    VIEW = "view"
    INDEX = "index"
    SORT = "sort"
    CREATION = "creation"
    CONTROL = "control"
    FUSED = "fused"
    EXTERN = "extern"


class Kind(Enum):
    """What an attribute may hold; also decides how it is spelled in IR text."""

    INT = "int"
    INTS = "ints"
    DIM = "dim"
    DIMS = "dims"
    PAIRS = "pairs"  # a tuple of (before, after) dims
    FLOAT = "float"
    BOOL = "bool"
    STR = "str"
    STRS = "strs"
    DTYPE = "dtype"
    SCALAR = "scalar"  # a Python bool, int or float; NaN and infinities allowed
    DATA = "data"  # a `Constant`
    MAP = "map"  # sorted tuple of (str, scalar | str | ints) pairs: arguments of an extern call


REQUIRED: Any = object()


@dataclass(frozen=True)
class Attribute:
    """Schema of one attribute; without a default it is required."""

    name: str
    kind: Kind
    default: Any = REQUIRED


@dataclass(frozen=True, eq=False)
class Op:
    """One core op.

    ``operands``: names; a last name that starts with ``*`` takes any number.
    ``infer``: result types from operand types, raises ValueError with the reason when ill-typed.
    ``evaluate``: the reference semantics in torch.
    ``flops``: per call, from operand types, result types and attributes.
    """

    name: str
    family: Family
    operands: tuple[str, ...]
    attributes: tuple[Attribute, ...]
    infer: Infer
    evaluate: Evaluate | None
    flops: Flops
    is_commutative: bool = False
    is_associative: bool = False
    is_idempotent: bool = False  # op(op(x)) == op(x)
    preserves_zero: bool = False  # op(0, ...) == 0: padding with zeros commutes with it
    is_transcendental: bool = False
    graphs: int = 0  # how many nested graphs it has
    is_pure: bool = True
    doc: str = ""

    @property
    def is_pointwise(self) -> bool:
        return self.family is Family.POINTWISE

    @property
    def is_reduce(self) -> bool:
        return self.family is Family.REDUCE

    @property
    def is_contraction(self) -> bool:
        return self.family is Family.CONTRACTION

    @property
    def is_window(self) -> bool:
        return self.family is Family.WINDOW

    @property
    def is_view(self) -> bool:
        return self.family is Family.VIEW

    @property
    def is_creation(self) -> bool:
        return self.family is Family.CREATION

    @property
    def is_variadic(self) -> bool:
        return bool(self.operands) and self.operands[-1].startswith("*")

    def check_count(self, operands: int) -> None:
        """ValueError when the op does not take this number of operands."""
        least = len(self.operands) - self.is_variadic
        if operands != least and (operands < least or not self.is_variadic):
            at_least = "at least " if self.is_variadic else ""
            raise ValueError(f"{self.name} takes {at_least}{least} operands, not {operands}")

    @cached_property
    def defaults(self) -> dict[str, Any]:
        """Every attribute in schema order with its default (or `REQUIRED`)."""
        return {a.name: a.default for a in self.attributes}

    @cached_property
    def kinds(self) -> dict[str, Kind]:
        """The kind of every attribute, in schema order."""
        return {a.name: a.kind for a in self.attributes}

    @cached_property
    def has_dims(self) -> bool:
        """Whether an attribute holds dims."""
        return any(kind in (Kind.DIM, Kind.DIMS, Kind.PAIRS) for kind in self.kinds.values())

    def attribute(self, name: str) -> Attribute:
        """The schema of one attribute; KeyError if the op has none of that name."""
        for schema in self.attributes:
            if schema.name == name:
                return schema
        raise KeyError(name)

    def __reduce__(self) -> tuple[object, ...]:
        return get_op, (self.name,)

    def __repr__(self) -> str:
        return f"Op({self.name})"


_REGISTRY: dict[str, Op] = {}


def register(op: Op) -> Op:
    """Add an op to the registry; a second op of the same name is an error."""
    if op.name in _REGISTRY:
        raise ValueError(f"op {op.name} is declared twice")
    _REGISTRY[op.name] = op
    return op


def get_op(name: str) -> Op:
    """The op of that name; KeyError if none is declared."""
    return _REGISTRY[name]


def all_ops() -> tuple[Op, ...]:
    """Every declared op, in order of declaration."""
    return tuple(_REGISTRY.values())
