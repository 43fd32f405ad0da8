"""Files that appear whole or not at all."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from fusec.errors import EnvironmentProblem, UsageError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def check_name(path: Path) -> None:
    """UsageError unless a regular file can have that name: folders and devices are not replaced."""
    if path.is_dir():
        raise UsageError(f"{path} is a directory", hint="give -o a file name")
    if path.exists() and not path.is_file():
        raise UsageError(f"{path} is a device, not a file", hint="give -o the name of a file")
    if not path.parent.is_dir():
        raise UsageError(f"{path}: the folder {path.parent} does not exist", hint="create it first")


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file in the folder of ``path`` that takes its name when the block ends well.

    UsageError for a folder or device as path or a missing folder; EnvironmentProblem when the disk
    is full, read-only or not ours. Whatever goes wrong, nothing is left behind.
    """
    check_name(path)
    try:
        handle, name = tempfile.mkstemp(
            dir=path.parent, prefix=f".{path.name[:100]}.", suffix=".tmp"
        )
    except OSError as error:
        raise _cannot_write(path, error) from error
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o666 & ~_umask())
        os.replace(name, path)
    except OSError as error:
        raise _cannot_write(path, error) from error
    finally:
        Path(name).unlink(missing_ok=True)


def _cannot_write(path: Path, error: OSError) -> EnvironmentProblem:
    full = error.errno in _FULL
    hint = "free some space, or write elsewhere with -o" if full else "write elsewhere with -o"
    return EnvironmentProblem(f"cannot write {path}: {error.strerror or error}", hint=hint)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
