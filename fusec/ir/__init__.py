"""The language: types, dims, graph, ops, text form, verifier, reference evaluator."""
