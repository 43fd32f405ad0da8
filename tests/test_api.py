"""The public API: short, lazy, and all of it there."""

from __future__ import annotations

import subprocess
import sys

import pytest

import fusec


def test_every_public_name_is_there() -> None:
    assert list(fusec.__all__) == sorted(fusec.__all__, key=lambda n: (n.islower(), n))
    for name in fusec.__all__:
        assert getattr(fusec, name).__doc__ or name == "__version__"
    assert dir(fusec) == sorted(fusec.__all__)


def test_an_unknown_name() -> None:
    with pytest.raises(AttributeError, match="frobnicate"):
        fusec.frobnicate  # noqa: B018


def test_import_costs_nothing() -> None:
    code = "import fusec, sys; print(sorted({'numpy', 'torch', 'onnx'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
