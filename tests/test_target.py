"""Targets: names, aliases, limits that hold together, errors that help."""

from __future__ import annotations

import pytest

from fusec.errors import EnvironmentProblem, UsageError
from fusec.target import ALIASES, TARGETS, Target, resolve


@pytest.mark.parametrize("target", TARGETS, ids=lambda t: t.name)
def test_limits_hold_together(target: Target) -> None:
    assert target.shared_per_block <= target.shared_per_sm
    assert target.fp32_flops <= target.tf32_flops <= target.half_flops
    assert target.warp_size == (32 if target.kind == "cuda" else 64)
    assert target.name == (f"sm_{target.arch}" if target.kind == "cuda" else target.arch)
    assert target.l2_bandwidth > target.bandwidth > 1e11
    assert resolve(target.name) is target


def test_names_are_unique() -> None:
    names = [t.name for t in TARGETS]
    assert len(set(names)) == len(names)
    assert not set(names) & set(ALIASES)


@pytest.mark.parametrize(
    ("alias", "name"),
    [("a100", "sm_80"), ("H100", "sm_90"), ("RTX 4090", "sm_89"), ("mi300x", "gfx942")],
)
def test_aliases(alias: str, name: str) -> None:
    assert resolve(alias).name == name


def test_every_alias_has_a_target() -> None:
    assert set(ALIASES.values()) <= {t.name for t in TARGETS}


def test_unknown_names_list_the_known() -> None:
    with pytest.raises(UsageError, match="unknown target 'sm_12'") as caught:
        resolve("sm_12")
    assert caught.value.hint is not None
    assert "sm_80" in caught.value.hint
    assert "h100" in caught.value.hint


def test_native_without_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(EnvironmentProblem, match="no usable GPU"):
        resolve("native")


def test_units_of_contractions() -> None:
    a100 = resolve("a100")
    assert a100.dot_flops("float32", "ieee") == a100.fp32_flops
    assert a100.dot_flops("float32", "tf32x3") == a100.tf32_flops / 3
    assert a100.dot_flops("bfloat16", "ieee") == a100.half_flops
    assert a100.dot_flops("int8", "ieee") == a100.int8_ops
    t4 = resolve("t4")
    assert t4.dot_flops("float32", "tf32") == t4.fp32_flops
