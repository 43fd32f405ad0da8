"""Einsum: operand by operand from the left, each pair one product or one matrix product."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fusec.frontend.onnx.call import Call
from fusec.frontend.onnx.ops.reduction import reduced
from fusec.frontend.onnx.registry import lowers
from fusec.ir import Value
from fusec.ir.sym import Dim, product

_TERM = re.compile(r"[A-Za-z]*(\.\.\.)?[A-Za-z]*")


@dataclass(frozen=True)
class Term:
    """A value and the label of each of its axes, all distinct."""

    value: Value
    labels: tuple[str, ...]

    def size(self, label: str) -> Dim:
        """The size of the axis with that label; 1 if it has none."""
        return self.value.type.shape[self.labels.index(label)] if label in self.labels else 1


@dataclass(frozen=True)
class Group:
    """Labels that form one axis of a matrix, or stand on their own; sizes if not the term's."""

    labels: Sequence[str]
    sizes: Sequence[Dim] = ()
    is_merged: bool = True


@lowers("Einsum", rich=True)
def einsum(c: Call) -> Value:
    """The equation of numpy's ``einsum``, the implicit form and ellipses included."""
    terms, output = _parsed(c)
    values = c.values
    if len(terms) != len(values):
        c.invalid(f"the equation has {len(terms)} operands, the node {len(values)}")
    left = [_diagonal(c, v, labels) for v, labels in zip(values, terms, strict=True)]
    total = left.pop(0)
    while left:
        other = left.pop(0)
        needed = set(output).union(*(t.labels for t in left))
        total = _pair(c, _summed(c, total, needed, other), _summed(c, other, needed, total), needed)
    total = _summed(c, total, set(output))
    if set(total.labels) != set(output):
        c.invalid("the output has a label that no operand has")
    return c.transpose(total.value, [total.labels.index(label) for label in output])


def _parsed(c: Call) -> tuple[list[tuple[str, ...]], tuple[str, ...]]:
    equation = c.text("equation").replace(" ", "")
    inputs, arrow, result = equation.partition("->")
    texts = inputs.split(",")
    if not all(_TERM.fullmatch(t) for t in (*texts, result)):
        c.invalid(f"equation {equation!r} is malformed")
    terms = [_labels(c, t, v.type.rank) for t, v in zip(texts, c.values, strict=False)]
    dots = max((tuple(x for x in t if len(x) > 1) for t in terms), key=len, default=())
    if arrow:
        head, _, tail = result.partition("...")
        output = (*head, *(dots if "..." in result else ()), *tail)
    else:
        letters = [x for t in terms for x in t if len(x) == 1]
        output = (*dots, *sorted(x for x in set(letters) if letters.count(x) == 1))
    return terms, output


def _labels(c: Call, text: str, rank: int) -> tuple[str, ...]:
    head, dots, tail = text.partition("...")
    extra = rank - len(head) - len(tail)
    if extra < 0 or (extra and not dots):
        c.invalid(f"term {text!r} does not fit rank {rank}")
    # Axes under an ellipsis align at the right: they count from the end.
    return (*head, *(f"...{extra - i}" for i in range(extra)), *tail)


def _diagonal(c: Call, value: Value, labels: Sequence[str]) -> Term:
    """Axes that share a label become one: every (n + 1)-th element of the merged axes."""
    names = list(labels)
    for label in dict.fromkeys(labels):
        while names.count(label) > 1:
            first = names.index(label)
            second = names.index(label, first + 1)
            rest = [i for i in range(len(names)) if i not in (first, second)]
            size = value.type.shape[first]
            moved = c.transpose(value, [*rest, first, second])
            shape = [value.type.shape[i] for i in rest]
            if not isinstance(size, int):
                c.refuse("the diagonal of an axis of open size")
            flat = c.reshape(moved, (*shape, size * size))
            value = c.slice(flat, len(rest), 0, size, size + 1)
            names = [names[i] for i in rest] + [label]
    return Term(value, tuple(names))


def _summed(c: Call, term: Term, needed: Iterable[str], other: Term | None = None) -> Term:
    """Without the labels that only this term has and nobody needs."""
    keep = set(needed) | set(other.labels if other is not None else ())
    axes = [i for i, label in enumerate(term.labels) if label not in keep]
    labels = tuple(label for label in term.labels if label in keep)
    return Term(reduced(c, "reduce_sum", term.value, axes), labels)


def _pair(c: Call, a: Term, b: Term, needed: set[str]) -> Term:
    both = [x for x in a.labels if x in b.labels]
    contracted = [x for x in both if x not in needed]
    if not contracted:
        labels = (*a.labels, *(x for x in b.labels if x not in a.labels))
        return Term(c.op("mul", _aligned(c, a, labels), _aligned(c, b, labels)), labels)
    batch = [x for x in both if x in needed]
    rows = [x for x in a.labels if x not in both]
    columns = [x for x in b.labels if x not in both]
    sizes = [b.size(x) if a.size(x) == 1 else a.size(x) for x in contracted]
    outside, inside = Group(batch, is_merged=False), Group(contracted, sizes)
    left = _matrix(c, a, [outside, Group(rows), inside])
    right = _matrix(c, b, [outside, inside, Group(columns)])
    result = c.op("matmul", left, right)
    outer = result.type.shape[: len(batch)]
    shape = (*outer, *(a.size(x) for x in rows), *(b.size(x) for x in columns))
    return Term(c.reshape(result, shape), (*batch, *rows, *columns))


def _aligned(c: Call, term: Term, labels: Sequence[str]) -> Value:
    order = [term.labels.index(x) for x in labels if x in term.labels]
    return c.reshape(c.transpose(term.value, order), [term.size(x) for x in labels])


def _matrix(c: Call, term: Term, groups: Sequence[Group]) -> Value:
    """The axes of each group merged; sizes of 1 are spread to the group's where it has them."""
    labels = [x for group in groups for x in group.labels]
    value = _aligned(c, term, labels)
    sizes = [s for group in groups for s in group.sizes or map(term.size, group.labels)]
    merged: list[Dim] = []
    for group in groups:
        own = [sizes[labels.index(x)] for x in group.labels]
        merged.extend([product(own)] if group.is_merged else own)
    return c.reshape(c.broadcast(value, sizes), merged)
