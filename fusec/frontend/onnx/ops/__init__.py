"""The operator lowerings, one file a family. Importing this package fills the registry."""

from fusec.frontend.onnx.ops import (
    activation,
    constants,
    contraction,
    conversion,
    index,
    normalization,
    pad,
    pointwise,
    pool,
    reduction,
    resize,
    shape,
    slicing,
    sorting,
)

__all__ = [
    "activation",
    "constants",
    "contraction",
    "conversion",
    "index",
    "normalization",
    "pad",
    "pointwise",
    "pool",
    "reduction",
    "resize",
    "shape",
    "slicing",
    "sorting",
]
