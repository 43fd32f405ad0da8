"""Order of a kernel's statements: straight code, and loops over the inner axis.

A statement that depends on a serial axis stands in a loop over it. A value accumulated in loop p
exists after loop p; so statements have a *phase*, the number of loops that must have ended before
them. Loads and pointwise statements that several loops need are computed again in each (a softmax
row that does not fit in a tile is read three times).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from fusec.ir.sym import Dim, Expr, free_symbols, subs, symbol
from fusec.tile.program import (
    Apply,
    Bound,
    Dot,
    InBounds,
    Index,
    Load,
    Loop,
    Reduce,
    RunningMax,
    Statement,
    Store,
)
from fusec.tile.trace import Term


@dataclass(frozen=True)
class Write:
    """A store with the terms it reads."""

    store: Store
    args: tuple[Term, ...]


def live_terms(terms: Sequence[Term], writes: Sequence[Write]) -> list[Term]:
    """The terms that some store needs, in order."""
    seen: set[str] = set()
    pending = [t for w in writes for t in w.args]
    while pending:
        term = pending.pop()
        if term.name not in seen:
            seen.add(term.name)
            pending.extend(term.args)
    return [t for t in terms if t.name in seen]


def schedule(
    terms: Sequence[Term], writes: Sequence[Write], serial: str | None
) -> tuple[Statement | Loop, ...]:
    """Statements in execution order; ``serial`` names the looped axis, if there is one."""
    if serial is None:
        return (*(t.statement for t in terms), *(w.store for w in writes))
    return _Scheduler(terms, writes, serial).run()


class _Scheduler:
    def __init__(self, terms: Sequence[Term], writes: Sequence[Write], serial: str) -> None:
        self.terms, self.writes, self.serial = terms, writes, serial
        self.names: dict[str, str] = {}
        self.emitted: set[str] = set()
        self.phase: dict[str, int] = {}
        for term in terms:
            start = max((self.phase[a.name] for a in term.args), default=0)
            self.phase[term.name] = start + (1 if term.loop else 0)

    def run(self) -> tuple[Statement | Loop, ...]:
        """Straight code that loop p needs, then loop p, for each p; the rest after the last
        loop."""
        last = max(self.phase.values(), default=0)
        loops = [self.loop_terms(phase) for phase in range(last + 1)]
        due = self.due_phases(loops)
        body: list[Statement | Loop] = []
        for phase, inner in enumerate(loops):
            body += [self.renamed(t.statement) for t in self.terms if due.get(t.name) == phase]
            loop = self.loop(phase, inner)
            body += [loop] if loop is not None else []
        body += [self.renamed(t.statement) for t in self.terms if due.get(t.name) == last + 1]
        body += [self.renamed(w.store) for w in self.writes if self.serial not in w.store.axes]
        return tuple(body)

    def due_phases(self, loops: Sequence[set[str]]) -> dict[str, int]:
        """For each straight term the first phase that needs it: loads of an epilogue come after
        the loop."""
        due = {t.name: len(loops) for t in self.terms if self.is_straight(t)}
        for phase in reversed(range(len(loops))):
            stores = [
                a
                for w in self.writes
                if self.serial in w.store.axes and self.start(w) == phase
                for a in w.args
            ]
            readers = [t for t in self.terms if t.name in loops[phase]]
            for arg in (*stores, *(a for t in readers for a in t.args)):
                if arg.name in due:
                    due[arg.name] = phase
        for term in reversed(self.terms):
            if term.name in due:
                for arg in term.args:
                    if arg.name in due:
                        due[arg.name] = min(due[arg.name], due[term.name])
        return due

    def is_straight(self, term: Term) -> bool:
        return not term.loop and self.serial not in term.axes

    def loop_terms(self, phase: int) -> set[str]:
        """Names of what stands in loop ``phase``: its accumulators, and what they and its stores
        need."""
        sums = [t for t in self.terms if t.loop and self.phase[t.name] == phase + 1]
        writes = [w for w in self.writes if self.serial in w.store.axes and self.start(w) == phase]
        roots = [*(a for t in sums for a in t.args), *(a for w in writes for a in w.args)]
        return self.needed(roots) | {t.name for t in sums}

    def loop(self, phase: int, wanted: set[str]) -> Loop | None:
        """The loop that ends phase ``phase``."""
        writes = [w for w in self.writes if self.serial in w.store.axes and self.start(w) == phase]
        if not wanted and not writes:
            return None
        inner = [self.place(t, phase) for t in self.terms if t.name in wanted]
        return Loop(self.serial, (*inner, *(self.renamed(w.store) for w in writes)))

    def start(self, write: Write) -> int:
        return max(self.phase[a.name] for a in write.args)

    def needed(self, roots: Iterable[Term]) -> set[str]:
        """Names of the terms inside the loop that the roots need."""
        found: set[str] = set()
        pending = list(roots)
        while pending:
            term = pending.pop()
            if term.name not in found and self.serial in term.axes:
                found.add(term.name)
                pending.extend(term.args)
        return found

    def place(self, term: Term, phase: int) -> Statement:
        """The statement in this loop, under a new name when an earlier loop computed it too."""
        self.names.pop(term.name, None)
        statement = self.renamed(term.statement)
        if term.name in self.emitted:
            self.names[term.name] = f"{term.name}_p{phase}"
            statement = replace(statement, name=self.names[term.name])
        self.emitted.add(term.name)
        return statement

    def renamed(self, statement: Statement) -> Statement:
        return rename(statement, self.names) if self.names else statement


def rename(statement: Statement, names: dict[str, str]) -> Statement:
    """The statement with what it reads renamed."""
    new = names.get
    rescale = getattr(statement, "rescale", None)
    scale = None if rescale is None else new(rescale, rescale)
    if isinstance(statement, Apply):
        return replace(statement, args=tuple(new(a, a) for a in statement.args))
    if isinstance(statement, Reduce):
        return replace(statement, arg=new(statement.arg, statement.arg), rescale=scale)
    if isinstance(statement, Dot):
        a, b = new(statement.a, statement.a), new(statement.b, statement.b)
        return replace(statement, a=a, b=b, rescale=scale)
    if isinstance(statement, RunningMax):
        return replace(statement, arg=new(statement.arg, statement.arg))
    if isinstance(statement, Store):
        statement = replace(statement, arg=new(statement.arg, statement.arg))
    if isinstance(statement, Load | Store):
        bounds = tuple(_rename_bound(b, names) for b in statement.bounds)
        return replace(statement, offset=_rename_dim(statement.offset, names), bounds=bounds)
    if isinstance(statement, InBounds):
        return replace(statement, bounds=tuple(_rename_bound(b, names) for b in statement.bounds))
    if isinstance(statement, Index):
        return replace(statement, value=_rename_dim(statement.value, names))
    return statement


def _rename_bound(bound: Bound, names: dict[str, str]) -> Bound:
    return replace(bound, index=_rename_dim(bound.index, names))


def _rename_dim(dim: Dim, names: dict[str, str]) -> Dim:
    if not isinstance(dim, Expr):
        return dim
    used = [s for s in free_symbols(dim) if s.name in names]
    return (
        subs(dim, {s: symbol(names[s.name], s.lo, s.hi, s.divisor, s.below) for s in used})
        if used
        else dim
    )
