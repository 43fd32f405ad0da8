from __future__ import annotations

import click
import pytest

from fusec.commands.params import DIM, RANGE, SHAPE, SIZE


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("x=1x3x224x224", ("x", (1, 3, 224, 224))),
        ("x=7", ("x", (7,))),
        ("x=1,3", ("x", (1, 3))),
        ("x=batch,3,8", ("x", ("batch", 3, 8))),
        ("x=n", ("x", ("n",))),
        ("x=scalar", ("x", ())),
        ("input:0=2x2", ("input:0", (2, 2))),
        ("a=b=4x4", ("a=b", (4, 4))),
    ],
)
def test_shapes(text: str, value: object) -> None:
    assert SHAPE.convert(text, None, None) == value


@pytest.mark.parametrize("text", ["x", "x=", "=1x3", "x=1xtwo", "x=1,,3", "x=-1x3", "x=1x3x"])
def test_bad_shapes(text: str) -> None:
    with pytest.raises(click.BadParameter):
        SHAPE.convert(text, None, None)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("batch=8", ("batch", 8)),
        ("batch=1..64", ("batch", (1, 64, 1))),
        ("batch=8..64:8", ("batch", (8, 64, 8))),
    ],
)
def test_dims(text: str, value: object) -> None:
    assert DIM.convert(text, None, None) == value


@pytest.mark.parametrize("text", ["batch", "batch=", "batch=9..3", "batch=1..64:8", "batch=a"])
def test_bad_dims(text: str) -> None:
    with pytest.raises(click.BadParameter):
        DIM.convert(text, None, None)


def test_ranges_and_sizes() -> None:
    assert RANGE.convert("ids=0..30521", None, None) == ("ids", (0.0, 30521.0))
    assert RANGE.convert("x=-1.5..2e3", None, None) == ("x", (-1.5, 2000.0))
    assert SIZE.convert("batch=8", None, None) == ("batch", 8)
    for kind, text in ((RANGE, "x=3..1"), (RANGE, "x=a..b"), (RANGE, "x"), (SIZE, "x=b")):
        with pytest.raises(click.BadParameter):
            kind.convert(text, None, None)
