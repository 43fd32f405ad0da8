"""ir.Graph -> ir.Graph: passes, the rules they are made of, their manager and the pipeline."""
