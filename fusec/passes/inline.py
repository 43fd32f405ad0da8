"""Put the nodes of a nested graph in the place of the node that held it."""

from __future__ import annotations

from collections.abc import Sequence

from fusec.ir.builder import GraphBuilder
from fusec.ir.graph import Graph, Value


def inline_graph(body: Graph, operands: Sequence[Value], b: GraphBuilder) -> tuple[Value, ...]:
    """Copy the nodes of ``body`` to where ``b`` stands; returns what its outputs became.

    ``operands`` stand for the inputs of the body. Origins are those of the copied node and those
    ``b`` stamps; nested graphs of copied nodes are shared with the body, which is to be dropped.
    """
    values = dict(zip(body.inputs, operands, strict=True))
    b.graph.symbols.update(body.symbols)
    for node in body.nodes:
        copy = b.graph.create(
            node.op,
            [values[v] for v in node.operands],
            node.attrs,
            graphs=node.graphs,
            names=[r.name for r in node.results],
            origins=(*node.origins, *b.origins),
            region=node.region or b.region,
            before=b.before,
            types=[r.type for r in node.results],
        )
        values.update(zip(node.results, copy.results, strict=True))
    return tuple([values[v] for v in body.outputs])
