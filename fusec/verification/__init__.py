"""Proof against an independent reference: golden outputs, comparison, and the search for a culprit.

The reference is never fusec itself: ONNX Runtime with its optimisations off, in a subprocess, or
the reference evaluator of the ``onnx`` package.
"""

from fusec.verification.compare import Comparison, compare_outputs, tolerance_floor

__all__ = ["Comparison", "compare_outputs", "tolerance_floor"]
