"""Which expressions over constants are worth a constant: the choice behind ``fold-constants``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fusec.ir.graph import Graph, Node, Value
from fusec.ir.op import Family, Kind
from fusec.ir.storage import Storage
from fusec.ir.sym import Expr, contiguous_strides
from fusec.ir.view_layout import view_storage

INLINE = 16  # elements of a constant that costs nothing: it stands in the text
LARGEST = 1 << 28  # bytes of a value that is computed on the way
_NEVER = frozenset({Family.CONTROL, Family.FUSED, Family.EXTERN})
_DIMS = (Kind.DIM, Kind.DIMS, Kind.PAIRS)


class Known:
    """The nodes whose value is known at compile time; constants are among them."""

    def __init__(self, graph: Graph, effort: int) -> None:
        self.nodes: set[Node] = set()
        self.refused: list[tuple[Node, str]] = []
        for node in graph.nodes:
            if node.is_constant:
                self.nodes.add(node)
            elif all(v.node in self.nodes for v in node.operands) and _is_static(node):
                refusal = _too_much(node, effort)
                if refusal is None:
                    self.nodes.add(node)
                else:
                    self.refused.append((node, refusal))

    def reads_all(self, value: Value) -> bool:
        """Whether only nodes of known value read it."""
        return all(u.user is not None and u.user in self.nodes for u in value.uses)


def _is_static(node: Node) -> bool:
    """Whether it can be evaluated from its operands alone."""
    if node.op.family in _NEVER or not node.op.is_pure or node.op.evaluate is None:
        return False
    return all(r.type.is_static for r in node.results) and not _has_symbols(node)


def _too_much(node: Node, effort: int) -> str | None:
    """Why a node is not evaluated, if it takes too long or its result is too large."""
    flops = _flops(node)
    if flops > effort:
        return f"{flops} operations"
    size = sum(map(bytes_of, node.results))
    return f"{size} bytes" if size > LARGEST and not _is_window(node) else None


def _has_symbols(node: Node) -> bool:
    kinds = node.op.kinds.items() if node.op.has_dims else ()
    return any(_is_symbolic(node.attrs[name]) for name, kind in kinds if kind in _DIMS)


def _is_symbolic(value: Any) -> bool:
    return any(map(_is_symbolic, value)) if isinstance(value, tuple) else isinstance(value, Expr)


def _is_window(node: Node) -> bool:
    """Whether its result can share the memory of its operand."""
    if not node.op.is_view:
        return False
    storage = Storage("r", 0, contiguous_strides(node.operands[0].type.shape))
    return view_storage(node, storage) is not None


def bytes_of(value: Value) -> int:
    """Bytes of a value of static shape."""
    count = value.type.nbytes
    return count if isinstance(count, int) else 0


def stored_bytes(node: Node) -> int:
    """Bytes of constants with the results of a node; those that stand in the text cost nothing."""
    sizes = [(r.type.numel, bytes_of(r)) for r in node.results]
    return sum(size for count, size in sizes if isinstance(count, int) and count > INLINE)


def _flops(node: Node) -> int:
    types = [v.type for v in node.operands]
    flops = node.op.flops(types, [r.type for r in node.results], node.attrs)
    return flops if isinstance(flops, int) else 0


@dataclass(frozen=True)
class Selection:
    """``roots``: the nodes to replace, in order. ``growth``: bytes that constants grow by.

    ``refused``: nodes over the budget, with their bytes.
    """

    roots: tuple[Node, ...]
    refused: tuple[tuple[Node, int], ...]
    growth: int


def select(graph: Graph, known: Known, budget: int) -> Selection:
    """Choose what to fold within a budget of bytes.

    First as if every constant that only known nodes read were freed, each reader getting its share;
    if that turns out to grow too much, counting only constants with a single reader.
    """
    generous = _Chooser(known, budget, share=True).choose(graph)
    if generous.growth <= budget:
        return generous
    return _Chooser(known, budget, share=False).choose(graph)


class _Chooser:
    """One sweep from users to producers."""

    def __init__(self, known: Known, budget: int, share: bool) -> None:
        self.known = known
        self.budget = budget
        self.share = share
        self.frontier = set(known.nodes)
        self.freed: dict[Node, int] = {}
        self._shares: dict[Value, int] = {}

    def choose(self, graph: Graph) -> Selection:
        for node in graph.nodes:
            if node in self.known.nodes:
                self.freed[node] = self._freed(node)
        left, roots, refused = self.budget, [], []
        for node in graph.reversed_nodes:
            if node not in self.frontier or node.is_constant or not self._is_read_outside(node):
                continue
            size = stored_bytes(node)
            growth = max(0, size - self.freed[node])
            if node.op.name != "broadcast" and growth <= left:
                left -= growth
                roots.append(node)
                continue
            self.frontier.discard(node)  # its operands are read by others now
            if node.op.name != "broadcast":
                refused.append((node, size))
        roots.reverse()
        return Selection(tuple(roots), tuple(refused), _growth(graph, roots))

    def _freed(self, node: Node) -> int:
        """Bytes of constants that go when this node is folded."""
        if node.is_constant:
            return stored_bytes(node)
        total = 0
        for value in dict.fromkeys(node.operands):
            if value not in self._shares:
                self._shares[value] = self._share(value)
            total += self._shares[value]
        return total

    def _share(self, value: Value) -> int:
        """What each reader of a value may count as freed."""
        assert value.node is not None
        readers = 1 if value.use_count == 1 else len(value.users)
        if (readers > 1 and not self.share) or not self.known.reads_all(value):
            return 0
        return self.freed[value.node] // readers

    def _is_read_outside(self, node: Node) -> bool:
        return any(
            u.user is None or u.user not in self.frontier for r in node.results for u in r.uses
        )


def _growth(graph: Graph, roots: list[Node]) -> int:
    """Bytes that constants really grow by when the roots are folded, and all else stays."""
    folded = {node for root in roots for node in tree_of(root)}
    gone = set(roots)
    grown = sum(map(stored_bytes, roots))
    for node in graph.reversed_nodes if roots else ():
        if node in folded and all(u.user in gone for r in node.results for u in r.uses):
            gone.add(node)
            grown -= stored_bytes(node) if node.is_constant else 0
    return grown


def tree_of(root: Node) -> list[Node]:
    """The nodes that a node of known value depends on, operands first, each once."""
    done: set[Node] = set()
    found: list[Node] = []
    stack = [(root, False)]
    while stack:
        node, expanded = stack.pop()
        if expanded:
            found.append(node)
        elif node not in done:
            done.add(node)
            stack.append((node, True))
            stack += [(v.node, False) for v in node.operands if v.node is not None]
    return found


def erase_unused(graph: Graph, root: Node) -> list[Node]:
    """Erase a node without uses and what only it used."""
    erased, stack = [], [root]
    while stack:
        node = stack.pop()
        if node.graph is graph and not any(r.use_count for r in node.results):
            graph.erase(node)
            erased.append(node)
            stack += [v.node for v in node.operands if v.node is not None]
    return erased
