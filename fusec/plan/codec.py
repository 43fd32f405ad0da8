"""Dataclasses as JSON data and back, by their type hints. Decoding is strict and never executes.

A document is ``{"symbols": [...], "value": ...}``: dims are written as text over the symbols it
lists. A dataclass is an object with exactly its fields; where the hint is a base class or a union
of dataclasses it has its class name under ``"is"``. NaN and infinities are ``{"float": "nan"}``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, TypeVar

from fusec.ir.sym import Dim, Expr, Symbol, free_symbols, parse
from fusec.ir.types import DType, dtype
from fusec.plan.hints import Shape, fields_of, shape_of
from fusec.plan.json_data import CodecError, check_keys, expect, from_json, to_json

T = TypeVar("T")
TAG = "is"


# -- documents -----------------------------------------------------------------------------------


def dump(value: Any, hint: Any) -> bytes:
    """A document as JSON text. ValueError when two different symbols have one name."""
    encoder = _Encoder()
    data = encoder.encode(value, hint)
    return to_json({"symbols": encoder.table(), "value": data})


def load(data: bytes, hint: type[T]) -> T:
    """The value of a document; CodecError when it is not one of the type."""
    document = from_json(data)
    check_keys(document, ["symbols", "value"], "$")
    decoder = _Decoder(_decode_symbols(document["symbols"]))
    value: T = decoder.decode(document["value"], hint, "$")
    return value


# -- symbols -------------------------------------------------------------------------------------


def _symbol_data(s: Symbol) -> dict[str, Any]:
    below = None if s.below is None else str(s.below)
    return {"name": s.name, "lo": s.lo, "hi": s.hi, "divisor": s.divisor, "below": below}


def _decode_symbols(data: Any) -> dict[str, Symbol]:
    table: dict[str, Symbol] = {}
    for index, item in enumerate(expect(data, list, "$.symbols")):
        place = f"$.symbols[{index}]"
        check_keys(item, ["name", "lo", "hi", "divisor", "below"], place)
        name = expect(item["name"], str, f"{place}.name")
        if name in table:
            raise CodecError(place, f"symbol {name} stands twice")
        try:
            table[name] = _make_symbol(item, table, place)
        except ValueError as error:
            raise CodecError(place, str(error)) from None
    return table


def _make_symbol(item: dict[str, Any], table: Mapping[str, Symbol], place: str) -> Symbol:
    for key in ("lo", "divisor"):
        expect(item[key], int, f"{place}.{key}")
    high = item["hi"] if item["hi"] is None else expect(item["hi"], int, f"{place}.hi")
    text = item["below"]
    below = None if text is None else parse(expect(text, str, f"{place}.below"), table)
    return Symbol(item["name"], item["lo"], high, item["divisor"], below)


# -- encoding ------------------------------------------------------------------------------------


class _Encoder:
    """Encodes by hint and collects the symbols of dims."""

    def __init__(self) -> None:
        self.symbols: dict[str, Symbol] = {}

    def table(self) -> list[dict[str, Any]]:
        return [_symbol_data(s) for s in self.symbols.values()]

    def note(self, s: Symbol) -> None:
        known = self.symbols.get(s.name)
        if known is s:
            return
        if known is not None:
            raise ValueError(f"two symbols are named {s.name}")
        for inner in free_symbols(s.below) if s.below is not None else ():
            self.note(inner)
        self.symbols[s.name] = s

    def text(self, value: Expr) -> str:
        for s in free_symbols(value):
            self.note(s)
        return str(value)

    def encode(self, value: Any, hint: Any) -> Any:
        shape = shape_of(hint)
        return _ENCODERS[shape.kind](self, value, shape)

    def _sequence(self, value: Any, shape: Shape) -> list[Any]:
        hints = shape.parts * len(value) if shape.repeats else shape.parts
        return [self.encode(v, h) for v, h in zip(value, hints, strict=True)]

    def _mapping(self, value: Any, shape: Shape) -> dict[str, Any]:
        return {key: self.encode(v, shape.parts[0]) for key, v in value.items()}

    def _dataclass(self, value: Any, shape: Shape) -> dict[str, Any]:
        cls: Any = type(value)
        tag = {TAG: cls.__name__} if shape.tagged else {}
        return tag | {name: self.encode(getattr(value, name), h) for name, h in fields_of(cls)}

    def _optional(self, value: Any, shape: Shape) -> Any:
        return None if value is None else self.encode(value, shape.parts[0])

    def _free(self, value: Any, shape: Shape) -> Any:
        if isinstance(value, tuple | list):
            return [self._free(v, shape) for v in value]
        if isinstance(value, Mapping):
            return {"map": {str(k): self._free(v, shape) for k, v in value.items()}}
        if isinstance(value, DType):
            return {"dtype": value.short}
        if isinstance(value, Expr):
            return {"dim": self.text(value)}
        return _scalar_out(value)

    def _symbol(self, value: Symbol, _: Shape) -> str:
        self.note(value)
        return value.name

    def _dim(self, value: Dim, _: Shape) -> int | str:
        return value if isinstance(value, int) else self.text(value)

    def _scalar(self, value: Any, _: Shape) -> Any:
        return _scalar_out(value)

    def _dtype(self, value: DType, _: Shape) -> str:
        return value.short

    def _bytes(self, value: bytes, _: Shape) -> str:
        return value.hex()

    def _enum(self, value: Enum, _: Shape) -> Any:
        return value.value


def _scalar_out(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": str(value)}
    if value is None or isinstance(value, str | bool | int | float):
        return value
    raise TypeError(f"{value!r} has no JSON form")


# -- decoding ------------------------------------------------------------------------------------


class _Decoder:
    """Decodes by hint; dims are parsed over the document's symbols."""

    def __init__(self, symbols: Mapping[str, Symbol]) -> None:
        self.symbols = symbols

    def decode(self, data: Any, hint: Any, place: str) -> Any:
        shape = shape_of(hint)
        return _DECODERS[shape.kind](self, data, shape, place)

    def _sequence(self, data: Any, shape: Shape, place: str) -> tuple[Any, ...]:
        items = expect(data, list, place)
        hints = shape.parts * len(items) if shape.repeats else shape.parts
        if len(hints) != len(items):
            raise CodecError(place, f"{len(items)} items where {len(hints)} are expected")
        return tuple(
            [self.decode(v, h, f"{place}[{i}]") for i, (v, h) in enumerate(zip(items, hints))]
        )

    def _mapping(self, data: Any, shape: Shape, place: str) -> dict[str, Any]:
        items = expect(data, dict, place)
        return {k: self.decode(v, shape.parts[0], f"{place}.{k}") for k, v in items.items()}

    def _dataclass(self, data: Any, shape: Shape, place: str) -> Any:
        items = expect(data, dict, place)
        cls = shape.parts[0]
        if shape.tagged:
            classes = {c.__name__: c for c in shape.parts}
            if items.get(TAG) not in classes:
                raise CodecError(place, f"{items.get(TAG)!r} is not one of {', '.join(classes)}")
            cls = classes[items[TAG]]
            items = {k: v for k, v in items.items() if k != TAG}
        fields = fields_of(cls)
        check_keys(items, [name for name, _ in fields], place)
        values = {name: self.decode(items[name], h, f"{place}.{name}") for name, h in fields}
        try:
            return cls(**values)
        except ValueError as error:
            raise CodecError(place, str(error)) from None

    def _optional(self, data: Any, shape: Shape, place: str) -> Any:
        return None if data is None else self.decode(data, shape.parts[0], place)

    def _dim(self, data: Any, _: Shape, place: str) -> Any:
        if not isinstance(data, str):
            return expect(data, int, place)
        try:
            return parse(data, self.symbols)
        except (ValueError, ZeroDivisionError, RecursionError) as error:
            raise CodecError(place, str(error)) from None

    def _symbol(self, data: Any, _: Shape, place: str) -> Symbol:
        name = expect(data, str, place)
        if name not in self.symbols:
            raise CodecError(place, f"{name} is not a symbol of the document")
        return self.symbols[name]

    def _free(self, data: Any, shape: Shape, place: str) -> Any:
        if isinstance(data, list):
            return tuple([self._free(v, shape, f"{place}[{i}]") for i, v in enumerate(data)])
        if not isinstance(data, dict):
            return data
        if len(data) != 1:
            raise CodecError(place, "an object of one key is expected")
        ((key, inner),) = data.items()
        if key == "dtype":
            return _dtype_in(inner, place)
        if key == "dim":
            return self._dim(inner, shape, place)
        if key == "map":
            items = expect(inner, dict, place)
            return {k: self._free(v, shape, f"{place}.{k}") for k, v in items.items()}
        return _float_in(data, place)

    def _enum(self, data: Any, shape: Shape, place: str) -> Any:
        try:
            return shape.parts[0](data)
        except ValueError:
            choices = ", ".join(str(e.value) for e in shape.parts[0])
            raise CodecError(place, f"{data!r} is not one of {choices}") from None

    def _scalar(self, data: Any, shape: Shape, place: str) -> Any:
        if isinstance(data, dict) and float in shape.parts:
            return _float_in(data, place)
        if shape.parts == (float,) and type(data) is int:
            return float(data)
        if type(data) not in shape.parts:
            names = " or ".join(sorted(p.__name__ for p in shape.parts))
            raise CodecError(place, f"{data!r} where {names} is expected")
        return data

    def _bytes(self, data: Any, _: Shape, place: str) -> bytes:
        try:
            return bytes.fromhex(expect(data, str, place))
        except ValueError as error:
            raise CodecError(place, f"not hexadecimal: {error}") from None

    def _dtype(self, data: Any, _: Shape, place: str) -> DType:
        return _dtype_in(data, place)


def _float_in(data: dict[str, Any], place: str) -> float:
    if list(data) != ["float"] or data["float"] not in ("nan", "inf", "-inf"):
        raise CodecError(place, "not a number")
    return float(data["float"])


def _dtype_in(data: Any, place: str) -> DType:
    try:
        return dtype(expect(data, str, place))
    except KeyError:
        raise CodecError(place, f"{data!r} is not a dtype") from None


_ENCODERS: dict[str, Callable[[_Encoder, Any, Shape], Any]] = {
    "sequence": _Encoder._sequence,
    "mapping": _Encoder._mapping,
    "dataclass": _Encoder._dataclass,
    "optional": _Encoder._optional,
    "free": _Encoder._free,
    "symbol": _Encoder._symbol,
    "dim": _Encoder._dim,
    "scalar": _Encoder._scalar,
    "dtype": _Encoder._dtype,
    "bytes": _Encoder._bytes,
    "enum": _Encoder._enum,
}
_DECODERS: dict[str, Callable[[_Decoder, Any, Shape, str], Any]] = {
    "sequence": _Decoder._sequence,
    "mapping": _Decoder._mapping,
    "dataclass": _Decoder._dataclass,
    "optional": _Decoder._optional,
    "free": _Decoder._free,
    "symbol": _Decoder._symbol,
    "dim": _Decoder._dim,
    "scalar": _Decoder._scalar,
    "dtype": _Decoder._dtype,
    "bytes": _Decoder._bytes,
    "enum": _Decoder._enum,
}
