"""The state of printing one kernel: names, tiles, scopes. Statement families print through it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from fusec.codegen.definitions import Definitions
from fusec.codegen.helpers import Helpers, all_helpers
from fusec.codegen.index import IndexPrinter, Name, suffix
from fusec.codegen.lines import comment, fit
from fusec.codegen.literals import literal_operand, literal_value
from fusec.codegen.names import Namer, tl
from fusec.ir.sym import Dim, free_symbols
from fusec.ir.types import DType
from fusec.tile.program import Bound, Statement, TileProgram
from fusec.tile.shapes import Dims, tile_dims, vector_axes


@dataclass(frozen=True)
class Tile:
    """A value in the kernel: a name, or a literal of no axes. ``statement`` computed it."""

    text: str
    dims: Dims
    dtype: DType
    statement: Statement
    value: bool | int | float | None = None


@dataclass
class Scope:
    """Lines being printed and the definitions they use."""

    depth: int
    lines: list[str] = field(default_factory=list)
    used: set[str] = field(default_factory=set)
    note: str = ""


class Emitter:
    """Prints one tile program; see `fusec.codegen.printer` for the order of things."""

    def __init__(self, program: TileProgram) -> None:
        self.program = program
        self.order = vector_axes(program)
        self.dims = tile_dims(program)
        self.dtypes = {s.name: s.dtype for s in program.statements}
        self.namer = Namer(all_helpers())
        self.helpers = Helpers()
        self.definitions = Definitions()
        self.tiles: dict[str, Tile] = {}
        self.scopes = [Scope(1)]
        self.symbols: dict[str, Name] = {}
        self.parts: dict[Dim, Name] = {}
        self.masks: dict[str, str] = {}
        self.pointers: dict[str, str] = {}
        self.index = IndexPrinter(self.order, self._lookup, self._named)

    # ------------------------------------------------------------------------------- scopes

    @property
    def scope(self) -> Scope:
        return self.scopes[-1]

    def line(self, text: str) -> None:
        """One statement, broken where it is too long."""
        self.scope.lines += fit(text, self.scope.depth)

    def note(self, statement: Statement) -> None:
        """The IR statement and the source ops as a comment, unless it is the one just printed."""
        origins = f"  <- {', '.join(statement.origins)}" if statement.origins else ""
        text = f"{statement.note}{origins}".strip()
        if text and text != self.scope.note:
            self.scope.lines.append(comment(text, self.scope.depth))
            self.scope.note = text

    @contextmanager
    def nested(self) -> Iterator[Scope]:
        """A scope one level deeper; the caller places its lines."""
        inner = Scope(self.scope.depth + 1)
        self.scopes.append(inner)
        try:
            yield inner
        finally:
            self.scopes.pop()

    # ------------------------------------------------------------------------------- indices

    def _lookup(self, symbol: str) -> Name:
        name = self.symbols[symbol]
        self.scope.used.add(name.text)
        return name

    def _named(self, x: Dim) -> Name | None:
        name = self.parts.get(x)
        if name is not None:
            self.scope.used.add(name.text)
        return name

    def position(self, x: Dim) -> str | None:
        """A name for an index that is used twice; None if it depends on a loaded value."""
        if x not in self.parts:
            if any(s.name in self.tiles for s in free_symbols(x)):
                return None
            self.define(self.namer(self._position_name(x)), x, self.index.dims(x))
        return self.parts[x].text

    def _position_name(self, x: Dim) -> str:
        """``ih`` for what is computed from ``oh`` and ``kh``; else ``at``."""
        with self.nested() as trial:
            self.index.text(x, self.index.dims(x))
        parts = {name.text for name in self.parts.values()} & trial.used
        letters = {name[1:] for name in parts if len(name) == 2}
        return f"i{letters.pop()}" if len(parts) > 1 and len(letters) == 1 else "at"

    def define(self, name: str, x: Dim, dims: Dims) -> None:
        """Declare ``name`` for the index expression ``x``, a tile over ``dims``."""
        with self.nested() as inner:
            text = self.index.text(x, dims)
        self.definitions.add(name, text, frozenset(inner.used))
        self.parts[x] = Name(name, dims)

    # ------------------------------------------------------------------------------- masks

    def axis_mask(self, axis: str, target: Dims) -> str:
        """``m_in[:, None]``: whether the index of a masked axis is inside its extent."""
        name = self.masks[axis]
        self.scope.used.add(name)
        return name + suffix((axis,), target)

    def is_masked(self, axis: str) -> bool:
        """Whether tiles reach past the extent of a vector axis."""
        return axis in self.masks

    def mask(self, bounds: Sequence[Bound], target: Dims) -> str:
        """The conjunction of axis masks and bounds for a tile over ``target``; empty if none."""
        terms = [self.axis_mask(d, target) for d in target if self.is_masked(d)]
        return " & ".join(terms + self.bound_terms(bounds, target))

    def bound_terms(self, bounds: Sequence[Bound], target: Dims) -> list[str]:
        """Each comparison of ``bounds``, in brackets."""
        terms = []
        for bound in bounds:
            if bound.test_low and bound.test_high:
                self.position(bound.index)
            if bound.test_low:
                terms.append(f"({self.index.text(bound.index, target)} >= 0)")
            if bound.test_high:
                extent = self.index.text(bound.extent, target)
                terms.append(f"({self.index.text(bound.index, target)} < {extent})")
        return terms

    # ------------------------------------------------------------------------------- tiles

    def dims_of(self, axes: Sequence[str]) -> Dims:
        """The vector axes among ``axes``, in program order."""
        return tuple(d for d in self.order if d in axes)

    def shape(self, dims: Dims) -> str:
        """The shape of a tile: ``(BLOCK_M, BLOCK_N)``."""
        blocks = [self.program.axis(d).block for d in dims]
        return f"({', '.join(blocks)}{',' if len(blocks) == 1 else ''})"

    def declare(self, statement: Statement) -> str:
        """A name for a statement's value, to be assigned by the caller."""
        return self.adopt(statement, self.namer(statement.name))

    def adopt(self, statement: Statement, name: str) -> str:
        """Let ``name``, which is assigned already, be the statement's value."""
        dims = self.dims[statement.name]
        self.tiles[statement.name] = Tile(name, dims, statement.dtype, statement)
        self.symbols[statement.name] = Name(name, dims)
        return name

    def use(self, name: str, target: Dims) -> str:
        """An earlier statement's value shaped for use among ``target``; literals are typed."""
        tile = self.tiles[name]
        if tile.value is not None:
            return literal_value(tile.value, tile.dtype)
        return tile.text + suffix(tile.dims, target)

    def operand(self, name: str, target: Dims) -> str:
        """Like `use`, but a literal is plain: right beside an operator and a tile only."""
        tile = self.tiles[name]
        if tile.value is not None:
            return literal_operand(tile.value, tile.dtype)
        return self.use(name, target)

    def full(self, name: str, target: Dims) -> str:
        """An earlier statement's value at the full shape of ``target``."""
        tile = self.tiles[name]
        text = self.use(name, target)
        if tile.dims == target:
            return text
        if not tile.dims:
            return f"tl.full({self.shape(target)}, {text}, {tl(tile.dtype)})"
        return f"tl.broadcast_to({text}, {self.shape(target)})"

    def axis_position(self, axis: str, target: Dims) -> str:
        """The index along ``axis`` as an int32 tile of the shape of ``target``, or a scalar."""
        name = self._lookup(axis)
        if not name.dims:
            return name.text
        narrow = ".to(tl.int32)" if self.program.wide else ""
        text = name.text + suffix(name.dims, target) + narrow
        if name.dims == target:
            return text
        return f"tl.broadcast_to({text}, {self.shape(target)})"
