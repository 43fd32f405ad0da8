"""Named arrays in a folder, for talking to a subprocess: every dtype, ml_dtypes' included."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def numpy_dtype(name: str) -> np.dtype[Any]:
    """The numpy or ml_dtypes dtype of that name; TypeError if there is none."""
    extension = getattr(ml_dtypes, name, None)
    return np.dtype(extension if extension is not None else name)


def save_arrays(folder: Path, stem: str, arrays: Mapping[str, Array]) -> None:
    """Write ``STEM.json`` and one file of raw bytes for each array."""
    index = []
    for position, (name, array) in enumerate(arrays.items()):
        contiguous = np.ascontiguousarray(array)
        file = f"{stem}.{position}.bin"
        contiguous.reshape(-1).view(np.uint8).tofile(folder / file)
        index.append([name, array.dtype.name, list(array.shape), file])
    (folder / f"{stem}.json").write_text(json.dumps(index))


def load_arrays(folder: Path, stem: str) -> dict[str, Array]:
    """Read what `save_arrays` wrote."""
    index = json.loads((folder / f"{stem}.json").read_text())
    return {
        name: np.fromfile(folder / file, np.uint8).view(numpy_dtype(dtype)).reshape(shape)
        for name, dtype, shape, file in index
    }
