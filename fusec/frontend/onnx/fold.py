"""Evaluates small constant subgraphs that an operator needs as numbers at import.

Exporters compute pads, scales and axes with ordinary operators on constants. The reference
semantics of the core ops compute them here, so there is one meaning of every op.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fusec.ir import Node, Value

NODES, ELEMENTS = 64, 1 << 16


def fold(value: Value) -> np.ndarray[Any, Any] | None:
    """The numbers of a value made from constants only, by few and small nodes; None otherwise."""
    order = _slice(value)
    if order is None:
        return None
    from fusec.ir.evaluate import evaluate_node

    known: dict[Value, Any] = {}
    for node in order:
        results = evaluate_node(node, [known[o] for o in node.operands], {})
        known.update(zip(node.results, results, strict=True))
    result: np.ndarray[Any, Any] = known[value].numpy()
    return result


def _slice(value: Value) -> list[Node] | None:
    """The nodes behind a value, each after its operands."""
    order: dict[Node, None] = {}
    stack: list[tuple[Value, bool]] = [(value, False)]
    while stack:
        current, is_done = stack.pop()
        node = current.node
        if node is None or len(order) > NODES or not current.type.is_static:
            return None
        numel = current.type.numel
        if not isinstance(numel, int) or numel > ELEMENTS or node.op.name == "dim" or node.graphs:
            return None
        if node in order:
            continue
        if is_done:
            order[node] = None
        else:
            stack.append((current, True))
            stack.extend((o, False) for o in node.operands)
    return list(order)
