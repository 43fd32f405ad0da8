"""Symbolic dims against plain integers: a tree of operations is evaluated both ways."""

import itertools
from collections.abc import Callable
from typing import Any

from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from fusec.ir import sym
from fusec.ir.sym import Dim, Symbol

PROPERTY = settings(deadline=None, derandomize=True, database=None)
RANGES = {"p": (1, 6, 1), "q": (2, 12, 2), "v": (-7, 9, 1), "w": (0, 30, 1), "y": (-9, 9, 3)}
LEAVES = {name: Symbol(name, *spec) for name, spec in RANGES.items()}
LEAVES["k"] = Symbol("k", below=LEAVES["p"].expr)
LEAVES["l"] = Symbol("l", below=LEAVES["p"].expr * LEAVES["q"].expr)
LEAVES["f"] = Symbol("f", 1)
LEAVES["g"] = Symbol("g", below=LEAVES["f"].expr)

Tree = tuple[Any, ...]
PLAIN: dict[str, Callable[[Any, Any], Any]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "//": lambda a, b: a // b,
    "%": lambda a, b: a % b,
    "min": min,
    "max": max,
}
SYMBOLIC = PLAIN | {"min": sym.smin, "max": sym.smax}


def _leaves() -> st.SearchStrategy[Tree]:
    return st.one_of(
        st.integers(-12, 12).map(lambda value: ("int", value)),
        st.sampled_from(sorted(LEAVES)).map(lambda name: ("symbol", name)),
    )


def _divisors() -> st.SearchStrategy[Tree]:
    p, q, f = ("symbol", "p"), ("symbol", "q"), ("symbol", "f")
    composed = [
        p,
        q,
        f,
        ("*", p, q),
        ("*", f, ("int", 3)),
        ("*", p, ("int", 4)),
        ("+", p, ("int", 1)),
        ("int", -6),
    ]
    numbers = st.sampled_from([1, 2, 3, 4, 6, 7, 8, 12, 24]).map(lambda value: ("int", value))
    return st.one_of(numbers, numbers, st.sampled_from(composed))


def _branches(children: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
    split = st.builds(
        lambda x, k, c: ("+", ("*", k, ("*", c, ("//", x, k))), ("*", c, ("%", x, k))),
        children,
        _divisors(),
        _leaves(),
    )
    return st.one_of(
        st.tuples(st.sampled_from(["+", "-", "*", "min", "max"]), children, children),
        st.tuples(st.sampled_from(["//", "%"]), children, _divisors()),
        st.tuples(st.just("*"), _divisors(), children),
        split,
    )


TREES = st.recursive(_leaves(), _branches, max_leaves=9)


def _build(tree: Tree, leaf: Callable[[str], Any], table: dict[str, Callable[..., Any]]) -> Any:
    if tree[0] == "int":
        return tree[1]
    if tree[0] == "symbol":
        return leaf(tree[1])
    return table[tree[0]](_build(tree[1], leaf, table), _build(tree[2], leaf, table))


def _dim(tree: Tree) -> Dim:
    result = _build(tree, lambda name: LEAVES[name].expr, SYMBOLIC)
    assert isinstance(result, (int, sym.Expr))
    return result


@st.composite
def _values(draw: st.DrawFn) -> dict[str, int]:
    values = {}
    for name, (lo, hi, step) in RANGES.items():
        values[name] = draw(st.integers(-(-lo // step), hi // step)) * step
    values["k"] = draw(st.integers(0, values["p"] - 1))
    values["l"] = draw(st.integers(0, values["p"] * values["q"] - 1))
    values["f"] = draw(st.integers(1, 20))
    values["g"] = draw(st.integers(0, values["f"] - 1))
    return values


def _number(tree: Tree, values: dict[str, int]) -> int:
    return int(_build(tree, values.__getitem__, PLAIN))


@settings(PROPERTY, max_examples=400)
@given(TREES, st.lists(_values(), min_size=1, max_size=6))
def test_simplified_dims_have_the_value_of_the_tree(
    tree: Tree, samples: list[dict[str, int]]
) -> None:
    x = _dim(tree)
    lo, hi = sym.bounds(x)
    divisor = sym.divisor_of(x)
    for values in samples:
        number = _number(tree, values)
        assert sym.evaluate(x, values) == number
        assert lo is None or lo <= number
        assert hi is None or number <= hi
        assert number % divisor == 0 if divisor else number == 0
        assert eval(sym.to_python(x), {}, dict(values)) == number


@settings(PROPERTY, max_examples=300)
@given(TREES)
def test_parse_reads_what_str_writes(tree: Tree) -> None:
    x = _dim(tree)
    assert sym.parse(str(x), LEAVES) == x


@settings(PROPERTY, max_examples=300)
@given(TREES, TREES, st.lists(_values(), min_size=1, max_size=6))
def test_proofs_hold(a: Tree, b: Tree, samples: list[dict[str, int]]) -> None:
    x, y = _dim(a), _dim(b)
    proofs = {
        "<": sym.prove_lt(x, y),
        "<=": sym.prove_le(x, y),
        "==": sym.prove_eq(x, y),
        ">=": sym.prove_ge(x, y),
    }
    for values in samples:
        left, right = _number(a, values), _number(b, values)
        assert not proofs["<"] or left < right
        assert not proofs["<="] or left <= right
        assert not proofs["=="] or left == right
        assert not proofs[">="] or left >= right
        assert not sym.prove_nonneg(x) or left >= 0


@settings(PROPERTY, max_examples=300)
@given(TREES, _values(), st.sets(st.sampled_from(sorted(LEAVES))))
def test_subs_commutes_with_evaluate(tree: Tree, values: dict[str, int], names: set[str]) -> None:
    x = _dim(tree)
    replaced = sym.subs(x, {name: values[name] for name in names})
    assert not {s.name for s in sym.free_symbols(replaced)} & names
    assert sym.evaluate(replaced, values) == sym.evaluate(x, values) == _number(tree, values)


@settings(PROPERTY, max_examples=200)
@given(TREES, _values())
def test_coefficient_is_the_slope(tree: Tree, values: dict[str, int]) -> None:
    x = _dim(tree)
    for name in ("v", "w"):
        slope = sym.coefficient(x, LEAVES[name])
        if slope is not None:
            assume(values[name] + 1 <= RANGES[name][1])
            stepped = values | {name: values[name] + 1}
            rise = _number(tree, stepped) - _number(tree, values)
            assert sym.evaluate(slope, values) == rise


EXTENTS = [1, 2, 3, 5, 56, LEAVES["p"].expr, LEAVES["q"].expr, LEAVES["p"].expr + 1]


@settings(PROPERTY, max_examples=200)
@given(st.lists(st.sampled_from(EXTENTS), min_size=1, max_size=4))
@example([LEAVES["p"].expr, LEAVES["p"].expr + 1, 56, LEAVES["q"].expr])
def test_linearize_and_delinearize_are_inverse(shape: list[Dim]) -> None:
    index = tuple(sym.symbol(f"i{at}", below=dim) for at, dim in enumerate(shape))
    assert sym.delinearize(sym.linearize(index, shape), shape) == index
    linear = sym.symbol("linear", below=sym.product(shape))
    parts = sym.delinearize(linear, shape)
    assert sym.linearize(parts, shape) == linear
    assert all(sym.prove_lt(part, dim) for part, dim in zip(parts, shape))
    assert all(sym.prove_nonneg(part) for part in parts)


def test_small_divisions_exhaustively() -> None:
    v, w = LEAVES["v"].expr, LEAVES["w"].expr
    for c, e, k in itertools.product(range(-6, 7), range(-4, 5), (-6, -4, 1, 2, 3, 4, 6)):
        x = v * c + w * 2 + e
        quotient, remainder = x // k, x % k
        for value in range(-7, 10):
            number = value * c + 5 * 2 + e
            values = {"v": value, "w": 5}
            assert sym.evaluate(quotient, values) == number // k
            assert sym.evaluate(remainder, values) == number % k
        assert quotient * k + remainder == x
