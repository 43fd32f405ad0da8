"""Each pass on its text cases: text, flag, rules, remarks, numbers, idempotence."""

from __future__ import annotations

import numpy as np
import pytest

from fusec.passes.base import Pass
from fusec.passes.canonicalize import canonical_rules
from fusec.passes.registry import make_pass
from tests.passes.cases import GOLDEN, Case, check_case, read_cases, write_cases

PASSES = (
    "canonicalize",
    "eliminate-common-subexpressions",
    "eliminate-dead-code",
    "fold-affine-into-contraction",
    "fold-constants",
    "merge-sibling-matmuls",
)
# Relative to the largest element of an output; the rest is exact. pow(x, 3) rounds twice.
TOLERANCES = {
    "canonicalize": {"pow three": 3e-7},
    "fold-affine-into-contraction": {"halves": 4e-3, "": 1e-6},
    "merge-sibling-matmuls": {"": 1e-6},
}


def _cases() -> list[tuple[str, Case]]:
    return [(name, case) for name in PASSES for case in read_cases(GOLDEN / f"{name}.txt")]


def _check(one: Pass, case: Case) -> Case:
    table = TOLERANCES.get(one.name, {})
    tolerance = table.get(case.name, table.get("", 0.0))
    rng = np.random.default_rng(len(case.before))
    return check_case(one, case, rng, tolerance=tolerance)


@pytest.mark.parametrize("name", PASSES)
def test_update_golden(name: str, update_golden: bool) -> None:
    path = GOLDEN / f"{name}.txt"
    if update_golden:
        write_cases(path, [_check(make_pass(name), case) for case in read_cases(path)])
    names = [case.name for case in read_cases(path)]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(("name", "case"), _cases(), ids=lambda x: getattr(x, "name", x))
def test_case(name: str, case: Case, update_golden: bool) -> None:
    if update_golden:
        pytest.skip("the texts are being rewritten")
    assert _check(make_pass(name), case).expected == case.expected


def test_every_rule_has_a_case() -> None:
    text = (GOLDEN / "canonicalize.txt").read_text("utf-8")
    missing = [rule.name for rule in canonical_rules().rules if rule.name not in text]
    assert not missing
