"""The same model, options and versions give the same plan, byte for byte, binaries included."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
TARGETS = ("--target", "sm_80", "--target", "sm_90")


def compiled(name: str, folder: Path, hash_seed: int) -> bytes:
    """Compile a copy of the model in its own folder, process and cache."""
    folder.mkdir()
    shutil.copy(ROOT / name / "model.onnx", folder)
    environment = {
        **os.environ,
        "PYTHONHASHSEED": str(hash_seed),
        "PYTHONPATH": str(ROOT.parent.parent),
        "TRITON_CACHE_DIR": str(folder / "cache"),
    }
    subprocess.run(
        [sys.executable, "-m", "fusec", "-q", "optimize", "model.onnx", "--golden", *TARGETS],
        cwd=folder,
        env=environment,
        check=True,
        capture_output=True,
    )
    return (folder / "model.plan").read_bytes()


def test_two_folders_give_the_same_plan(tmp_path: Path) -> None:
    first = compiled("net_dynamic_batch", tmp_path / "a", 1)
    assert first == compiled("net_dynamic_batch", tmp_path / "another folder", 2)
    assert str(tmp_path).encode() not in first
