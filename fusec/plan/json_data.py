"""Strict JSON: no NaN, no duplicate keys, exact keys and types, errors that name the place."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

_JSON_NAMES = {dict: "an object", list: "a list", str: "a string", int: "an integer"}


class CodecError(ValueError):
    """JSON data that is not what its type says; the message begins with the place (``$.a[0]``)."""

    def __init__(self, place: str, message: str) -> None:
        super().__init__(f"{place}: {message}")


def to_json(data: Any) -> bytes:
    """Compact JSON with a newline; ValueError for NaN and infinities."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode() + b"\n"


def from_json(data: bytes) -> Any:
    """JSON without duplicate keys, NaN or infinities; CodecError says where it breaks."""
    try:
        return json.loads(data, object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except RecursionError:
        raise CodecError("$", "nested too deep") from None
    except CodecError:
        raise
    except ValueError as error:
        raise CodecError("$", f"not JSON: {error}") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise CodecError("$", "a key stands twice in one object")
    return result


def _refuse_constant(text: str) -> Any:
    raise CodecError("$", f"{text} is not JSON")


def expect(data: Any, kind: type, place: str) -> Any:
    """``data``, when it is exactly of ``kind``."""
    if type(data) is not kind:
        raise CodecError(place, f"{_JSON_NAMES[kind]} is expected")
    return data


def check_keys(data: Any, wanted: Sequence[str], place: str) -> None:
    """CodecError unless ``data`` is an object with exactly these keys."""
    found = expect(data, dict, place)
    missing = [key for key in wanted if key not in found]
    if missing:
        raise CodecError(place, f"{missing[0]} is missing")
    unknown = [key for key in found if key not in wanted]
    if unknown:
        raise CodecError(place, f"{unknown[0]} is not expected")
