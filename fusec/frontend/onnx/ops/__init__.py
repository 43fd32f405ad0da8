"""The operator lowerings, one file a family. Importing this package fills the registry."""

from fusec.frontend.onnx.ops import (
    activation,
    constants,
    contraction,
    conversion,
    einsum,
    index,
    normalization,
    pad,
    pointwise,
    pool,
    quantization,
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
    "einsum",
    "index",
    "normalization",
    "pad",
    "pointwise",
    "pool",
    "quantization",
    "reduction",
    "resize",
    "shape",
    "slicing",
    "sorting",
]
