"""Reads an ONNX file: bytes to a checked ``ModelProto`` and the place of its payloads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx import ModelProto

from fusec.errors import InvalidModel, Unsupported, UnsupportedModel
from fusec.frontend.onnx.names import check_names
from fusec.frontend.onnx.tensors import Payloads
from fusec.frontend.onnx.wire import Truncated, split

MINIMUM_OPSET = 7
DEFAULT_DOMAINS = ("", "ai.onnx")


@dataclass(frozen=True)
class Source:
    """A parsed model: its structure, its payloads, the operator set version of each domain."""

    proto: ModelProto
    payloads: Payloads
    opsets: dict[str, int]
    name: str


def read(buffer: memoryview, path: Path | None, name: str) -> Source:
    """Parse a serialised model; the arrays of the result are views of ``buffer``. InvalidModel."""
    hint = "fusec reads ONNX; the file may be truncated, or of another kind"
    try:
        proto = ModelProto.FromString(split(buffer))
    except (Truncated, DecodeError) as error:
        raise InvalidModel(f"{name} is not a whole ONNX model: {error}", hint=hint) from None
    return from_proto(proto, Payloads(buffer, path), name)


def from_proto(proto: ModelProto, payloads: Payloads, name: str) -> Source:
    """Check what every model must have; InvalidModel or UnsupportedModel."""
    if not proto.HasField("graph"):
        raise InvalidModel(f"{name} is not an ONNX model: it has no graph")
    if not proto.graph.output:
        raise InvalidModel(f"{name}: the graph has no outputs")
    check_names(proto)
    opsets = opset_versions(proto.opset_import)
    if not opsets and proto.ir_version >= 3:
        raise InvalidModel(f"{name} imports no operator set")
    if not opsets:
        opsets = {"": 1}  # what IR versions 1 and 2 mean
    default = opsets.get("", MINIMUM_OPSET)
    if default < MINIMUM_OPSET:
        reason = f"operator set {default} of the default domain; fusec reads {MINIMUM_OPSET} and up"
        raise UnsupportedModel(
            [Unsupported(name, "model", reason)],
            hint="convert it with onnx.version_converter",
        )
    return Source(proto, payloads, opsets, name)


def opset_versions(imports: object) -> dict[str, int]:
    """Version of each imported domain; the highest where one is listed twice."""
    versions: dict[str, int] = {}
    for entry in imports:  # type: ignore[attr-defined]
        domain = "" if entry.domain in DEFAULT_DOMAINS else entry.domain
        versions[domain] = max(versions.get(domain, 0), entry.version)
    return versions
