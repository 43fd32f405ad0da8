"""Text to graph; the inverse of `fusec.ir.text`, whose docstring shows the form.

graph  := "graph" name "(" [input, ...] ")" "{" symbol* root* node* "return" [output, ...] "}"
input  := "%"name ":" type [storage]
symbol := "symbol" word "in" int ".." [int] ["multiple" "of" int] ["below" dim]
root   := "root" name word dim
node   := ["%"name, ... "="] word ["(" operands ")"] ["{" attribute, ... "}"]
          [":" type [storage], ...] ["from" string, ...] ["region" string] ["{" graph* "}"]
output := "%"name ["as" string]
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from fusec.ir.constant import Constant
from fusec.ir.graph import Graph, Value
from fusec.ir.literals import read_array
from fusec.ir.op import Kind, Op, get_op
from fusec.ir.scan import Scanner
from fusec.ir.storage import ARENA, INPUT, OUTPUT, WEIGHT, Root, Storage
from fusec.ir.sym import Symbol
from fusec.ir.types import Tensor

_MAX_DEPTH = 32
Weights = Mapping[str, Constant] | None
Elements = tuple[str, ...]  # one element: a number, or the parts of a complex one


def parse_graph(text: str, weights: Weights = None) -> Graph:
    """The graph of a text. ``weights``: data of the constants that the text names.

    Without weights, each is a placeholder of zeros that takes no memory. InvalidText names line
    and column of what does not parse, is not declared, or has another type than inferred.
    """
    scanner = Scanner(text)
    try:
        graph = _Parser(scanner, weights).graph({}, 0)
    except RecursionError:
        scanner.error("lists are nested too deep")
    if scanner.skip() != len(text):
        scanner.error("nothing is expected after the graph")
    if not graph.output_names:
        graph.output_names = [v.name for v in graph.outputs]
    return graph


class _Parser:
    def __init__(self, scanner: Scanner, weights: Weights) -> None:
        self.s = scanner
        self.weights = weights

    def graph(self, symbols: Mapping[str, Symbol], depth: int) -> Graph:
        s = self.s
        if depth > _MAX_DEPTH:
            s.error(f"graphs are nested more than {_MAX_DEPTH} deep")
        if not s.accept_word("graph"):
            s.error("a graph is expected")
        graph = Graph(s.name())
        header = s.skip()
        self._skip_inputs()
        body = _Body(self, graph, {**symbols}, depth)
        body.declarations()
        end, s.at = s.at, header
        body.inputs()
        s.expect("{")
        s.at = end
        body.nodes()
        s.symbols = symbols
        s.forget_types()
        return graph

    def _skip_inputs(self) -> None:
        """Symbols are declared after the inputs that use them: read the inputs later."""
        s = self.s
        s.items("(", ")", self._skip_input)
        s.expect("{")

    def _skip_input(self) -> None:
        s = self.s
        s.expect("%")
        s.name()
        s.expect(":")
        s.word()
        s.skip_brackets()
        if s.accept("@"):
            s.name()
            s.skip_brackets()


class _Body:
    """One graph while it is read."""

    def __init__(
        self, parser: _Parser, graph: Graph, symbols: dict[str, Symbol], depth: int
    ) -> None:
        self.parser = parser
        self.s = parser.s
        self.graph = graph
        self.symbols = symbols
        self.depth = depth
        self.values: dict[str, Value] = {}
        self.s.symbols = symbols
        self.s.forget_types()

    # -- declarations ----------------------------------------------------------------------------

    def declarations(self) -> None:
        while self.s.accept_word("symbol"):
            self._symbol()
        while self.s.accept_word("root"):
            self._root()

    def _symbol(self) -> None:
        s = self.s
        at = s.skip()
        word = s.word()
        if word in self.symbols:
            s.error(f"symbol {word} is declared twice", at)
        if not s.accept_word("in"):
            s.error("'in' is expected")
        low = s.integer()
        s.expect("..")
        high = None if not s.at_integer() else s.integer()
        divisor = 1
        if s.accept_word("multiple"):
            s.expect("of")
            divisor = s.integer()
        below = s.dim() if s.accept_word("below") else None
        try:
            symbol = Symbol(word, low, high, divisor, below)
        except ValueError as error:
            s.error(str(error), at)
        self.symbols[word] = self.graph.symbols[word] = symbol
        s.forget_types()

    def _root(self) -> None:
        s = self.s
        at = s.skip()
        root, kind = s.name(), s.word()
        if kind not in (ARENA, INPUT, OUTPUT, WEIGHT):
            s.error(f"{kind!r} is no kind of root", at)
        if root in self.graph.roots:
            s.error(f"root {root} is declared twice", at)
        self.graph.roots[root] = Root(root, kind, s.dim())

    # -- values ----------------------------------------------------------------------------------

    def inputs(self) -> None:
        self.s.items("(", ")", self._input)

    def _input(self) -> None:
        s = self.s
        at = s.skip()
        s.expect("%")
        name = s.name()
        s.expect(":")
        value = self.graph.add_input(name, s.type())
        self._define(value, name, s.storage(), at)

    def _define(self, value: Value, name: str, storage: Storage | None, at: int) -> None:
        if name in self.values:
            self.s.error(f"%{name} is defined twice", at)
        self.values[name] = value
        if storage is not None:
            self.graph.storages[value] = storage

    def _use(self) -> Value:
        s = self.s
        at = s.skip()
        s.expect("%")
        name = s.name()
        if name not in self.values:
            s.error(f"%{name} is not defined", at)
        return self.values[name]

    # -- nodes -----------------------------------------------------------------------------------

    def nodes(self) -> None:
        while not self.s.accept_word("return"):
            self._node()
        outputs: list[Value] = []
        names: list[str] = []
        given = False
        while not self.s.accept("}"):
            if outputs:
                self.s.expect(",")
            outputs.append(self._use())
            renamed = self.s.accept_word("as")
            given = given or renamed
            names.append(self.s.string() if renamed else outputs[-1].name)
        self.graph.set_outputs(outputs)
        self.graph.output_names = names if given else []

    def _node(self) -> None:
        s = self.s
        start = s.skip()
        names = self._result_names()
        at = s.skip()
        op = self._op()
        if op.name == "constant":
            operands, payload, attrs = [], self._payload(), {}
        else:
            operands, payload, attrs = s.items("(", ")", self._use), "", self._attributes(op)
        types, storages = self._types(len(names))
        if op.name == "constant":
            attrs = {"data": self._data(payload, types, at)}
        origins, region = self._origins()
        try:
            node = self.graph.create(
                op,
                operands,
                attrs,
                graphs=self._graphs(),
                names=names,
                origins=origins,
                region=region,
            )
        except ValueError as error:
            s.error(f"{op.name}: {error}", at)
        self._check(node.results, names, types, start)
        for value, name, storage in zip(node.results, names, storages, strict=True):
            self._define(value, name, storage, start)

    def _result_names(self) -> list[str]:
        names: list[str] = []
        while self.s.peek("%"):
            self.s.expect("%")
            names.append(self.s.name())
            self.s.expect("," if self.s.peek(",") else "=")
        return names

    def _op(self) -> Op:
        at = self.s.skip()
        word = self.s.word()
        try:
            return get_op(word)
        except KeyError:
            self.s.error(f"no op is named {word!r}", at)

    def _check(
        self, results: tuple[Value, ...], names: list[str], types: list[Tensor], at: int
    ) -> None:
        if len(results) != len(names):
            self.s.error(f"the op has {len(results)} results, not {len(names)}", at)
        for value, name, stated in zip(results, names, types, strict=True):
            if value.type != stated:
                self.s.error(f"%{name} has type {value.type}, not {stated}", at)

    def _types(self, count: int) -> tuple[list[Tensor], list[Storage | None]]:
        types: list[Tensor] = []
        storages: list[Storage | None] = []
        if count:
            self.s.expect(":")
        for index in range(count):
            if index:
                self.s.expect(",")
            types.append(self.s.type())
            storages.append(self.s.storage())
        return types, storages

    def _origins(self) -> tuple[list[str], str | None]:
        s = self.s
        origins = [s.string()] if s.accept_word("from") else []
        while origins and s.accept(","):
            origins.append(s.string())
        return origins, s.string() if s.accept_word("region") else None

    def _graphs(self) -> list[Graph]:
        graphs: list[Graph] = []
        if not self.s.accept("{"):
            return graphs
        while not self.s.accept("}"):
            graphs.append(self.parser.graph(self.symbols, self.depth + 1))
            self.s.symbols = self.symbols
        return graphs

    # -- attributes ------------------------------------------------------------------------------

    def _attributes(self, op: Op) -> dict[str, Any]:
        s = self.s
        attrs: dict[str, Any] = {}
        if not s.accept("{"):
            return attrs
        while not s.accept("}"):
            if attrs:
                s.expect(",")
            at = s.skip()
            key = s.word()
            if key not in op.kinds or key in attrs:
                s.error(f"{op.name} has no attribute {key}, or has it twice", at)
            s.expect("=")
            if op.defaults[key] is None and s.accept_word("none"):
                attrs[key] = None
            else:
                attrs[key] = self._read(op.kinds[key])()
        return attrs

    def _read(self, kind: Kind) -> Callable[[], Any]:
        s = self.s
        readers: dict[Kind, Callable[[], Any]] = {
            Kind.INT: s.integer,
            Kind.INTS: lambda: tuple(s.items("[", "]", s.integer)),
            Kind.DIM: s.dim,
            Kind.DIMS: s.dims,
            Kind.PAIRS: lambda: tuple(s.items("[", "]", s.dims)),
            Kind.FLOAT: lambda: float(s.scalar()),
            Kind.BOOL: self._bool,
            Kind.STR: s.string,
            Kind.STRS: lambda: tuple(s.items("[", "]", s.string)),
            Kind.DTYPE: s.dtype,
            Kind.SCALAR: s.scalar,
            Kind.MAP: lambda: tuple(sorted(s.items("{", "}", self._argument))),
        }
        return readers[kind]

    def _bool(self) -> bool:
        at = self.s.skip()
        value = self.s.scalar()
        if not isinstance(value, bool):
            self.s.error("true or false is expected", at)
        return value

    def _argument(self) -> tuple[str, Any]:
        key = self.s.name()
        self.s.expect("=")
        return key, self._argument_value()

    def _argument_value(self) -> Any:
        s = self.s
        if s.peek('"'):
            return s.string()
        if s.peek("["):
            return tuple(s.items("[", "]", self._argument_value))
        return s.scalar()

    # -- constants -------------------------------------------------------------------------------

    def _payload(self) -> str | list[Elements]:
        """What a constant holds: the name of a weight, or its elements."""
        s = self.s
        if s.accept("@"):
            return s.name()
        return s.items("[", "]", self._element) if s.peek("[") else [self._element()]

    def _element(self) -> Elements:
        s = self.s
        if s.accept_word("complex"):
            return tuple(s.items("(", ")", s.number))
        for word in ("true", "false"):
            if s.accept_word(word):
                return (word,)
        return (s.number(),)

    def _data(self, payload: str | list[Elements], types: list[Tensor], at: int) -> Constant:
        weights = self.parser.weights
        if isinstance(payload, str) and weights is not None:
            if payload not in weights:
                self.s.error(f"there is no weight {payload}", at)
            return weights[payload]
        if len(types) != 1 or not types[0].is_static:
            self.s.error("a constant has one result of static shape", at)
        try:
            if isinstance(payload, str):
                return _placeholder(payload, types[0])
            return read_array(payload, types[0])
        except (ValueError, OverflowError, KeyError):
            self.s.error(f"the data do not fit {types[0]}", at)


def _placeholder(name: str, type: Tensor) -> Constant:
    """Zeros that take no memory."""
    zero = np.zeros((), type.dtype.numpy)
    return Constant(np.broadcast_to(zero, [int(d) for d in type.shape if isinstance(d, int)]), name)
