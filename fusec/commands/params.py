"""Option types: ``--shape x=1x3x224x224``, ``--dim batch=8|1..64``, and options that repeat."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

PATH = click.Path(path_type=Path)

_SIZE = r"(?:\d+|[A-Za-z_]\w*)"
_SHAPE = re.compile(rf"(?P<name>.+)=(?P<dims>\d+(x\d+)*|{_SIZE}(,{_SIZE})*)")
_DIM = re.compile(r"(?P<name>.+)=(?P<low>\d+)(\.\.(?P<high>\d+)(:(?P<step>\d+))?)?")
_RANGE = re.compile(r"(?P<name>.+)=(?P<low>-?[\d.eE+-]+?)\.\.(?P<high>-?[\d.eE+-]+)")


class ShapeType(click.ParamType[Any]):
    """``NAME=1x3x224x224``, ``NAME=batch,3,224,224`` (a symbolic dim) or ``NAME=scalar``."""

    name = "NAME=DIMS"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        found = _SHAPE.fullmatch(str(value))
        if found is None:
            self.fail(f"{value!r} is not a shape such as x=1x3x224x224", param, ctx)
        if found["dims"] == "scalar":
            return found["name"], ()
        all_numbers = re.fullmatch(r"[\dx]+", found["dims"]) is not None
        sizes = found["dims"].split("x" if all_numbers else ",")
        return found["name"], tuple(int(size) if size.isdigit() else size for size in sizes)


class DimType(click.ParamType[Any]):
    """``NAME=8``, ``NAME=1..64``, or ``NAME=8..64:8`` (multiples of 8)."""

    name = "NAME=N|LOW..HIGH"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        found = _DIM.fullmatch(str(value))
        if found is None:
            self.fail(f"{value!r} is not a dim such as batch=8 or batch=1..64", param, ctx)
        low = int(found["low"])
        if found["high"] is None:
            return found["name"], low
        high, step = int(found["high"]), int(found["step"] or 1)
        if low > high or step < 1 or low % step or high % step:
            self.fail(f"{value!r} is an empty range or not of multiples of {step}", param, ctx)
        return found["name"], (low, high, step)


class RangeType(click.ParamType[Any]):
    """``NAME=LOW..HIGH`` as (name, (low, high))."""

    name = "NAME=LOW..HIGH"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        found = _RANGE.fullmatch(str(value))
        if found is None:
            self.fail(f"{value!r} is not a range such as ids=0..30521", param, ctx)
        try:
            low, high = float(found["low"]), float(found["high"])
        except ValueError:
            self.fail(f"{value!r} is not a range of numbers", param, ctx)
        if low > high:
            self.fail(f"{value!r} is an empty range", param, ctx)
        return found["name"], (low, high)


SHAPE, DIM, RANGE = ShapeType(), DimType(), RangeType()


class SizeType(click.ParamType[Any]):
    """``NAME=8`` as (name, 8)."""

    name = "NAME=N"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        name, _, size = str(value).rpartition("=")
        if not name or not size.isdigit():
            self.fail(f"{value!r} is not a size such as batch=8", param, ctx)
        return name, int(size)


SIZE = SizeType()
