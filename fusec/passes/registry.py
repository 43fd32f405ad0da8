"""The passes by name, and pass specs: ``canonicalize,fold-constants{budget=4096},fuse``."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from difflib import get_close_matches
from typing import Any, get_type_hints

from fusec.errors import UsageError
from fusec.passes.base import Pass

# name -> module:class; imported when first asked for. The order is that of the default pipeline.
PASSES: dict[str, str] = {
    "canonicalize": "fusec.passes.canonicalize:Canonicalize",
    "fold-constants": "fusec.passes.fold_constants:FoldConstants",
    "eliminate-common-subexpressions": (
        "fusec.passes.eliminate_common_subexpressions:EliminateCommonSubexpressions"
    ),
    "fold-affine-into-contraction": (
        "fusec.passes.fold_affine_into_contraction:FoldAffineIntoContraction"
    ),
    "merge-sibling-matmuls": "fusec.passes.merge_sibling_matmuls:MergeSiblingMatmuls",
    "eliminate-dead-code": "fusec.passes.eliminate_dead_code:EliminateDeadCode",
    "fuse": "fusec.passes.fuse:Fuse",
    "assign-storage": "fusec.passes.assign_storage:AssignStorage",
    "plan-memory": "fusec.passes.plan_memory:PlanMemory",
}
_REGISTERED: dict[str, type[Pass]] = {}

_ITEM = re.compile(r"\s*(?P<name>[\w-]+)\s*(?:\{(?P<options>[^{}]*)\})?\s*(?:,|$)")


def pass_names() -> tuple[str, ...]:
    """Every known name, built-in passes first."""
    return (*PASSES, *_REGISTERED)


def pass_class(name: str) -> type[Pass]:
    """The pass of that name; UsageError, with what was perhaps meant, if there is none."""
    if name in _REGISTERED:
        return _REGISTERED[name]
    if name not in PASSES:
        close = get_close_matches(name, pass_names(), n=1)
        hint = f"did you mean {close[0]}?" if close else f"the passes: {', '.join(pass_names())}"
        raise UsageError(f"no pass {name!r}", hint=hint)
    module, attribute = PASSES[name].split(":")
    found: type[Pass] = getattr(importlib.import_module(module), attribute)
    return found


@contextmanager
def registered(*classes: type[Pass]) -> Iterator[None]:
    """Make more passes known by name while it lasts; ValueError for a name that is taken."""
    for cls in classes:
        if cls.name in PASSES or cls.name in _REGISTERED:
            raise ValueError(f"a pass named {cls.name} exists")
    _REGISTERED.update({cls.name: cls for cls in classes})
    try:
        yield
    finally:
        for cls in classes:
            _REGISTERED.pop(cls.name, None)


def make_pass(name: str, options: Iterable[tuple[str, str]] = ()) -> Pass:
    """A pass with options given as text; UsageError for an unknown option or a wrong value."""
    cls = pass_class(name)
    hints = get_type_hints(cls)
    known = {f.name: hints[f.name] for f in fields(cls)}
    values: dict[str, Any] = {}
    for key, text in options:
        field = key.replace("-", "_")
        if field not in known:
            told = f"its options: {', '.join(known)}" if known else "it has no options"
            raise UsageError(f"pass {name} has no option {key!r}", hint=told)
        values[field] = _convert(text, known[field], f"{name}{{{key}={text}}}")
    try:
        return cls(**values)
    except ValueError as error:
        raise UsageError(f"pass {name}: {error}") from None


def _convert(text: str, type: Any, where: str) -> Any:
    if type is bool:
        if text not in ("true", "false"):
            raise UsageError(f"{where}: true or false is expected")
        return text == "true"
    try:
        return type(text)
    except ValueError:
        raise UsageError(f"{where}: {type.__name__} is expected") from None


def parse_spec(text: str) -> tuple[Pass, ...]:
    """The passes of a spec; UsageError names what does not read."""
    passes, position = [], 0
    while position < len(text):
        item = _ITEM.match(text, position)
        if item is None:
            hint = "write passes as a,b{option=1}"
            raise UsageError(f"pass spec {text!r} does not read at {text[position:]!r}", hint=hint)
        passes.append(make_pass(item["name"], _pairs(item["options"] or "", text)))
        position = item.end()
    return tuple(passes)


def _pairs(text: str, spec: str) -> Iterator[tuple[str, str]]:
    for part in filter(None, map(str.strip, text.split(","))):
        key, equals, value = part.partition("=")
        if not equals:
            hint = "write passes as a,b{option=1}"
            raise UsageError(f"pass spec {spec!r}: option {part!r} has no value", hint=hint)
        yield key.strip(), value.strip()


def print_spec(passes: Iterable[Pass]) -> str:
    """The inverse of `parse_spec`."""
    return ",".join(p.spec for p in passes)
