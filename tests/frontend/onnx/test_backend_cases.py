"""The operator tests of the onnx package, imported and evaluated, one test an operator.

A case counts as covered when every operator in it has a lowering or a function body. Sizes, axes
and the like that a case feeds as inputs are given at import. `REFUSED` names the covered cases
that are refused, with the reason; every other covered case has to give the expected outputs.
"""

from __future__ import annotations

import functools
import re
import string
import warnings
from collections import Counter
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from onnx.backend.test.case.test_case import TestCase

from fusec.errors import FusecError, UnsupportedModel
from fusec.frontend import coverage
from fusec.frontend.onnx.registry import all_lowerings
from fusec.ir import Graph
from tests.frontend.onnx.harness import Array, imported, run

REFUSED = {
    r"test_training_dropout": "training mode draws random numbers",
    r"test_batchnorm_.*training_mode": "training mode updates statistics",
}

# DESIGN's tolerances by the shortest float type of a case.
TOLERANCES = (("float8", 0.1), ("bfloat16", 1.6e-2), ("float16", 2e-3))

# The expected numbers stand in the source with four digits.
PRINTED = {"test_averagepool_2d_ceil_last_window_starts_on_pad": 1e-3}

BODIES = "function bodies, "
OPERATORS = sorted({entry.op for entry in all_lowerings()})
GROUPS = [*OPERATORS, *(BODIES + letter for letter in string.ascii_lowercase)]
COVERED_AT_LEAST = 1580


@functools.cache
def groups() -> dict[str, list[TestCase]]:
    """Covered cases by operator; those of function bodies, by their first letter."""
    from onnx.backend.test.case.node import collect_testcases

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = collect_testcases(None)
    result: dict[str, list[TestCase]] = {}
    for case in found:
        if case.model is not None and is_covered(case.model):
            ops = {n.op_type for n in case.model.graph.node}
            is_single = len(ops) == 1 and ops <= set(OPERATORS)
            group = ops.pop() if is_single else BODIES + case.name.removeprefix("test_")[0]
            result.setdefault(group, []).append(case)
    return result


def is_covered(model: onnx.ModelProto) -> bool:
    try:
        rows = coverage(model).rows
    except FusecError:
        return False
    missing = ("operator not supported", "element type", "input of type")
    return not any(text in row.reason for row in rows for text in missing)


@pytest.mark.parametrize("group", GROUPS)
def test_cases(group: str) -> None:
    failures = []
    for case in groups().get(group, []):
        try:
            check(case)
        except (AssertionError, FusecError) as error:
            failures.append(f"{case.name}: {str(error).strip()[:400]}")
    assert not failures, "\n".join(failures)


def check(case: TestCase) -> None:
    assert case.model is not None and case.data_sets
    inputs = [i.name for i in case.model.graph.input]
    for given, expected in case.data_sets:
        feeds = dict(zip(inputs, map(array, given), strict=False))
        try:
            graph, constants = specialized(case, feeds)
        except UnsupportedModel as error:
            if is_expected(case.name, str(error)):
                continue
            raise
        got = run(graph, {n: a for n, a in feeds.items() if n not in constants})
        for a, b in zip(got, map(array, expected), strict=True):
            assert_close(a, b, case, [*feeds.values(), b])


def specialized(case: TestCase, feeds: dict[str, Array]) -> tuple[Graph, dict[str, Array]]:
    """The graph, and the inputs that had to be constants."""
    try:
        return imported(case.model), {}
    except UnsupportedModel:
        constants = small_parameters(case, feeds)
        return imported(case.model, constants=constants), constants


def array(data: Any) -> Array:
    if isinstance(data, onnx.TensorProto):
        return np.asarray(numpy_helper.to_array(data))
    return np.asarray(data)


def small_parameters(case: TestCase, feeds: dict[str, Array]) -> dict[str, Array]:
    """Vectors and scalars that decide shapes: but for the first input, which is the data."""
    assert case.model is not None
    is_data = len(feeds) > 1 and "range" not in case.name
    rest = list(feeds)[1:] if is_data else list(feeds)
    return {n: feeds[n] for n in rest if feeds[n].ndim <= 1 and feeds[n].size < 64}


def is_expected(name: str, message: str) -> bool:
    return any(re.match(p, name) and reason in message for p, reason in REFUSED.items())


def assert_close(got: Array, expected: Array, case: TestCase, seen: list[Array]) -> None:
    assert (got.shape, got.dtype) == (expected.shape, expected.dtype)
    if got.dtype.kind in "biu" or got.dtype.name in ("int4", "uint4"):
        np.testing.assert_array_equal(got, expected)
        return
    kinds = {a.dtype.name for a in seen}
    tolerance = next((t for n, t in TOLERANCES if any(n in k for k in kinds)), 1e-5)
    wide = np.complex128 if got.dtype.kind == "c" else np.float64
    with np.errstate(invalid="ignore"):  # NaN of an 8-bit float
        x, y = got.astype(wide), expected.astype(wide)
    rtol, atol = max(tolerance, PRINTED.get(case.name, 0)), max(tolerance, case.atol)
    np.testing.assert_allclose(x, y, rtol=rtol, atol=atol)


def test_how_many() -> None:
    """So that a lost lowering shows: covered cases only ever grow."""
    counts = Counter({group: len(cases) for group, cases in groups().items()})
    assert counts.total() >= COVERED_AT_LEAST, counts
    assert set(counts) <= set(GROUPS), set(counts) - set(GROUPS)
    print(f"{counts.total()} cases of the onnx package are covered")
