"""``optimize --emit DIR``: every intermediate form as files to read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from fusec.errors import EnvironmentProblem, UsageError

if TYPE_CHECKING:
    from fusec.ir.graph import Graph
    from fusec.passes.manager import PassRecord
    from fusec.plan import Plan


class Emitter:
    """Writes into a folder: ``00-import.ir``, ``01-canonicalize.ir``, ..., then kernels."""

    def __init__(self, folder: Path) -> None:
        if folder.exists() and not folder.is_dir():
            raise UsageError(f"--emit {folder} is a file", hint="give a folder")
        self.folder = folder
        self.count = 0

    def observe(self, graph: Graph, record: PassRecord | None) -> None:
        """The graph after the import (None), or after a pass that changed it.

        Passes that changed nothing leave a gap in the numbers.
        """
        from fusec.ir import print_graph

        if record is None or record.changed:
            name = "import" if record is None else record.name
            self._write(f"{self.count:02d}-{name}.ir", print_graph(graph))
        self.count += 1

    def plan(self, plan: Plan) -> None:
        """The kernels' sources, and the diffs of the passes."""
        for kernel in plan.kernels:
            self._write(f"kernels/{kernel.name}.py", kernel.source)
        from fusec.explain.pass_table import trace_of, trace_text

        self._write("passes.txt", trace_text(trace_of(plan), 100_000, (), full=True) + "\n")

    def _write(self, name: str, text: str) -> None:
        path = self.folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
        except OSError as error:
            raise EnvironmentProblem(f"cannot write {path}: {error.strerror}") from error
