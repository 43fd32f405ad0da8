"""The language: types, dims, graph, ops, text form, verifier, reference evaluator.

Importing it declares every core op and does not import torch.
"""

from fusec.ir import (  # noqa: F401
    ops_contraction,
    ops_control,
    ops_convert,
    ops_creation,
    ops_index,
    ops_pointwise,
    ops_reduce,
    ops_sort,
    ops_view,
    ops_window,
)
from fusec.ir.builder import GraphBuilder
from fusec.ir.constant import Constant
from fusec.ir.evaluate import evaluate_graph, evaluate_node
from fusec.ir.graph import Graph, Node, Use, Value
from fusec.ir.graph_view import graph_view
from fusec.ir.op import Attribute, Family, Kind, Op, all_ops, get_op
from fusec.ir.parse import parse_graph
from fusec.ir.storage import Lifetime, MemoryPlan, Root, Storage
from fusec.ir.structure import structural_key
from fusec.ir.sym import Dim, Symbol, symbol
from fusec.ir.text import collect_weights, print_graph, print_node
from fusec.ir.types import (
    DTYPES,
    DType,
    Tensor,
    bf16,
    bool_,
    dtype,
    f16,
    f32,
    f64,
    i8,
    i16,
    i32,
    i64,
    u8,
    u16,
    u32,
    u64,
)
from fusec.ir.verify import verify_graph
from fusec.ir.view_layout import view_storage

__all__ = [
    "DTYPES",
    "Attribute",
    "Constant",
    "DType",
    "Dim",
    "Family",
    "Graph",
    "GraphBuilder",
    "Kind",
    "Lifetime",
    "MemoryPlan",
    "Node",
    "Op",
    "Root",
    "Storage",
    "Symbol",
    "Tensor",
    "Use",
    "Value",
    "all_ops",
    "bf16",
    "bool_",
    "collect_weights",
    "dtype",
    "evaluate_graph",
    "evaluate_node",
    "f16",
    "f32",
    "f64",
    "get_op",
    "graph_view",
    "i16",
    "i32",
    "i64",
    "i8",
    "parse_graph",
    "print_graph",
    "print_node",
    "structural_key",
    "symbol",
    "u16",
    "u32",
    "u64",
    "u8",
    "verify_graph",
    "view_storage",
]
