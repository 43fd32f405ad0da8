"""torch, imported when first used: the IR must load without it.

``from fusec.ir.lazy import torch`` gives a stand-in that imports torch at the first attribute read.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch as torch
else:

    class _Torch:
        """Reads attributes of torch and keeps them."""

        def __getattr__(self, name: str) -> Any:
            value = getattr(importlib.import_module("torch"), name)
            self.__dict__[name] = value
            return value

    torch = _Torch()
