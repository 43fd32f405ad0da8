"""Patterns, rules and the driver that applies them."""

from __future__ import annotations

import numpy as np
import pytest

from fusec.errors import InternalError
from fusec.ir import Graph, GraphBuilder, Node, Tensor, f32, i32, parse_graph, print_graph
from fusec.passes.base import Context
from fusec.passes.canonicalize import Canonicalize, canonical_rules
from fusec.passes.pattern import Call, Match, Var, is_number, match_node, parse_pattern, scalar_of
from fusec.passes.rewrite import apply_rules
from fusec.passes.rules import Equation, Rule, RuleBuilder, RuleSet
from fusec.tile.program import Refusal


def graph_of(*lines: str, inputs: str = "%x: f32[3], %z: f32[3]", outputs: str = "%y") -> Graph:
    body = "\n".join(lines)
    return parse_graph(f"graph main({inputs}) {{\n{body}\nreturn {outputs}\n}}")


def node_of(graph: Graph, name: str) -> Node:
    return next(n for n in graph.nodes if any(r.name == name for r in n.results))


def match(pattern: str, graph: Graph, *, shared: bool = False) -> Match | None:
    parsed = parse_pattern(pattern)
    assert isinstance(parsed, Call)
    return match_node(parsed, node_of(graph, "y"), shared=shared)


# -- patterns --------------------------------------------------------------------------------------


def test_names_bind_values_and_repeat() -> None:
    graph = graph_of("%y = sub(%x, %z) : f32[3]")
    found = match("sub(a, b)", graph)
    assert found is not None
    assert found["a"] is graph.inputs[0] and found["b"] is graph.inputs[1]
    assert found.result is graph.outputs[0] and found.nodes == [node_of(graph, "y")]
    assert match("sub(a, a)", graph) is None


def test_commutative_ops_match_in_either_order() -> None:
    graph = graph_of("%n = neg(%x) : f32[3]", "%y = add(%z, %n) : f32[3]")
    found = match("add(neg(a), b)", graph)
    assert found is not None and found["a"].name == "x" and found["b"].name == "z"
    assert found.inner.op.name == "neg"
    other = graph_of("%n = neg(%x) : f32[3]", "%y = sub(%z, %n) : f32[3]")
    assert match("sub(neg(a), b)", other) is None


def test_a_failed_order_leaves_nothing_behind() -> None:
    graph = graph_of(
        "%n = neg(%x) : f32[3]",
        "%e = exp(%x) : f32[3]",
        "%m = mul(%n, %z) : f32[3]",
        "%y = add(%m, %e) : f32[3]",
    )
    found = match("add(exp(a), mul(neg(a), b))", graph)
    assert found is not None
    assert [n.op.name for n in found.nodes] == ["add", "exp", "mul", "neg"]


def test_inner_ops_have_no_other_use_unless_shared() -> None:
    graph = graph_of("%n = neg(%x) : f32[3]", "%y = neg(%n) : f32[3]", outputs="%y, %n")
    assert match("neg(neg(a))", graph) is None
    assert match("neg(neg(a))", graph, shared=True) is not None


def test_numbers() -> None:
    graph = graph_of(
        "%a = constant [2.0, 2.0] : f32[2]",
        "%b = broadcast(%a) {shape=[3, 2]} : f32[3, 2]",
        "%c = constant [2.0, 3.0] : f32[2]",
        "%d = constant true : bool[]",
        "%e = constant [0.0, -0.0] : f32[2]",
        "%f = constant nan : f32[]",
        "%y = neg(%b) : f32[3, 2]",
    )
    values = {r.name: r for n in graph.nodes for r in n.results}
    assert is_number(values["b"], 2) and is_number(values["a"], 2.0)
    assert not is_number(values["a"], True) and scalar_of(values["c"]) is None
    assert is_number(values["d"], True) and not is_number(values["d"], 1)
    assert scalar_of(values["e"]) is None, "zeros of two signs are two values"
    assert not is_number(values["f"], 0) and not is_number(graph.inputs[0], 0)


def test_alternatives_and_op_variables_are_one_op() -> None:
    graph = graph_of("%n = floor(%x) : f32[3]", "%y = ceil(%n) : f32[3]")
    assert match("ceil|floor(ceil|floor(a))", graph) is None
    rule = Equation("f(g(x)) => x", ops={"f": _rounds, "g": _rounds})
    found = rule.match(node_of(graph, "y"))
    assert found is not None and found.ops["f"].name == "ceil" and found.ops["g"].name == "floor"


def _rounds(op: object) -> bool:
    return getattr(op, "name", "") in ("floor", "ceil")


def test_rest() -> None:
    graph = graph_of("%y = concat(%x, %z, %x) {axis=0} : f32[9]")
    found = match("concat(a, *more)", graph)
    assert found is not None and [v.name for v in found.rest] == ["z", "x"]
    assert match("concat(a, b)", graph) is None


@pytest.mark.parametrize("text", ["add(x", "add(x,, y)", "add(x) y", "add(x; y)", "", "*"])
def test_patterns_that_do_not_read(text: str) -> None:
    with pytest.raises(ValueError, match="pattern"):
        parse_pattern(text)


def test_patterns_of_unknown_ops() -> None:
    with pytest.raises(KeyError, match="sum"):
        parse_pattern("sum(x)")
    assert parse_pattern("c2") == Var("c2", constant=True)
    assert parse_pattern("cat") == Var("cat")


# -- rules -----------------------------------------------------------------------------------------


def test_malformed_rules() -> None:
    with pytest.raises(ValueError, match="no =>"):
        Equation("neg(x)")
    with pytest.raises(ValueError, match="not an op"):
        Equation("x => x")
    with pytest.raises(ValueError, match="two rules"):
        RuleSet([Equation("neg(x) => x"), Equation("neg(x) => x")])


def test_rules_are_found_by_op_and_operands() -> None:
    rules = canonical_rules()
    graph = graph_of("%y = add(%x, %z) : f32[3]")
    tried = [rule.name for rule in rules.of(node_of(graph, "y"))]
    assert "f(x, x) => x" not in tried and "add(x, 0) => x" not in tried
    assert all("neg" not in name for name in tried)


def test_every_built_in_rule_is_named_by_its_pattern() -> None:
    for rule in canonical_rules().rules:
        assert "=>" in rule.name and rule.roots, rule


# -- the driver ------------------------------------------------------------------------------------


def test_names_origins_and_region_go_to_what_takes_the_place() -> None:
    graph = Graph()
    b = GraphBuilder(graph)
    x = graph.add_input("x", Tensor(f32, (2, 3)))
    with b.at(origins=("one",), region="Region:r"):
        inner = b.hint("inner").op("reshape", x, shape=(6,))
    with b.at(origins=("two",), region="Region:r"):
        y = b.hint("y").op("reshape", inner, shape=(3, 2))
    graph.set_outputs([b.op("exp", y)])
    assert Canonicalize().run(graph, Context("canonicalize"))
    node = node_of(graph, "y")
    assert node.op.name == "reshape" and node.operands == (x,)
    assert node.origins == ("one", "two") and node.region == "Region:r"


def test_rules_that_chase_each_other_are_stopped() -> None:
    rules = RuleSet([Equation("exp(x) => exp2(x)"), Equation("exp2(x) => exp(x)")])
    graph = graph_of("%y = exp(%x) : f32[3]")
    with pytest.raises(InternalError, match="do not come to an end"):
        apply_rules(graph, rules, Context())


def test_a_rewrite_of_another_type_is_a_bug_that_is_named() -> None:
    wrong = Equation("neg(x) => cast(x)", None, lambda m, b: b.op("cast", m["x"], dtype=i32))
    with pytest.raises(InternalError, match=r"neg\(x\) => cast\(x\)"):
        apply_rules(graph_of("%y = neg(%x) : f32[3]"), RuleSet([wrong]), Context())


def test_a_right_side_that_is_not_well_typed_leaves_no_trace() -> None:
    def build(found: Match, b: RuleBuilder) -> object:
        return b.op("reshape", b.op("exp", found["x"]), shape=(7,))

    context, graph = Context(), graph_of("%y = neg(%x) : f32[3]")
    text = print_graph(graph)
    rules = RuleSet([Equation("neg(x) => reshape(exp(x))", None, build)])  # type: ignore[arg-type]
    assert apply_rules(graph, rules, context) is False
    assert print_graph(graph) == text and not context.changes


def test_a_refusal_is_one_remark_with_its_numbers() -> None:
    def refuse(found: Match) -> Refusal:
        return Refusal("not-finite", f"%{found.result.name}", args=(("ulps", 2),))

    context = Context("canonicalize")
    graph = graph_of("%n = neg(%x) : f32[3]", '%y = exp(%n) : f32[3] from "node"')
    rules = RuleSet([Equation("exp(x) => x", refuse), Equation("neg(x) => abs(x)")])
    assert apply_rules(graph, rules, context)
    (remark,) = context.remarks
    assert (remark.kind, remark.code, remark.origins) == ("missed", "not-finite", ("node",))
    assert remark.message == "%y" and remark.args == (("ulps", 2),)


def test_a_refusal_is_dropped_when_the_node_goes() -> None:
    def refuse(_: Match) -> Refusal:
        return Refusal("not-finite", "no")

    context = Context()
    graph = graph_of("%n = exp(%x) : f32[3]", "%y = log(%n) : f32[3]")
    rules = RuleSet([Equation("exp(x) => x", refuse), Equation("log(exp(x)) => x")])
    assert apply_rules(graph, rules, context) and not context.remarks


def test_several_results() -> None:
    class Sorted(Rule):
        """top_k of everything is sort."""

        name = "top_k(x), k is all => sort(x)"
        roots = frozenset({"top_k"})

        def match(self, node: Node) -> Match | None:
            return Match(node, nodes=[node], replaced=node.results)

        def rewrite(self, match: Match, b: RuleBuilder) -> tuple[object, ...]:  # type: ignore[override]
            x = match.root.operands[0]
            return b.ops("sort", x, axis=0, descending=True, stable=True)

    graph = graph_of(
        "%v, %i = top_k(%x) {k=3, axis=0} : f32[3], i64[3]",
        inputs="%x: f32[3]",
        outputs="%v, %i",
    )
    assert apply_rules(graph, RuleSet([Sorted()]), Context())
    assert "%v, %i = sort(%x)" in print_graph(graph)


def test_work_is_linear_in_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten times the nodes ask for ten times the matches."""
    calls = 0
    original = Equation.match

    def counted(self: Equation, node: Node) -> Match | None:
        nonlocal calls
        calls += 1
        return original(self, node)

    monkeypatch.setattr(Equation, "match", counted)
    counts = []
    for length in (200, 2000):
        calls = 0
        Canonicalize().run(_chain(length), Context("canonicalize"))
        counts.append(calls)
    assert counts[1] <= 10.5 * counts[0]


def _chain(length: int) -> Graph:
    graph = Graph()
    b = GraphBuilder(graph)
    value = graph.add_input("x", Tensor(f32, (4, 6)))
    shared = b.literal(0.0, f32)
    for _ in range(length):
        value = b.op("maximum", b.op("add", shared, value), shared)
        value = b.op("transpose", b.op("transpose", value, perm=(1, 0)), perm=(1, 0))
        value = b.op("pow", b.op("tanh", value), b.constant(np.full((6,), 2.0, np.float32)))
    graph.set_outputs([value])
    return graph
