"""What every test shares: the golden switch, seeded randomness, and the skip of GPU tests."""

from __future__ import annotations

import os
import sys
import zlib

import numpy as np
import pytest
from hypothesis import settings

settings.register_profile("fusec", derandomize=True, deadline=None, database=None)
settings.load_profile("fusec")


def _share_cores_between_workers() -> None:
    """Give each xdist worker its share of the cores; set before numpy's and torch's first use."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    if workers > 1:
        threads = max(1, (os.cpu_count() or 1) // workers)
        os.environ.setdefault("OMP_NUM_THREADS", str(threads))


_share_cores_between_workers()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden",
        action="store_true",
        help="rewrite the golden texts (IR, kernels) with what this run produces; "
        "golden outputs are only ever written by the independent tool",
    )


def _why_no_gpu() -> str | None:
    """Why GPU tests cannot run here, or None when they can."""
    import torch

    if not torch.cuda.is_available():
        return f"no CUDA device: torch {torch.__version__} finds none"
    return None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    on_gpu = [item for item in items if item.get_closest_marker("gpu")]
    reason = _why_no_gpu() if on_gpu else None
    if reason:
        for item in on_gpu:
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    """True when golden texts are to be rewritten instead of compared."""
    return bool(request.config.getoption("--update-golden"))


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """A seed that depends on the test's own name only, never on order or worker."""
    return zlib.crc32(request.node.nodeid.encode())


@pytest.fixture
def rng(seed: int) -> np.random.Generator:
    """A generator of random numbers, the same in every run of this test."""
    return np.random.default_rng(seed)


@pytest.fixture(autouse=True)
def _seed_torch(seed: int) -> None:
    """Seed torch where a test already uses it; do not import it for the others."""
    torch = sys.modules.get("torch")
    if torch is not None and hasattr(torch, "manual_seed"):
        torch.manual_seed(seed)
