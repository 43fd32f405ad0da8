"""The importer: one source graph in, one IR graph out.

For each node in execution order: an evaluator where all inputs have known contents, else the
lowering of its operator, else the body of its function. Refusals are collected; values that hang
on a refused node are poisoned, so that every problem is reported at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from onnx import GraphProto, NodeProto, TensorProto

from fusec.errors import InvalidModel, Unsupported, UnsupportedModel
from fusec.frontend.coverage import DECOMPOSED, SUPPORTED, UNSUPPORTED
from fusec.frontend.onnx.annotations import Annotations
from fusec.frontend.onnx.call import Call, Refused
from fusec.frontend.onnx.contents import LIMIT, Array, Undecided, as_array, normalise
from fusec.frontend.onnx.fold import fold
from fusec.frontend.onnx.functions import Functions
from fusec.frontend.onnx.inputs import Inputs
from fusec.frontend.onnx.order import execution_order, node_names
from fusec.frontend.onnx.reader import DEFAULT_DOMAINS, Source
from fusec.frontend.onnx.registry import Lowering, find_evaluator, find_lowering
from fusec.frontend.onnx.scope import Frame, Imported, Scope
from fusec.frontend.onnx.signature import check_node, signature_of
from fusec.frontend.onnx.tensors import NoSuchType, element_type
from fusec.ir import Graph, Value
from fusec.ir.types import DType, Tensor, from_numpy

MAX_DEPTH = 32


@dataclass(frozen=True)
class Record:
    """What became of one source node."""

    node: str
    domain: str
    op: str
    status: str
    reason: str = ""


class Importer:
    """Imports one model; ``records`` tells what became of each node."""

    def __init__(self, source: Source, inputs: Inputs) -> None:
        self.source = source
        self.inputs = inputs
        self.records: list[Record] = []
        self.functions = Functions(source.proto)
        self.graph = Graph("main")
        self.frame = Frame(self.graph)
        self.annotations = Annotations(source.proto.graph, exact=not inputs.overridden)

    # -- the whole graph -------------------------------------------------------------------------

    def run(self) -> Graph:
        """The IR graph; InvalidModel, UnsupportedModel or UsageError."""
        proto = self.source.proto.graph
        scope = Scope(self.frame, self.source.opsets, is_main=True)
        self.add_initializers(proto, scope)
        self._add_inputs(proto, scope)
        for value in (*scope.values, *(o for n in proto.node for o in n.output if o)):
            self.graph.fresh_name(value)
        self._check_outputs(proto)
        self.import_nodes(proto.node, [o.name for o in proto.output], scope)
        self.raise_problems()
        self._set_outputs(proto, scope)
        self.graph.symbols.update(self.inputs.symbols)
        return self.graph

    def raise_problems(self) -> None:
        """UnsupportedModel if any node was refused, grouped by operator and reason."""
        groups: dict[tuple[str, str], list[Record]] = {}
        for record in self.records:
            if record.status == UNSUPPORTED:
                name = f"{record.domain}::{record.op}" if record.domain else record.op
                groups.setdefault((name, record.reason), []).append(record)
        if groups:
            items = [
                Unsupported(rows[0].node, op, reason, len(rows))
                for (op, reason), rows in groups.items()
            ]
            raise UnsupportedModel(items, hint="fusec check MODEL lists every node")

    def _add_inputs(self, proto: GraphProto, scope: Scope) -> None:
        # Before IR version 4 every initializer was listed as an input too; the data wins.
        infos = [i for i in proto.input if i.name not in scope.values]
        for info in infos:
            scope.values[info.name] = Imported.poisoned(info.name)
        infos = self.inputs.split_constants(infos)
        types = self.inputs.types(infos)
        for name, reason in self.inputs.refused.items():
            self.records.append(Record(name, "", "graph input", UNSUPPORTED, reason))
        for name, data in self.inputs.constants.items():
            type = Tensor(self.dtype_of(data), data.shape)
            scope.values[name] = Imported(name, type, contents=data, weight=True)
        for info, type in zip(infos, types, strict=True):
            value = self.graph.add_input(info.name, type)
            scope.values[info.name] = Imported(info.name, type, value=value)

    def add_initializers(self, proto: GraphProto, scope: Scope) -> None:
        """Bring the constants of a graph into scope."""
        for tensor in proto.initializer:
            if tensor.name in scope.values:
                raise InvalidModel(f"initializer {tensor.name!r} is defined twice")
            try:
                scope.values[tensor.name] = self._initializer(tensor)
            except NoSuchType as error:
                self.records.append(Record(tensor.name, "", "initializer", UNSUPPORTED, str(error)))
                scope.values[tensor.name] = Imported.poisoned(tensor.name)
        for sparse in proto.sparse_initializer:
            data = self.functions.dense(sparse, self.tensor)
            name = sparse.values.name
            type = Tensor(self.dtype_of(data), data.shape)
            scope.values[name] = Imported(name, type, contents=data, weight=True)

    def _initializer(self, tensor: TensorProto) -> Imported:
        data = self.tensor(tensor, f"initializer {tensor.name!r}")
        type = Tensor(self.dtype_of(data), data.shape)
        self.annotations.check(tensor.name, type)
        return Imported(tensor.name, type, contents=data, weight=True)

    def _check_outputs(self, proto: GraphProto) -> None:
        names = [o.name for o in proto.output]
        for name in names:
            if names.count(name) > 1:
                raise InvalidModel(f"graph output {name!r} is listed twice")

    def _set_outputs(self, proto: GraphProto, scope: Scope) -> None:
        values = []
        for info in proto.output:
            found = scope.lookup(info.name)
            if found is None:
                raise InvalidModel(f"graph output {info.name!r} is not defined")
            values.append(self.frame.value_of(found))
        self.graph.set_outputs(values)
        self.graph.output_names = [o.name for o in proto.output]

    # -- nodes -----------------------------------------------------------------------------------

    def import_nodes(
        self, nodes: Sequence[NodeProto], outputs: Sequence[str], scope: Scope
    ) -> None:
        """Import the nodes that the outputs need, in execution order."""
        if scope.depth > MAX_DEPTH:
            raise InvalidModel(f"graphs or functions nest deeper than {MAX_DEPTH}")
        names = node_names(nodes, scope.prefix)
        order = execution_order(nodes, names, outputs, lambda name: scope.lookup(name) is not None)
        for index in order:
            self._import_node(nodes[index], names[index], scope)

    def _import_node(self, node: NodeProto, name: str, scope: Scope) -> None:
        domain = "" if node.domain in DEFAULT_DOMAINS else node.domain
        inputs = [scope.lookup(i) if i else None for i in node.input]
        status, reason = SUPPORTED, ""
        try:
            entry, call = self._prepare(node, name, domain, inputs, scope)
            if entry is not None and entry.rich:
                status = DECOMPOSED
            if any(i is not None and i.poison for i in inputs):
                self._poison(node, scope)
            elif not self._evaluate(call, domain):
                status = self._lower(call, entry, domain, status)
        except (Refused, NoSuchType) as error:
            status, reason = UNSUPPORTED, str(error)
            self._poison(node, scope)
        if scope.origin is None or status == UNSUPPORTED:
            self.records.append(Record(name, domain, node.op_type, status, reason))

    def _prepare(
        self,
        node: NodeProto,
        name: str,
        domain: str,
        inputs: Sequence[Imported | None],
        scope: Scope,
    ) -> tuple[Lowering | None, Call]:
        version = scope.opsets.get(domain, 0)
        if not version and not self.functions.has(domain, node):
            raise InvalidModel(
                f"node {name} ({node.op_type}): the model does not import "
                f"operator set {domain or 'ai.onnx'!r}"
            )
        entry = find_lowering(domain, node.op_type, version)
        if entry is None and not self.functions.can_expand(domain, node, version):
            raise Refused(f"operator not supported at version {version}")
        signature = signature_of(domain, node.op_type, version)
        if signature is not None:
            check_node(
                node,
                signature,
                lambda what: InvalidModel(f"node {name} ({node.op_type}): {what}"),
            )
        return entry, Call(self, scope, node, name, inputs, version)

    def _poison(self, node: NodeProto, scope: Scope) -> None:
        for output in node.output:
            scope.values[output] = Imported.poisoned(output)

    def _evaluate(self, call: Call, domain: str) -> bool:
        evaluator = find_evaluator(domain, call.node.op_type)
        if evaluator is None or not call.is_foldable:
            return False
        try:
            results = evaluator.evaluate(call)
        except (Undecided, ValueError, ArithmeticError):
            return False  # what is wrong with the node, if anything is, its lowering says
        dtype = evaluator.dtype(call)
        arrays = [as_array(r) for r in (results if isinstance(results, tuple) else (results,))]
        if any(a.size > LIMIT for a in arrays) and call.node.op_type != "Constant":
            return False
        for output, array in zip(call.node.output, arrays, strict=False):
            data = normalise(array, dtype)
            value = Imported(output, Tensor(dtype, data.shape), contents=data)
            value.weight = call.node.op_type == "Constant"
            self._bind(output, value, call.scope)
        return True

    def _lower(self, call: Call, entry: Lowering | None, domain: str, status: str) -> str:
        scope = call.scope
        if entry is None:
            self.functions.expand(self, call, domain)
            return DECOMPOSED
        origin = scope.origin or call.name
        region = scope.region or (f"{call.node.op_type}:{call.name}" if entry.rich else None)
        try:
            with scope.frame.builder.at(origins=(origin,), region=region):
                results = entry.lower(call)
        except ValueError as error:
            # The core op's type rules: wrong types are a malformed node, unless sizes are open.
            if call.is_static:
                call.invalid(str(error))
            raise Refused(f"cannot be typed for every size: {error}") from None
        values = results if isinstance(results, tuple) else (results,)
        for output, value in zip(call.node.output, values, strict=False):
            if output and value is not None:
                self._name(value, output, scope)
                imported = Imported(output, value.type, value=value, frame=scope.frame)
                self._bind(output, imported, scope)
        missing = [o for o in call.node.output[len(values) :] if o]
        if missing:
            call.invalid(f"has no output {missing[0]!r}")
        return status

    def _name(self, value: Value, name: str, scope: Scope) -> None:
        if scope.is_main:
            scope.frame.name_value(value, name)
        else:
            scope.frame.hint_value(value, scope.prefix + name)

    def _bind(self, name: str, value: Imported, scope: Scope) -> None:
        if scope.is_main:
            self.annotations.check(name, value.type)
        scope.values[name] = value

    # -- services for calls ----------------------------------------------------------------------

    def tensor(self, proto: TensorProto, what: str) -> Array:
        """Data of a tensor in the file."""
        return self.source.payloads.array(proto, what)

    def element_type(self, code: int, what: str) -> DType:
        """The dtype of an ONNX element type; Refused if fusec has none."""
        return element_type(code, what)

    def dtype_of(self, array: Array) -> DType:
        """The dtype of an array."""
        return from_numpy(array.dtype)

    def fold(self, value: Value) -> Array | None:
        """Numbers of a value that depends on nothing but small constants; None otherwise."""
        return fold(value)
