"""Conversions between element types, bit for bit those of torch on the CPU.

Conversions to and from halves go through float32 (torch rounds float64 and int64 twice, too),
float8 is held as bits. A float becomes a small integer by way of int32 or int64, so that
out-of-range values wrap; `saturate` clamps them to the type's range instead, with NaN as 0.
"""

from __future__ import annotations

from fusec.codegen.helpers import Helpers
from fusec.codegen.names import tl, triton_name
from fusec.ir.types import DType, bool_, f32, f64, i32, i64

_WIDE_FIRST = {"uint8": i64, "uint16": i64, "uint32": i64, "int8": i32, "int16": i32}
_FLOAT8 = {  # the suffix of the helpers, and the largest finite value
    "float8_e4m3fn": ("e4m3fn", 448.0),
    "float8_e4m3fnuz": ("e4m3fnuz", 240.0),
    "float8_e5m2": ("e5m2", 57344.0),
    "float8_e5m2fnuz": ("e5m2fnuz", 57344.0),
}


def is_float8(dtype: DType) -> bool:
    """Whether tiles of the type hold its bits."""
    return dtype.name in _FLOAT8


def cast(
    text: str, source: DType, target: DType, helpers: Helpers, *, saturate: bool = False
) -> str:
    """``text``, an operand that needs no brackets, converted from ``source`` to ``target``."""
    if source == target:
        return text
    if is_float8(source):
        text = f"{helpers.use(f'from_{_FLOAT8[source.name][0]}')}({text})"
        return cast(text, f32, target, helpers, saturate=saturate)
    if target == bool_:
        return f"({text} != 0)"
    if source.is_float and not target.is_float:
        return _float_to_integer(text, source, target, saturate)
    if is_float8(target):
        return _to_float8(text, source, target, helpers, saturate)
    if target.is_float:
        return _to_float(text, source, target)
    return _integer(text, source, target, saturate)


def _to(text: str, dtype: DType) -> str:
    return f"{text}.to({tl(dtype)})"


def _is_half(dtype: DType) -> bool:
    return dtype.is_float and dtype.bits < 32


def _to_float(text: str, source: DType, target: DType) -> str:
    if source.name == "uint64" and target != f64:
        text, source = _to(text, f64), f64  # as torch does
    if target != f32 and source != f32 and (_is_half(source) or _is_half(target)):
        text, source = _to(text, f32), f32
    return text if source == target else _to(text, target)


def _to_float8(text: str, source: DType, target: DType, helpers: Helpers, saturate: bool) -> str:
    text = _to_float(text, source, f32)
    suffix, limit = _FLOAT8[target.name]
    if saturate:
        text = f"tl.clamp({text}, -{limit}, {limit}, propagate_nan=tl.PropagateNan.ALL)"
    return f"{helpers.use(f'to_{suffix}')}({text})"


def _float_to_integer(text: str, source: DType, target: DType, saturate: bool) -> str:
    if _is_half(source):
        text, source = _to(text, f32), f32
    if saturate:
        return _saturated(text, source, target)
    if target.bits < 8:
        return _wrap_bits(_to(text, i32), target)
    wide = _WIDE_FIRST.get(target.name)
    return _to(text if wide is None else _to(text, wide), target)


def _saturated(text: str, source: DType, target: DType) -> str:
    """Clamp in float; the largest value of a wide integer is not a float, so it is selected."""
    low, high = _range(target)
    kind = tl(source)
    inside = f"tl.where({text} > {float(low)}, {text}, tl.full((), {float(low)}, {kind}))"
    inside = f"tl.where({text} == {text}, {inside}, tl.full((), 0.0, {kind}))"
    top = float(high)
    if top == high and (source == f64 or abs(high) < 2**24):
        return _to(f"tl.where({text} >= {top}, tl.full((), {top}, {kind}), {inside})", target)
    whole = _to(inside, target)
    return f"tl.where({text} >= {top}, tl.full((), {high}, {tl(target)}), {whole})"


def _integer(text: str, source: DType, target: DType, saturate: bool) -> str:
    if saturate and source.is_integer:
        text = _clamped(text, source, target)
    elif target.bits < 8 and source.bits > target.bits:
        return _wrap_bits(_to(text, i32), target)
    return text if triton_name(source) == triton_name(target) else _to(text, target)


def _clamped(text: str, source: DType, target: DType) -> str:
    (low, high), (least, most) = _range(target), _range(source)
    if most > high:
        text = f"tl.where({text} < {high}, {text}, tl.full((), {high}, {tl(source)}))"
    if least < low:
        text = f"tl.where({text} > {low}, {text}, tl.full((), {low}, {tl(source)}))"
    return text


def _wrap_bits(text: str, target: DType) -> str:
    """The low bits of an int32, sign-extended for a signed type."""
    shift = 32 - target.bits
    if target.kind == "uint":
        return _to(f"({text} & {2**target.bits - 1})", target)
    return _to(f"(({text} << {shift}) >> {shift})", target)


def _range(dtype: DType) -> tuple[int, int]:
    signed = dtype.kind == "int"
    bits = dtype.bits - signed
    return (-(2**bits) if signed else 0), 2**bits - 1


def bitcast(text: str, source: DType, target: DType) -> str:
    """The same bits as another type of the same width."""
    same = triton_name(source) == triton_name(target)
    return text if same else f"{text}.to({tl(target)}, bitcast=True)"
