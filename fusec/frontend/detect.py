"""Tells what kind of model a file holds, by its content."""

from __future__ import annotations

import io
import zipfile

from fusec.errors import InvalidModel, Unsupported, UnsupportedModel, UsageError

ONNX = "onnx"

_HINT = "fusec reads ONNX models"


def detect(buffer: memoryview, name: str) -> str:
    """The kind of model: `ONNX`; an error that says what the content is instead."""
    if not len(buffer):
        raise InvalidModel(f"{name} is empty", hint=_HINT)
    head = bytes(buffer[:512])
    if head.startswith(b"PK\x03\x04"):
        _refuse_archive(buffer, name)
    if head[4:8] == b"ORTM":
        raise InvalidModel(f"{name} is in ONNX Runtime's own format", hint="compile the .onnx file")
    if head.startswith(b"version https://git-lfs"):
        raise InvalidModel(f"{name} is a git-lfs pointer", hint="fetch the file with git lfs pull")
    if _is_text(head):
        raise InvalidModel(f"{name} is a text file, not a model", hint=_HINT)
    return ONNX


def _refuse_archive(buffer: memoryview, name: str) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(buffer)) as archive:
            members = archive.namelist()
    except (zipfile.BadZipFile, OSError) as error:
        raise InvalidModel(f"{name} is a damaged archive: {error}", hint=_HINT) from None
    if "manifest.json" in members and "graph.txt" in members:
        raise UsageError(f"{name} is a plan, not a model")
    kinds = {"constants.pkl": "TorchScript", "serialized_exported_program.json": "torch.export"}
    for member in members:
        kind = kinds.get(member.rsplit("/", 1)[-1])
        if kind is not None or "/models/" in member:
            reason = f"{kind or 'torch.export'} models cannot be read yet"
            raise UnsupportedModel([Unsupported(name, "model", reason)], hint="export it to ONNX")
    raise InvalidModel(f"{name} is an archive without a model", hint=_HINT)


def _is_text(head: bytes) -> bool:
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.end < len(head) - 3:
            return False
        text = head[: error.start].decode("utf-8")
    return all(ch.isprintable() or ch in "\r\n\t\f" for ch in text)
