"""Two compilations, in two folders and with empty caches, give the same bytes."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.bench_kernels import MODEL
from benchmarks.bench_targets import JOBS, TARGETS
from benchmarks.models import build
from benchmarks.report import Figure, command, fusec


def plan(model: Path, folder: Path, jobs: int) -> bytes:
    """Compile a copy of the model in `folder`; the plan's bytes."""
    folder.mkdir()
    copy, output = folder / "model.onnx", folder / "model.plan"
    shutil.copy(model, copy)
    targets = [part for target in TARGETS for part in ("--target", target)]
    cache = {"TRITON_CACHE_DIR": str(folder / "cache"), "PYTHONHASHSEED": str(len(folder.name))}
    fusec(
        *("optimize", str(copy), "-o", str(output), *targets, "--jobs", str(jobs)),
        environment=cache,
    )
    copy.unlink()
    return output.read_bytes()


def figures(model: str, jobs: int) -> list[Figure]:
    """Compile a model for two targets twice, and count the bytes that differ."""
    path = build(model)
    with tempfile.TemporaryDirectory(prefix="fusec-bench-") as folder:
        first, second = (plan(path, Path(folder) / part, jobs) for part in ("a", "another"))
    common = min(len(first), len(second))
    pair = (np.frombuffer(data, np.uint8, common) for data in (first, second))
    differing = abs(len(first) - len(second)) + int(np.count_nonzero(np.not_equal(*pair)))
    return [
        Figure(f"{model}: bytes of the plan, {' and '.join(TARGETS)}", len(first)),
        Figure("bytes that differ between two folders", differing, "", 0),
    ]


if __name__ == "__main__":
    command(figures, MODEL, JOBS)()
