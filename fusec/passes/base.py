"""What a pass is: a frozen dataclass with a name, options as fields, and a truthful `run`.

How to write one: docs/writing-passes.md.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar

from fusec.passes.changes import Change, Recorder
from fusec.passes.remarks import Remark

if TYPE_CHECKING:
    from fusec.ir.graph import Graph, Node
    from fusec.target import Target

_KEBAB = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


@dataclass(frozen=True)
class Options:
    """What every pass of one compilation sees. ``precision``: ieee, tf32x3 or tf32 dots of f32."""

    targets: tuple[Target, ...] = ()
    precision: str = "ieee"


class Context:
    """What the manager gives to one run of one pass, and what the run leaves behind."""

    def __init__(self, pass_name: str = "", options: Options = Options()) -> None:
        self.pass_name = pass_name
        self.options = options
        self.remarks: list[Remark] = []
        self.recorder = Recorder()

    @property
    def targets(self) -> tuple[Target, ...]:
        """The requested targets; none means that any may run the plan."""
        return self.options.targets

    @property
    def changes(self) -> list[Change]:
        """What was recorded, in order."""
        return self.recorder.changes

    def remark(
        self, kind: str, code: str, origins: Iterable[str], message: str, **args: Any
    ) -> None:
        """Say what was done (``passed``), not done (``missed``) or found (``analysis``), and why.

        ``code``: of `fusec.passes.remarks.CODES`. ``args``: the numbers behind it.
        """
        pairs = tuple(sorted(args.items()))
        named = tuple(dict.fromkeys(origins))
        self.remarks.append(Remark(kind, self.pass_name, code, named, message, pairs))

    def record(self, rule: str, removed: Sequence[Node] = (), added: Sequence[Node] = ()) -> None:
        """Note which nodes took the place of which, and the rule (an equation) that says so.

        Call it while both still print as they should: before names of the removed are reused.
        """
        self.recorder.record(rule, removed, added)


@dataclass(frozen=True)
class Pass(ABC):
    """One transformation of a graph.

    A subclass is a frozen dataclass with a kebab-case ``name``, options as fields with defaults,
    and a docstring that is its contract in numbered clauses. `run` says truthfully whether it
    changed the graph, and changes nothing when run a second time.
    """

    name: ClassVar[str]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        name = cls.__dict__.get("name")
        if not isinstance(name, str) or not _KEBAB.fullmatch(name):
            raise TypeError(f"{cls.__name__}.name must be a kebab-case string, not {name!r}")
        if not cls.__dict__.get("__doc__"):
            raise TypeError(f"{cls.__name__} needs a docstring: its contract in numbered clauses")

    @abstractmethod
    def run(self, graph: Graph, context: Context) -> bool:
        """Transform the graph in place; whether anything changed."""

    @property
    def options(self) -> tuple[tuple[str, Any], ...]:
        """The options that differ from their default, in order of declaration."""
        pairs = [(f.name, getattr(self, f.name), f.default) for f in fields(self)]
        return tuple([(name, value) for name, value, default in pairs if value != default])

    @property
    def spec(self) -> str:
        """How it is written in a pass spec: ``name`` or ``name{option=1}``."""
        if not self.options:
            return self.name
        return f"{self.name}{{{','.join(f'{k}={option_text(v)}' for k, v in self.options)}}}"


def option_text(value: Any) -> str:
    """The spelling of an option's value in a pass spec."""
    return str(value).lower() if isinstance(value, bool) else str(value)
