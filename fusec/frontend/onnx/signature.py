"""What the ONNX schema of an operator says about a node: inputs, outputs, attributes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import onnx.defs
from onnx import AttributeProto, NodeProto

from fusec.errors import InvalidModel
from fusec.frontend.onnx.attributes import attribute_kind, kind_name


@dataclass(frozen=True)
class Signature:
    """Limits of one operator at one version."""

    inputs: tuple[int, int]
    outputs: tuple[int, int]
    required: frozenset[int]  # inputs that may not be omitted
    kinds: dict[str, int]
    needed: tuple[str, ...]  # attributes without default that must be there


@lru_cache(maxsize=4096)
def schema_of(domain: str, op: str, version: int) -> Any:
    """The schema in force at an operator-set version; None if onnx knows no such operator."""
    try:
        return onnx.defs.get_schema(op, version, domain)
    except onnx.defs.SchemaError:
        return None


@lru_cache(maxsize=4096)
def schema_defaults(domain: str, op: str, version: int) -> dict[str, AttributeProto]:
    """The attributes that have a default value in the schema."""
    schema = schema_of(domain, op, version)
    defaults = {} if schema is None else {n: a.default_value for n, a in schema.attributes.items()}
    return {n: value for n, value in defaults.items() if value.type != AttributeProto.UNDEFINED}


@lru_cache(maxsize=4096)
def signature_of(domain: str, op: str, version: int) -> Signature | None:
    """Limits taken from the schema; None if onnx knows no such operator."""
    schema = schema_of(domain, op, version)
    if schema is None:
        return None
    single = onnx.defs.OpSchema.FormalParameterOption.Single
    return Signature(
        (schema.min_input, schema.max_input),
        (schema.min_output, schema.max_output),
        frozenset(i for i, p in enumerate(schema.inputs) if p.option == single),
        {name: int(a.type.value) for name, a in schema.attributes.items()},
        tuple(name for name, a in schema.attributes.items() if a.required),
    )


def check_node(
    node: NodeProto, signature: Signature, invalid: Callable[[str], InvalidModel]
) -> None:
    """Raise what ``invalid`` makes of the first rule that the node breaks."""
    low, high = signature.inputs
    if not low <= len(node.input) <= high:
        raise invalid(f"has {len(node.input)} inputs, not {_span(low, high)}")
    low, high = signature.outputs
    if not low <= len(node.output) <= high:
        raise invalid(f"has {len(node.output)} outputs, not {_span(low, high)}")
    for index, name in enumerate(node.input):
        if not name and index in signature.required:
            raise invalid(f"input {index} is missing")
    given = set()
    for proto in node.attribute:
        given.add(proto.name)
        kind = signature.kinds.get(proto.name)
        if kind is None and not proto.name.startswith("_"):
            raise invalid(f"has no attribute {proto.name}")
        found = attribute_kind(proto) if not proto.ref_attr_name else kind
        if kind is not None and found not in (kind, 0):
            raise invalid(
                f"attribute {proto.name} is {kind_name(found or 0)}, not {kind_name(kind)}"
            )
    for name in signature.needed:
        if name not in given:
            raise invalid(f"attribute {name} is missing")


def _span(low: int, high: int) -> str:
    if low == high:
        return str(low)
    return f"{low} or more" if high > 1 << 20 else f"{low} to {high}"
