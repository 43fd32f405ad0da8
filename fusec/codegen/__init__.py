"""Tile programs to Triton: printing, compiling ahead of time, and launching. Decides nothing.

Triton itself is imported only to compile or launch; printing needs nothing but the program.
"""

from fusec.codegen.grid import grid_count, grid_size
from fusec.codegen.interpret import launch_interpreted
from fusec.codegen.launch import launch_cuda
from fusec.codegen.parallel import NoConfigFits, compile_all
from fusec.codegen.printer import print_kernel

__all__ = [
    "NoConfigFits",
    "compile_all",
    "grid_count",
    "grid_size",
    "launch_cuda",
    "launch_interpreted",
    "print_kernel",
]
