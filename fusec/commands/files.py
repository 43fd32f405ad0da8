"""Files named on the command line: what they hold, and writing them whole or not at all."""

from __future__ import annotations

import errno
import os
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path

from fusec.errors import EnvironmentProblem, InvalidModel, InvalidPlan, UsageError


class Content(Enum):
    """What a file holds, told by its first bytes and, for zip archives, by its entries."""

    PLAN = "plan"
    ONNX = "onnx"
    TORCHSCRIPT = "TorchScript archive"
    EXPORTED = "torch.export program"
    PICKLE = "pickled PyTorch file"


_NOT_YET = {
    Content.TORCHSCRIPT: "export it with torch.onnx.export and give fusec the .onnx file",
    Content.EXPORTED: "export it with torch.onnx.export and give fusec the .onnx file",
    Content.PICKLE: "load it in Python and export the module with torch.onnx.export",
}


def content_of(path: Path) -> Content:
    """What the file at ``path`` holds; UsageError when there is no such file."""
    if path.is_dir():
        raise UsageError(f"{path} is a directory", hint="give a model or plan file")
    try:
        with path.open("rb") as file:
            head = file.read(4)
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file") from None
    if head[:2] == b"PK":
        return _content_of_zip(path)
    if head[:2] in (b"\x80\x02", b"\x80\x03", b"\x80\x04"):
        return Content.PICKLE
    return Content.ONNX  # the importer says what is wrong with anything else


def _content_of_zip(path: Path) -> Content:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise InvalidPlan(
            f"{path} starts like a plan but is damaged: {error}",
            hint="write it again with `fusec optimize`",
        ) from None
    inner = {name.partition("/")[2] for name in names}
    if "manifest.json" in names or "graph.txt" in names:
        return Content.PLAN
    if "archive_format" in inner | set(names) or any(n.startswith("models/") for n in inner):
        return Content.EXPORTED
    if "constants.pkl" in inner or any(n.startswith("code/") for n in inner):
        return Content.TORCHSCRIPT
    if "data.pkl" in inner:
        return Content.PICKLE
    raise InvalidModel(f"{path} is a zip archive, but neither a plan nor a model")


def require_model(path: Path) -> Path:
    """``path``, when it may be a model that fusec can import."""
    content = content_of(path)
    if content is Content.PLAN:
        raise UsageError(f"{path} is a plan already", hint=f"see it with `fusec inspect {path}`")
    if content in _NOT_YET:
        raise InvalidModel(
            f"{path} is a {content.value}, which is not supported yet", hint=_NOT_YET[content]
        )
    return path


def require_plan(path: Path) -> Path:
    """``path``, when it is a plan by content."""
    content = content_of(path)
    if content is Content.PLAN:
        return path
    raise InvalidPlan(
        f"{path} is not a plan", hint=f"make one from a model with `fusec optimize {path}`"
    )


def check_output(path: Path, *sources: Path) -> Path:
    """``path``, when a file can be written there; it must not be one of ``sources``."""
    if path.is_dir():
        raise UsageError(f"{path} is a directory", hint="give -o a file name")
    if not path.parent.is_dir():
        raise UsageError(f"{path}: the folder {path.parent} does not exist", hint="create it first")
    for source in sources:
        if path.exists() and path.samefile(source):
            raise UsageError(f"-o {path} would overwrite the input {source}", hint="choose another")
    return path


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path`` that takes its place when the block ends well."""
    check_output(path)
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
        os.close(handle)
    except OSError as error:
        raise cannot_write(path, error) from error
    try:
        yield Path(name)
        os.chmod(name, 0o666 & ~_umask())
        os.replace(name, path)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        Path(name).unlink(missing_ok=True)


def write_whole(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def cannot_write(path: Path, error: OSError) -> EnvironmentProblem:
    """The error for a disk that is full, read-only or not ours."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    hint = "free some space, or write elsewhere with -o" if full else "write elsewhere with -o"
    return EnvironmentProblem(f"cannot write {path}: {error.strerror or error}", hint=hint)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
