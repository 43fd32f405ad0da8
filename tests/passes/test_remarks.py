"""The remark codes: a closed table, each code used, each use in the table."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import fusec
from fusec.errors import InternalError
from fusec.passes.base import Context
from fusec.passes.remarks import CODES, Remark

SOURCES = [p for p in Path(fusec.__path__[0]).rglob("*.py") if p.name != "remarks.py"]
_REFUSED = re.compile(r"(?:Refused|Refusal)\(\s*\"([^\"]+)\"")
_REMARK = re.compile(r"\.remark\(\s*(?:\"\w+\"|\w+),\s*\"([^\"]+)\"")


def test_remarks_are_of_a_closed_table() -> None:
    with pytest.raises(InternalError, match="not in"):
        Context("x").remark("missed", "because", (), "no")
    with pytest.raises(InternalError, match="kind"):
        Context("x").remark("sorry", "cycle", (), "no")
    assert all(code == code.lower() and meaning for code, meaning in CODES.items())


def test_every_code_that_is_used_is_in_the_table() -> None:
    for path in SOURCES:
        text = path.read_text("utf-8")
        used = {*_REFUSED.findall(text), *_REMARK.findall(text)}
        assert used <= set(CODES), path


def test_every_code_of_the_table_is_used() -> None:
    text = "".join(path.read_text("utf-8") for path in SOURCES)
    assert [code for code in CODES if f'"{code}"' not in text] == []


def test_a_remark_survives_json() -> None:
    remark = Remark("missed", "fuse", "cycle", ("a", "b"), "m", (("n", 3), ("shape", (1, (2,)))))
    assert Remark.from_data(remark.to_data()) == remark
    context = Context("fuse")
    context.remark("missed", "cycle", ["b", "a", "b"], "m", z=1, a=2)
    (made,) = context.remarks
    assert made.origins == ("b", "a") and made.args == (("a", 2), ("z", 1))
