"""Model files to IR graphs.

`load_model` imports; `coverage` says what would happen to every node. Both tell the kind of model
by its content.
"""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from fusec.errors import EnvironmentProblem, UsageError
from fusec.frontend.coverage import Coverage, OperatorRow, summarize
from fusec.frontend.detect import detect
from fusec.ir import Graph

if TYPE_CHECKING:
    from onnx import ModelProto

    from fusec.frontend.onnx import Constants, Dims, Shapes, Source

    Model: TypeAlias = str | os.PathLike[str] | bytes | ModelProto

__all__ = ["Coverage", "OperatorRow", "coverage", "load_model"]


def load_model(
    source: Model,
    shapes: Shapes | None = None,
    dims: Dims | None = None,
    constants: Constants | None = None,
) -> Graph:
    """Import a model from a path, its bytes, or a ``ModelProto``.

    ``shapes``: sizes by input name: an int, a symbolic dim, a name for a new one, or None for any.
    ``dims``: by name of a symbolic dim, its size or its range ``(lowest, highest, divisor)``.
    ``constants``: data of inputs that become part of the graph, such as axes or target sizes.

    Weights are views of the memory-mapped file. Raises UsageError, InvalidModel, UnsupportedModel
    or EnvironmentProblem.
    """
    from fusec.frontend.onnx import Importer, Inputs

    return Importer(_read(source), Inputs(shapes, dims, constants)).run()


def coverage(source: Model, shapes: Shapes | None = None, dims: Dims | None = None) -> Coverage:
    """What becomes of each operator: supported, decomposed or unsupported, with node names."""
    from fusec.errors import UnsupportedModel
    from fusec.frontend.onnx import Importer, Inputs

    importer = Importer(_read(source), Inputs(shapes, dims))
    try:
        importer.run()
    except UnsupportedModel:
        if not importer.records:
            raise
    return summarize(importer.records, importer.annotations.disagreements)


def _read(source: Model) -> Source:
    from onnx import ModelProto

    from fusec.frontend.onnx import Payloads, from_proto, read

    if isinstance(source, ModelProto):
        return from_proto(source, Payloads(None, None), "the model")
    if isinstance(source, bytes):
        path, name, buffer = None, "the model", memoryview(source)
    else:
        path = Path(source)
        name, buffer = str(path), map_file(path)
    detect(buffer, name)
    return read(buffer, path, name)


def map_file(path: Path) -> memoryview:
    """The bytes of a file, memory-mapped; UsageError or EnvironmentProblem."""
    try:
        with open(path, "rb") as file:
            if os.fstat(file.fileno()).st_size == 0:
                return memoryview(b"")
            # Copy on write: arrays over it count as writable, the file never changes.
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY))
    except FileNotFoundError:
        raise UsageError(f"no such file: {path}") from None
    except IsADirectoryError:
        raise UsageError(f"{path} is a directory, not a model file") from None
    except OSError as error:
        raise EnvironmentProblem(f"cannot read {path}: {error.strerror}") from None
