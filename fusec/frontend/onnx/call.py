"""`Call`: everything a lowering sees of the node it lowers, and all it can do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from onnx import AttributeProto, GraphProto, NodeProto

from fusec.errors import InvalidModel
from fusec.frontend.onnx.attributes import read_attribute
from fusec.frontend.onnx.contents import LIMIT, Array, Undecided, is_static, normalise, to_dims
from fusec.frontend.onnx.scope import Imported, Scope
from fusec.ir.sym import Dim
from fusec.ir.types import DType, Tensor, bool_, f32, i64

if TYPE_CHECKING:
    from fusec.frontend.onnx.importer import Importer
    from fusec.ir.graph import Value


class Refused(Exception):
    """The node is valid but cannot be imported; the message is the reason."""


class Call:
    """One node of the source model while it is lowered.

    ``version``: of its operator set. Inputs are numbered; an omitted one is absent.
    """

    def __init__(
        self,
        importer: Importer,
        scope: Scope,
        node: NodeProto,
        name: str,
        inputs: Sequence[Imported | None],
        version: int,
    ) -> None:
        self.importer = importer
        self.scope = scope
        self.node = node
        self.name = name
        self.version = version
        self.frame = scope.frame
        self.builder = scope.frame.builder
        self._inputs = inputs
        self.attributes = attributes_of(node, scope)

    # -- failing ---------------------------------------------------------------------------------

    def refuse(self, reason: str) -> NoReturn:
        """The node is valid but cannot be imported."""
        raise Refused(reason)

    def invalid(self, reason: str) -> NoReturn:
        """The node is malformed."""
        raise InvalidModel(f"node {self.name} ({self.node.op_type}): {reason}")

    # -- what the importer asks ------------------------------------------------------------------

    @property
    def is_foldable(self) -> bool:
        """Whether an evaluator may run: all given inputs have small known contents."""
        if self.node.op_type in BY_TYPE:
            return True
        return all(
            i is None or (i.contents is not None and i.contents.size <= LIMIT) for i in self._inputs
        )

    @property
    def is_static(self) -> bool:
        """Whether all input types have only static sizes."""
        return all(i is None or i.type.is_static for i in self._inputs)

    # -- inputs ----------------------------------------------------------------------------------

    def __len__(self) -> int:
        """Number of inputs written in the node, omitted ones included."""
        return len(self._inputs)

    def has(self, index: int) -> bool:
        """Whether an input is given."""
        return index < len(self._inputs) and self._inputs[index] is not None

    def input(self, index: int) -> Imported:
        """A required input."""
        found = self._inputs[index] if index < len(self._inputs) else None
        if found is None:
            self.invalid(f"input {index} is missing")
        return found

    def value(self, index: int) -> Value:
        """A required input as an IR value."""
        return self.frame.value_of(self.input(index))

    def optional(self, index: int) -> Value | None:
        """An optional input as an IR value; None if it is omitted."""
        return self.value(index) if self.has(index) else None

    @property
    def values(self) -> list[Value]:
        """All inputs of an operator whose inputs are all required."""
        return [self.value(i) for i in range(len(self._inputs))]

    def type(self, index: int) -> Tensor:
        """Type of a required input."""
        return self.input(index).type

    def shape(self, index: int = 0) -> tuple[Dim, ...]:
        """Shape of a required input."""
        return self.input(index).type.shape

    def rank(self, index: int = 0) -> int:
        """Rank of a required input."""
        return len(self.input(index).type.shape)

    def dtype(self, index: int = 0) -> DType:
        """Element type of a required input."""
        return self.input(index).type.dtype

    def known(self, index: int) -> Array | None:
        """Contents known at import: numbers, or an object array with symbolic dims."""
        return self.input(index).contents

    def constant(self, index: int, what: str) -> Array:
        """Numbers of a required input; refused if they are only known at run time."""
        contents = self._folded(index)
        if contents is None or not is_static(contents):
            self.refuse(f"{what} is not constant")
        return contents

    def dims(self, index: int, what: str) -> tuple[Dim, ...]:
        """Elements of a required integer input as dims; refused if only known at run time."""
        contents = self._folded(index)
        if contents is None:
            self.refuse(f"{what} depends on input data")
        try:
            return to_dims(contents)
        except Undecided:
            self.refuse(f"{what} is not an integer for every size")

    def ints_of(self, index: int, what: str) -> tuple[int, ...]:
        """Elements of a required input as numbers."""
        if not self.dtype(index).is_integer:
            self.invalid(f"{what} is {self.dtype(index)}, not an integer")
        return tuple(int(x) for x in self.constant(index, what).reshape(-1))

    def _folded(self, index: int) -> Array | None:
        source = self.input(index)
        if source.contents is None and source.value is not None:
            source.contents = self.importer.fold(source.value)
        return source.contents

    # -- attributes ------------------------------------------------------------------------------

    def _attribute(self, name: str, kind: int, default: Any) -> Any:
        proto = self.attributes.get(name)
        if proto is None:
            if default is REQUIRED:
                self.invalid(f"attribute {name} is missing")
            return default
        try:
            return read_attribute(proto, kind)
        except ValueError as error:
            self.invalid(str(error))

    def has_attribute(self, name: str) -> bool:
        """Whether an attribute is given."""
        return name in self.attributes

    def attribute(self, name: str) -> AttributeProto:
        """A required attribute as it stands in the file."""
        proto = self.attributes.get(name)
        return proto if proto is not None else self.invalid(f"attribute {name} is missing")

    def integer(self, name: str, default: int | None = None) -> int:
        """An integer attribute; required without a default."""
        return int(self._attribute(name, AttributeProto.INT, _or_required(default)))

    def flag(self, name: str, default: bool = False) -> bool:
        """An integer attribute that is 0 or 1."""
        return bool(self._attribute(name, AttributeProto.INT, default))

    def real(self, name: str, default: float | None = None) -> float:
        """A float attribute; required without a default."""
        return float(self._attribute(name, AttributeProto.FLOAT, _or_required(default)))

    def text(self, name: str, default: str | None = None) -> str:
        """A string attribute; required without a default."""
        return str(self._attribute(name, AttributeProto.STRING, _or_required(default)))

    def integers(self, name: str, default: Sequence[int] | None = None) -> tuple[int, ...]:
        """A list attribute; required without a default."""
        return tuple(self._attribute(name, AttributeProto.INTS, _or_required(default)))

    def reals(self, name: str, default: Sequence[float] | None = None) -> tuple[float, ...]:
        """A list attribute; required without a default."""
        return tuple(self._attribute(name, AttributeProto.FLOATS, _or_required(default)))

    def texts(self, name: str, default: Sequence[str] | None = None) -> tuple[str, ...]:
        """A list attribute; required without a default."""
        return tuple(self._attribute(name, AttributeProto.STRINGS, _or_required(default)))

    def tensor(self, name: str) -> Array:
        """A required tensor attribute."""
        proto = self._attribute(name, AttributeProto.TENSOR, REQUIRED)
        return self.importer.tensor(proto, f"attribute {name} of node {self.name}")

    def graph(self, name: str) -> GraphProto:
        """A required graph attribute."""
        proto: GraphProto = self._attribute(name, AttributeProto.GRAPH, REQUIRED)
        return proto

    def axis(self, value: int, rank: int) -> int:
        """An axis counted from the end where negative; malformed if out of range."""
        if not -rank <= value < rank:
            self.invalid(f"axis {value} does not fit rank {rank}")
        return value + rank if value < 0 else value

    def axes(self, values: Iterable[int], rank: int) -> tuple[int, ...]:
        """Axes in the given order; malformed if out of range or repeated."""
        found = tuple(self.axis(v, rank) for v in values)
        if len(set(found)) < len(found):
            self.invalid(f"axes {list(found)} repeat")
        return found

    def dtype_of(self, code: int) -> DType:
        """The dtype of an ONNX element type code."""
        return self.importer.element_type(code, f"node {self.name}")

    # -- outputs ---------------------------------------------------------------------------------

    def wants(self, index: int) -> bool:
        """Whether an output is named, and so may be used."""
        return index < len(self.node.output) and bool(self.node.output[index])

    # -- building --------------------------------------------------------------------------------

    def op(self, name: str, *operands: Value | float, **attributes: Any) -> Value:
        """A core op; Python numbers become literals of the dtype of the other operands."""
        dtype = next((o.type.dtype for o in operands if not isinstance(o, int | float)), f32)
        if name == "select":
            dtype = next(o.type.dtype for o in operands[1:] if not isinstance(o, int | float))
        values = [self.literal(o, dtype) if isinstance(o, int | float) else o for o in operands]
        return self.builder.op(name, *values, **attributes)

    def ops(self, name: str, *operands: Value, **attributes: Any) -> tuple[Value, ...]:
        """A core op with several results."""
        return self.builder.ops(name, *operands, **attributes)

    def literal(self, number: Any, dtype: DType) -> Value:
        """A rank-0 constant."""
        return self.frame.literal(number, dtype)

    def const(self, array: Array, hint: str) -> Value:
        """A constant made by the importer, named after the node."""
        source = Imported(
            f"{self.name}.{hint}",
            Tensor(self.importer.dtype_of(array), array.shape),
            contents=array,
        )
        return self.frame.value_of(source)

    def dim(self, value: Dim, dtype: DType = i64) -> Value:
        """The value of a dim as a scalar: a literal, or computed at run time."""
        if isinstance(value, int):
            return self.literal(value, dtype)
        return self.cast(self.frame.dim(value), dtype)

    def contents(self, array: Array, dtype: DType) -> Value:
        """A value with contents known at import."""
        source = Imported(self.name, Tensor(dtype, array.shape), contents=normalise(array, dtype))
        return self.frame.value_of(source)

    def cast(self, x: Value, dtype: DType) -> Value:
        """``x`` in another dtype; ``x`` itself if it has it."""
        if x.type.dtype == dtype:
            return x
        if dtype == bool_:
            return self.op("ne", x, self.literal(0, x.type.dtype))
        return self.builder.op("cast", x, dtype=dtype)

    def reshape(self, x: Value, shape: Sequence[Dim]) -> Value:
        """``x`` in another shape; ``x`` itself if it has it."""
        shape = tuple(shape)
        return x if x.type.shape == shape else self.builder.op("reshape", x, shape=shape)

    def transpose(self, x: Value, perm: Sequence[int]) -> Value:
        """``x`` with permuted axes; ``x`` itself for the identity."""
        perm = tuple(perm)
        return x if perm == tuple(range(len(perm))) else self.builder.op("transpose", x, perm=perm)

    def broadcast(self, x: Value, shape: Sequence[Dim]) -> Value:
        """``x`` broadcast to a shape; ``x`` itself if it has it."""
        shape = tuple(shape)
        return x if x.type.shape == shape else self.builder.op("broadcast", x, shape=shape)

    def slice(self, x: Value, axis: int, start: Dim, size: Dim, step: int = 1) -> Value:
        """A window of one axis; ``x`` itself for the whole axis."""
        shape = x.type.shape
        if start == 0 and step == 1 and size == shape[axis]:
            return x
        starts: list[Dim] = [0] * len(shape)
        sizes, steps = list(shape), [1] * len(shape)
        starts[axis], sizes[axis], steps[axis] = start, size, step
        return self.builder.op("slice", x, starts=starts, sizes=sizes, steps=steps)

    def channels(self, x: Value, rank: int) -> Value:
        """A per-channel vector ``[C]`` in the shape that broadcasts over ``[N, C, *S]``."""
        return self.reshape(x, (*x.type.shape, *(1,) * (rank - 2)))


REQUIRED: Any = object()
# Operators that need the types of their inputs only.
BY_TYPE = frozenset({"Shape", "Size"})


def _or_required(default: Any) -> Any:
    return REQUIRED if default is None else default


def attributes_of(node: NodeProto, scope: Scope) -> dict[str, AttributeProto]:
    """Attributes by name; references to attributes of the enclosing function resolved."""
    found: dict[str, AttributeProto] = {}
    for proto in node.attribute:
        if proto.ref_attr_name:
            bound = (scope.bindings or {}).get(proto.ref_attr_name)
            if bound is not None:
                found[proto.name] = bound
        else:
            found[proto.name] = proto
    return found
