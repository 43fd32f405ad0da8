"""How wide text may be."""

from __future__ import annotations

import shutil
import sys

DEFAULT = 100  # when stdout is no terminal


def text_width() -> int:
    """Columns of the terminal; 100 when stdout is a file or a pipe."""
    return shutil.get_terminal_size((DEFAULT, 24)).columns if sys.stdout.isatty() else DEFAULT
