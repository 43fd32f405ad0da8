"""ONNX models to IR graphs."""

from fusec.frontend.onnx import evaluators as _evaluators
from fusec.frontend.onnx import ops as _ops
from fusec.frontend.onnx.importer import Importer, Record
from fusec.frontend.onnx.inputs import Constants, Dims, Inputs, Shapes
from fusec.frontend.onnx.reader import Source, from_proto, read
from fusec.frontend.onnx.tensors import Payloads

# Importing these two fills the operator tables.
del _evaluators, _ops

__all__ = [
    "Constants",
    "Dims",
    "Importer",
    "Inputs",
    "Payloads",
    "Record",
    "Shapes",
    "Source",
    "from_proto",
    "read",
]
