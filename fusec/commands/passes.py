"""``fusec passes``: the passes and remark codes, or the contract of one."""

from __future__ import annotations

import inspect
from typing import Any

import click

from fusec.commands.group import Command
from fusec.commands.talk import result, result_json
from fusec.commands.width import text_width


@click.command("passes", cls=Command)
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Report as JSON.")
def command(name: str | None, as_json: bool) -> None:
    """List the passes and the remark codes, or show the contract of pass or code NAME."""
    if name is None:
        data = catalogue()
        result_json(data) if as_json else result(catalogue_text(data, text_width()))
        return
    entry = describe(name)
    result_json(entry) if as_json else result(entry["text"])


def catalogue() -> dict[str, Any]:
    """Every pass with the levels that run it, and every remark code."""
    from fusec.passes.pipeline import PIPELINE
    from fusec.passes.registry import pass_class, pass_names
    from fusec.passes.remarks import CODES

    levels: dict[str, int] = {}
    for step in PIPELINE:
        name = step.spec.partition("{")[0]
        levels[name] = min(step.level, levels.get(name, step.level))
    passes = [
        {"name": name, "level": levels.get(name), "does": first_line(pass_class(name))}
        for name in pass_names()
    ]
    pipeline = [{"pass": s.spec, "level": s.level, "why": s.reason} for s in PIPELINE]
    return {"passes": passes, "pipeline": pipeline, "codes": dict(CODES)}


def first_line(cls: type) -> str:
    """The first line of a docstring."""
    return (inspect.getdoc(cls) or "").partition("\n")[0]


def catalogue_text(data: dict[str, Any], width: int) -> str:
    """The catalogue for people."""
    from fusec.explain.units import wrap

    lines = ["passes:"]
    for entry in data["passes"]:
        level = "asked for" if entry["level"] is None else f"from -O{entry['level']}"
        lines += [f"  {entry['name']} ({level})", *wrap(entry["does"], width, "      ")]
    lines += ["", "the pipeline, in order:"]
    for step in data["pipeline"]:
        lines += [f"  {step['pass']} (from -O{step['level']})", *wrap(step["why"], width, "      ")]
    lines += ["", "remark codes:"]
    for code, meaning in data["codes"].items():
        lines += [f"  {code}", *wrap(meaning, width, "      ")]
    return "\n".join(lines)


def describe(name: str) -> dict[str, Any]:
    """The contract of a pass, or the meaning of a code; UsageError for neither."""
    from fusec.passes.registry import pass_class, pass_names
    from fusec.passes.remarks import CODES

    if name in CODES:
        return {"code": name, "text": f"{name}: {CODES[name]}"}
    if name not in pass_names():
        meant = USER_WORDS.get(name)
        if meant is not None:
            return {"name": name, "passes": list(meant[0]), "text": user_word_text(name, *meant)}
    cls = pass_class(name)
    return {"name": name, "text": contract(cls)}


def contract(cls: type) -> str:
    """A pass's docstring, its options, and where it stands in the pipeline."""
    from dataclasses import fields

    from fusec.passes.pipeline import PIPELINE

    name = cls.name  # type: ignore[attr-defined]
    lines = [name, "", inspect.getdoc(cls) or ""]
    options = [f"  {f.name} = {f.default}" for f in fields(cls)]
    if options:
        lines += ["", "options:", *options]
    places = [s for s in PIPELINE if s.spec.partition("{")[0] == name]
    for step in places:
        lines += ["", f"in the pipeline from -O{step.level}: {step.reason}"]
    if not places:
        lines += ["", "not in the pipeline: runs when asked for with --passes"]
    return "\n".join(lines)


# What users of other tools look for: the passes that do it, and how.
USER_WORDS: dict[str, tuple[tuple[str, ...], str]] = {
    "fuse-conv-bn": (
        ("fold-affine-into-contraction",),
        "A batch norm is a scale and a shift per channel: its scale goes into the weights of the "
        "convolution, its shift into the bias.",
    ),
    "fuse-conv-bn-relu": (
        ("fold-affine-into-contraction", "fuse"),
        "The batch norm goes into the weights and the bias of the convolution; bias and ReLU are "
        "computed in the convolution's kernel, before its result is stored.",
    ),
    "fuse-conv-relu": (("fuse",), "The activation is computed in the convolution's kernel."),
    "fuse-matmul-add": (("fuse",), "The bias is added in the matmul's kernel."),
    "fuse-residual-add": (("fuse",), "The other branch is read by the kernel that ends this one."),
    "fuse-elementwise": (("fuse",), "Chains of element-wise operators become one kernel."),
    "constant-folding": (("fold-constants",), "Nodes with constant operands are evaluated once."),
    "cse": (("eliminate-common-subexpressions",), "Equal nodes are computed once."),
    "dce": (("eliminate-dead-code",), "What nobody reads is not computed."),
    "memory-planning": (
        ("assign-storage", "plan-memory"),
        "Every value gets a buffer, views share one, and buffers that are never in use together "
        "share memory.",
    ),
    "layout": (("assign-storage",), "Layouts are strides of storages; no operator is rewritten."),
}


def user_word_text(name: str, passes: tuple[str, ...], how: str) -> str:
    """Which passes do what a user looks for."""
    from fusec.explain.units import wrap

    see = [f"  fusec passes {one}" for one in passes]
    done = f"{name}: done by {' and '.join(passes)}"
    return "\n".join([done, "", *wrap(how, 80, ""), "", *see])
