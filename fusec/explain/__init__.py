"""Trace, remarks and plan as text and JSON."""
