"""fusec: a fusing compiler for trained neural networks.

::

    plan = fusec.compile_model("resnet50.onnx", fusec.CompileOptions(targets=("sm_90",)))
    fusec.write_plan(plan, "resnet50.plan")
    outputs = fusec.Session(plan, "reference").run({"x": x})

Names are imported on first use, so ``import fusec`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fusec.compiler import CompileOptions, compile_model
    from fusec.errors import FusecError
    from fusec.frontend import load_model
    from fusec.ir import Graph, parse_graph, print_graph
    from fusec.plan import Plan, read_plan, write_plan
    from fusec.runtime import Session

__version__ = "0.1.0"

_HOME = {
    "CompileOptions": "fusec.compiler",
    "FusecError": "fusec.errors",
    "Graph": "fusec.ir",
    "Plan": "fusec.plan",
    "Session": "fusec.runtime",
    "compile_model": "fusec.compiler",
    "load_model": "fusec.frontend",
    "parse_graph": "fusec.ir",
    "print_graph": "fusec.ir",
    "read_plan": "fusec.plan",
    "write_plan": "fusec.plan",
}

__all__ = [
    "CompileOptions",
    "FusecError",
    "Graph",
    "Plan",
    "Session",
    "__version__",
    "compile_model",
    "load_model",
    "parse_graph",
    "print_graph",
    "read_plan",
    "write_plan",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'fusec' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
