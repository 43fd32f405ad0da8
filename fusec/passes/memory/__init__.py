"""Memory planning: lifetimes of roots, and offsets in one arena."""
