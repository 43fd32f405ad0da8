"""Tile programs: a fused body as iteration space, access maps and statements; pure data and
arithmetic."""
