"""Tile programs to Triton: printing, compiling ahead of time, and launching. Decides nothing.

Triton itself is imported only to compile or launch; printing needs nothing but the program.
"""
