"""Files named on the command line: plan or model, and writing them whole or not at all."""

from __future__ import annotations

import zipfile
from pathlib import Path

from fusec.errors import InvalidPlan, UsageError


def is_plan(path: Path) -> bool:
    """Whether the file is a plan by content; UsageError when there is no such file.

    What it is otherwise, the frontend says: it knows the kinds of models.
    """
    if path.is_dir():
        raise UsageError(f"{path} is a directory", hint="give a model or plan file")
    if not path.exists():
        raise UsageError(f"{path}: no such file")
    try:
        with zipfile.ZipFile(path) as archive:
            return bool({"manifest.json", "graph.txt"} & set(archive.namelist()))
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        return False


def require_model(path: Path) -> Path:
    """``path``, when it may be a model."""
    if is_plan(path):
        raise UsageError(f"{path} is a plan already", hint=f"see it with `fusec inspect {path}`")
    return path


def require_plan(path: Path) -> Path:
    """``path``, when it is a plan by content, or one that is damaged."""
    if is_plan(path):
        return path
    with path.open("rb") as file:
        damaged = file.read(2) == b"PK"
    if damaged and not zipfile.is_zipfile(path):
        raise InvalidPlan(
            f"{path} is a damaged or truncated plan", hint="write it again with `fusec optimize`"
        )
    raise InvalidPlan(
        f"{path} is not a plan", hint=f"make one from a model with `fusec optimize {path}`"
    )


def check_output(path: Path, *sources: Path) -> Path:
    """``path``, when a file can be written there; it must not be one of ``sources``."""
    from fusec.plan.atomic import check_name

    check_name(path)
    for source in sources:
        if path.exists() and source.exists() and path.samefile(source):
            raise UsageError(f"-o {path} would overwrite the input {source}", hint="choose another")
    return path


def write_whole(path: Path, data: str | bytes) -> None:
    """Write a file whole or not at all; EnvironmentProblem when it cannot be written."""
    from fusec.plan.atomic import whole_file

    with whole_file(path) as file:
        file.write(data.encode() if isinstance(data, str) else data)
