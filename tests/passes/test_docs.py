"""docs/writing-passes.md: its code runs, and prints what the page says."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[2] / "docs" / "writing-passes.md"
_BLOCK = re.compile(r"^```(python|text)\n(.*?)^```$", re.M | re.S)


def test_the_code_of_the_page_runs() -> None:
    namespace: dict[str, Any] = {"__name__": "page"}
    printed = ""
    for language, text in _BLOCK.findall(PAGE.read_text("utf-8")):
        if language == "text":
            assert printed.strip() == text.strip()
            continue
        with contextlib.redirect_stdout(io.StringIO()) as out:
            exec(compile(text, str(PAGE), "exec", dont_inherit=True), namespace)
        printed = out.getvalue()
    assert "RecognizeAbs" in namespace, "the page has code"


def test_the_files_that_the_page_names_exist() -> None:
    text = PAGE.read_text("utf-8")
    named = set(re.findall(r"`((?:fusec|tests)/[\w/.]+\.py)`", text))
    assert len(named) > 4
    assert all((PAGE.parents[1] / name).exists() for name in named)
