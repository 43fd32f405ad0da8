"""`explain`, `inspect` and `passes`: golden texts, and what JSON promises."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from fusec.plan import read_plan
from tests.cli.conftest import Invoke

_VERSION = re.compile(r"by \S+ \d+\.\d+\.\d+")  # the reference of another environment may differ
GOLDEN = Path(__file__).resolve().parent.parent / "golden" / "text"


def assert_golden(name: str, text: str, update: bool) -> None:
    """Compare with the stored text; with --update-golden, store it."""
    path = GOLDEN / name
    if update:
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    assert text == path.read_text()


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("inspect.txt", ["inspect", "PLAN"]),
        ("explain.txt", ["explain", "PLAN"]),
        ("explain-missed.txt", ["explain", "PLAN", "--missed"]),
        ("explain-node.txt", ["explain", "PLAN", "--node", "bn1"]),
        ("explain-pass.txt", ["explain", "PLAN", "--pass", "canonicalize", "--diff"]),
        ("passes.txt", ["passes"]),
        ("passes-fuse-conv-bn-relu.txt", ["passes", "fuse-conv-bn-relu"]),
    ],
)
def test_golden_text(
    invoke: Invoke, small_plan: Path, update_golden: bool, name: str, arguments: list[str]
) -> None:
    done = invoke(*[str(small_plan) if a == "PLAN" else a for a in arguments])
    assert done.code == 0, done.stderr
    assert done.stderr == ""
    assert max(map(len, done.stdout.splitlines())) <= 100
    assert "\x1b" not in done.stdout
    assert_golden(name, _VERSION.sub("by TOOL", done.stdout), update_golden)


def test_a_model_explains_as_its_plan_does(
    invoke: Invoke, small_model: Path, small_plan: Path
) -> None:
    from_model = invoke("explain", small_model)
    assert from_model.code == 0, from_model.stderr
    assert from_model.stdout == invoke("explain", small_plan).stdout


def test_explain_json(invoke: Invoke, small_plan: Path) -> None:
    data = json.loads(invoke("explain", small_plan, "--format", "json").stdout)
    names = [p["name"] for p in data["passes"]]
    assert names == [record["pass"] for record in read_plan(small_plan).trace]
    assert set(data["passes"][0]) == {"name", "changed", "nodes_before", "nodes_after", "diff"}
    assert any(p["changed"] and p["diff"] for p in data["passes"])
    kinds = {remark["kind"] for remark in data["remarks"]}
    assert kinds <= {"passed", "missed", "analysis"} and "passed" in kinds
    one = json.loads(invoke("explain", small_plan, "--pass", "fuse", "--format", "json").stdout)
    assert [p["name"] for p in one["passes"]] == ["fuse"]
    missed = json.loads(invoke("explain", small_plan, "--missed", "--format", "json").stdout)
    assert {remark["kind"] for remark in missed["remarks"]} == {"missed"}


def test_every_source_node_has_a_story(invoke: Invoke, small_plan: Path) -> None:
    kernels = {k.name for k in read_plan(small_plan).kernels}
    for node in ("stem", "bn1", "relu1", "conv2", "bn2", "add", "relu2", "pool", "gap", "fc"):
        done = invoke("explain", small_plan, "--node", node, "--format", "json")
        story = json.loads(done.stdout)
        assert story["kernels"], node
        assert {k["name"] for k in story["kernels"]} <= kernels


def test_a_glob_names_nodes(invoke: Invoke, small_plan: Path) -> None:
    story = json.loads(invoke("explain", small_plan, "--node", "relu*", "--format", "json").stdout)
    origins = {o for k in story["kernels"] for o in k["origins"]}
    assert {"relu1", "relu2"} <= origins


def test_one_kernel(invoke: Invoke, small_plan: Path) -> None:
    kernel = read_plan(small_plan).kernels[0]
    done = invoke("explain", small_plan, "--kernel", kernel.name)
    assert done.code == 0, done.stderr
    assert kernel.source.rstrip() in done.stdout
    data = json.loads(
        invoke("explain", small_plan, "--kernel", kernel.name, "--format", "json").stdout
    )
    assert data["source"] == kernel.source
    assert data["launches"] == [0]
    assert "interpreter" in data["configs"]


def test_explain_to_a_file(invoke: Invoke, small_plan: Path, tmp_path: Path) -> None:
    done = invoke("explain", small_plan, "-o", tmp_path / "e.txt")
    assert done.code == 0 and done.stdout == ""
    assert (tmp_path / "e.txt").read_text() == invoke("explain", small_plan).stdout


def test_inspect_json(invoke: Invoke, small_plan: Path) -> None:
    data = json.loads(invoke("inspect", small_plan, "--json").stdout)
    promised = {
        "kernels",
        "distinct_kernels",
        "nodes_before",
        "nodes_after",
        "arena_bytes",
        "arena_lower_bound_bytes",
        "activation_bytes",
        "weight_bytes",
        "flops",
        "kernel_list",
    }
    assert promised <= set(data)
    assert data["inputs"] == {"x": "f32[1, 3, 16, 16]"}
    assert data["outputs"] == {"logits": "f32[1, 5]"}
    rows = data["kernel_list"]
    assert len(rows) == data["kernels"] == 5
    assert sum(r["bytes_read"] + r["bytes_written"] for r in rows) == data["activation_bytes"]
    assert sum(r["flops"] for r in rows) == data["flops"]
    assert all(r["checked"] == "none" and r["registers"] is None for r in rows)
    keys = {"name", "kind", "origins", "bytes_read", "bytes_written", "flops", "registers"}
    assert keys | {"spills", "shared_bytes", "targets", "checked"} == set(rows[0])


def test_diff(invoke: Invoke, small_model: Path, small_plan: Path, tmp_path: Path) -> None:
    assert invoke("diff", small_plan, small_plan).stdout == "no difference\n"
    assert invoke("diff", small_model, small_plan).stdout == "no difference\n"
    other = tmp_path / "other.plan"
    arguments = ["-o", other, "--disable", "fold-affine-into-contraction"]
    assert invoke("optimize", small_model, *arguments).code == 0
    done = invoke("diff", small_plan, other)
    assert done.code == 0
    assert "flops" in done.stdout and "\n+ " in done.stdout
    data = json.loads(invoke("diff", small_plan, other, "--json").stdout)
    assert data["figures"]["flops"]["a"] < data["figures"]["flops"]["b"]


def test_passes_names_what_users_look_for(invoke: Invoke) -> None:
    listed = json.loads(invoke("passes", "--json").stdout)
    names = [p["name"] for p in listed["passes"]]
    assert "fuse" in names and "canonicalize" in names
    for name in names:
        done = invoke("passes", name)
        assert done.code == 0 and "1." in done.stdout, name
    for code in listed["codes"]:
        assert invoke("passes", code).stdout.startswith(code)
    assert "fold-affine-into-contraction" in invoke("passes", "fuse-conv-bn-relu").stdout
