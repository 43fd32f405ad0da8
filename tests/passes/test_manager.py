"""The manager: traces, verification between passes, truthful flags, checks; and pass specs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import ClassVar

import pytest

from fusec.errors import CheckFailed, UsageError, VerificationError
from fusec.ir import Graph, parse_graph, print_graph
from fusec.passes.base import Context, Options, Pass
from fusec.passes.changes import Change, Line, diff_lines, net_changes
from fusec.passes.manager import PassManager, PassRecord, Trace
from fusec.passes.pipeline import DEFAULT_LEVEL, PIPELINE, REQUIRED, pipeline
from fusec.passes.registry import (
    PASSES,
    make_pass,
    parse_spec,
    pass_class,
    pass_names,
    print_spec,
    registered,
)
from fusec.passes.remarks import Remark
from tests.planted import PlantedWrongRewrite

TEXT = """graph main(%x: f32[2, 3]) {
  %zero = constant 0.0 : f32[]
  %a = add(%x, %zero) : f32[2, 3] from "a"
  %n = neg(%a) : f32[2, 3] from "n"
  %m = neg(%n) : f32[2, 3] from "m"
  %two = constant 2.0 : f32[]
  %s = mul(%two, %m) : f32[2, 3] from "s"
  %y = add(%s, %x) : f32[2, 3] from "y"
  return %y
}
"""


@dataclass(frozen=True)
class Noop(Pass):
    """1. Changes nothing, and says ``says``."""

    name: ClassVar[str] = "test-noop"
    says: bool = False
    text: str = "a"
    count: int = 0

    def run(self, graph: Graph, context: Context) -> bool:  # noqa: ARG002
        return self.says


@dataclass(frozen=True)
class Rename(Pass):
    """1. Renames the result of the last node, or breaks the graph, and says ``says``."""

    name: ClassVar[str] = "test-rename"
    says: bool = True
    to: str = "renamed"

    def run(self, graph: Graph, context: Context) -> bool:  # noqa: ARG002
        next(graph.reversed_nodes).result.name = self.to
        return self.says


def graph() -> Graph:
    return parse_graph(TEXT)


# -- traces ----------------------------------------------------------------------------------------


def test_a_record_counts_and_names_what_changed() -> None:
    trace = PassManager(parse_spec("canonicalize,eliminate-dead-code")).run(graph())
    first, second = trace.records
    assert (first.name, first.changed, first.nodes_before, first.nodes_after) == (
        "canonicalize",
        True,
        5,
        2,
    )
    assert not second.changed and second.diff == () and second.changes == ()
    rules = [c.rule for c in first.changes]
    assert rules == ["add(x, 0) => x", "neg(neg(x)) => x", "f(c, x) => f(x, c)"]
    assert first.changes[1].origins == ("m", "n") and trace.seconds > 0


def test_the_diff_is_by_identity() -> None:
    (record,) = PassManager(parse_spec("canonicalize")).run(graph()).records
    assert record.diff == (
        "@ add(x, 0) => x",
        '- %a = add(%x, %zero) : f32[2, 3] from "a"',
        "- %zero = constant 0.0 : f32[]",
        "@ neg(neg(x)) => x",
        '- %m = neg(%n) : f32[2, 3] from "m"',
        '- %n = neg(%x) : f32[2, 3] from "n"',
        "@ f(c, x) => f(x, c)",
        '- %s = mul(%two, %x) : f32[2, 3] from "s"',
        '+ %s = mul(%x, %two) : f32[2, 3] from "s"',
    )


def test_what_came_and_went_within_a_pass_is_left_out() -> None:
    a, b, c = (Line(i, f"%{name}") for i, name in enumerate("abc"))
    changes = [
        Change("first", (a,), (b,), origins=("o",)),
        Change("other", (), (), (Line(9, "%z"),)),
        Change("second", (b,), (c,), origins=("p",)),
    ]
    assert net_changes(changes) == [
        Change("first; second", (a,), (c,), (), ("o", "p")),
        Change("other", (), (), (Line(9, "%z"),)),
    ]
    assert diff_lines(changes) == ["@ first; second", "- %a", "+ %c", "@ other", "~ %z"]
    assert net_changes([Change("came", (), (b,)), Change("went", (b,))]) == []


def test_what_nobody_recorded_is_found() -> None:
    trace = PassManager([Rename()]).run(graph())
    (change,) = trace.records[0].changes
    assert change.rule == "test-rename" and not change.removed and not change.added
    assert [x.text for x in change.updated] == ['%renamed = add(%s, %x) : f32[2, 3] from "y"']


def test_traces_survive_json_and_hold_no_times() -> None:
    first, second = (PassManager(pipeline_front()).run(graph()) for _ in range(2))
    lines = first.to_json_lines()
    assert lines == second.to_json_lines() and "seconds" not in lines
    assert Trace.from_json_lines(lines.splitlines()) == first
    assert [json.loads(x)["pass"] for x in lines.splitlines()] == [r.name for r in first.records]
    remark = Remark("missed", "fuse", "cycle", ("a",), "m", (("axes", (1, 2)), ("bytes", 3)))
    record = PassRecord("fuse", (("n", 1),), True, 2, 1, (), (remark,), seconds=1.5)
    assert PassRecord.from_data(json.loads(json.dumps(record.to_data()))) == record


def pipeline_front() -> tuple[Pass, ...]:
    return tuple(p for p in pipeline(3) if p.name not in REQUIRED)


# -- verification ----------------------------------------------------------------------------------


def test_a_broken_graph_is_blamed_on_the_pass_that_made_it() -> None:
    with pytest.raises(VerificationError, match=r"after pass test-rename: names: .*%x"):
        PassManager([Noop(), Rename(to="x")]).run(graph())
    PassManager([Rename(to="x")], verify=False).run(graph())


def test_a_graph_that_was_broken_before_is_not_blamed_on_a_pass() -> None:
    broken = graph()
    next(broken.reversed_nodes).result.name = "x"
    with pytest.raises(VerificationError, match=r"^names"):
        PassManager([Noop()]).run(broken)


@pytest.mark.parametrize(
    ("one", "message"),
    [
        (Noop(says=True), "reports a change, but changed nothing"),
        (Rename(says=False), "reports no change, but changed something"),
    ],
)
def test_a_pass_that_lies_is_found(one: Pass, message: str) -> None:
    with pytest.raises(VerificationError, match=message):
        PassManager([one]).run(graph())


def test_the_check_runs_after_each_pass_that_changed_something() -> None:
    seen: list[tuple[str, int]] = []
    observed: list[str] = []
    PassManager(
        [Noop(), *parse_spec("canonicalize,canonicalize,fold-constants"), Rename()],
        check=lambda g, name: seen.append((name, len(g))),
        observe=lambda g, record: observed.append(f"{record.name} {record.changed}"),
    ).run(graph())
    assert seen == [("canonicalize", 3), ("test-rename", 3)]
    assert len(observed) == 5 and observed[0] == "test-noop False"


def test_a_check_stops_the_run_with_the_graph_as_the_culprit_left_it() -> None:
    def check(changed: Graph, name: str) -> None:
        if any(n.op.name == "sub" for n in changed.nodes):
            raise CheckFailed(f"pass {name} changed what the graph computes")

    given = graph()
    passes = [*parse_spec("canonicalize"), PlantedWrongRewrite(), *parse_spec("fold-constants")]
    with pytest.raises(CheckFailed, match="planted-wrong-rewrite"):
        PassManager(passes, check=check).run(given)
    assert "sub(" in print_graph(given)


def test_the_planted_pass_changes_one_of_the_sums() -> None:
    text = TEXT.replace("%zero = constant 0.0", "%zero = constant 5.0")
    first, second, all_of_them = (parse_graph(text) for _ in range(3))
    PassManager([PlantedWrongRewrite(only=0)]).run(first)
    PassManager([PlantedWrongRewrite(only=1)]).run(second)
    PassManager([PlantedWrongRewrite()]).run(all_of_them)
    ops = [[n.op.name for n in g.nodes] for g in (first, second, all_of_them)]
    assert [x.count("sub") for x in ops] == [1, 1, 2]
    assert ops[0].index("sub") < ops[1].index("sub")


def test_options_reach_the_passes() -> None:
    class Look(Noop):
        """1. Looks at the context."""

        name: ClassVar[str] = "test-look"

        def run(self, graph: Graph, context: Context) -> bool:  # noqa: ARG002
            assert (context.pass_name, context.targets) == ("test-look", ())
            assert context.options.precision == "tf32"
            return False

    PassManager([Look()], Options(precision="tf32")).run(graph())


# -- passes, registry, pipeline --------------------------------------------------------------------


def test_a_pass_without_a_name_or_contract_is_refused_at_once() -> None:
    with pytest.raises(TypeError, match="kebab-case"):
        type("Nameless", (Pass,), {"__doc__": "1. Something."})
    with pytest.raises(TypeError, match="kebab-case"):
        type("Shouting", (Pass,), {"name": "LoudPass", "__doc__": "1. Something."})
    with pytest.raises(TypeError, match="docstring"):
        type("Silent", (Pass,), {"name": "silent"})


def test_every_pass_is_found_by_its_name() -> None:
    for name in PASSES:
        cls = pass_class(name)
        assert cls.name == name and cls.__module__ == f"fusec.passes.{name.replace('-', '_')}"
        assert "1. " in (cls.__doc__ or ""), f"{name} has no numbered contract"


def test_every_pass_file_is_in_the_table() -> None:
    """A module that defines a pass is named by the table, and as the pass."""
    from pathlib import Path

    import fusec.passes

    (folder,) = fusec.passes.__path__
    defined = {
        path.stem.replace("_", "-")
        for path in Path(folder).glob("*.py")
        if "(Pass):" in path.read_text("utf-8")
    }
    assert defined == set(PASSES)


def test_specs_read_and_print() -> None:
    passes = parse_spec("canonicalize, fold-constants{budget=4096, effort=10},eliminate-dead-code")
    assert [p.name for p in passes] == ["canonicalize", "fold-constants", "eliminate-dead-code"]
    assert passes[1] == make_pass("fold-constants", [("budget", "4096"), ("effort", "10")])
    text = "canonicalize,fold-constants{budget=4096,effort=10},eliminate-dead-code"
    assert print_spec(passes) == text and parse_spec(text) == passes
    assert parse_spec("") == () and parse_spec("fold-constants{}") == parse_spec("fold-constants")
    with registered(Noop):
        (one,) = parse_spec("test-noop{says=true,text=b,count=3}")
        assert one == Noop(True, "b", 3) and one.spec == "test-noop{says=true,text=b,count=3}"
        assert "test-noop" in pass_names()
        with pytest.raises(ValueError, match="exists"), registered(Noop):
            pass
    assert "test-noop" not in pass_names()


@pytest.mark.parametrize(
    ("spec", "message", "hint"),
    [
        ("canonicalise", "no pass 'canonicalise'", "did you mean canonicalize?"),
        ("zzz", "no pass 'zzz'", "the passes: canonicalize"),
        ("canonicalize{deep=1}", "has no option 'deep'", "it has no options"),
        ("fold-constants{size=1}", "has no option 'size'", "its options: budget, effort"),
        ("fold-constants{budget=big}", "int is expected", None),
        ("fold-constants{budget=-1}", "not negative", None),
        ("fold-constants{budget}", "option 'budget' has no value", "write passes as"),
        (
            "fold-constants{budget=1",
            "does not read at 'fold-constants{budget=1'",
            "write passes as",
        ),
        ("canonicalize;fuse", "does not read", "write passes as"),
        ("canonicalize,,fuse", "does not read", "write passes as"),
        ("test-noop{says=yes}", "true or false", None),
    ],
)
def test_wrong_specs(spec: str, message: str, hint: str | None) -> None:
    with registered(Noop), pytest.raises(UsageError, match=r".") as caught:
        parse_spec(spec)
    assert message in caught.value.message
    if hint is not None:
        assert hint in (caught.value.hint or "")


def test_the_pipeline_gives_a_reason_for_each_place() -> None:
    assert all(len(step.reason) > 40 and step.level in range(4) for step in PIPELINE)
    names = [p.name for p in pipeline(DEFAULT_LEVEL)]
    assert set(names) == set(PASSES) and names[-2:] == list(REQUIRED[1:])
    first = [p.name for p in pipeline(0)]
    assert first == ["eliminate-dead-code", "fuse", "eliminate-dead-code", *REQUIRED[1:]]
    levels = [len(pipeline(level)) for level in range(4)]
    assert levels == sorted(levels)


def test_disabled_passes() -> None:
    assert "canonicalize" not in {p.name for p in pipeline(2, ["canonicalize"])}
    with pytest.raises(UsageError, match="no level"):
        pipeline(4)
    with pytest.raises(UsageError, match="no pass"):
        pipeline(2, ["canon"])
    with pytest.raises(UsageError, match="cannot be disabled"):
        pipeline(2, ["fuse"])
