"""Softmax inside a contraction, in one pass over its rows.

With s the scores of a row, m = max s, e_k = exp(s_k - m), l = sum e_k:

    sum_k (e_k / l) v_k  ==  (sum_k e_k v_k) / l

and both sums can be kept while m is still growing, if they are multiplied by exp(m_old - m_new)
whenever it does (Milakov and Gimelshein, "Online normalizer calculation for softmax", 2018; Dao et
al., "FlashAttention", 2022). Three loops over the keys become one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from fusec.tile.program import Apply, Dot, Reduce, RunningMax, Statement
from fusec.tile.trace import Term, Tracer


@dataclass(frozen=True)
class Softmax:
    """The terms of a softmax that a contraction reads: s, s - m, e and l of the equation."""

    scores: Term
    shifted: Term
    weights: Term
    total: Term
    ratio: Term


def in_one_pass(tracer: Tracer, dot: Term) -> Term:
    """The contraction of a softmax in one loop; any other contraction as it is.

    What else reads the softmax still finds its terms: those would be computed beside.
    """
    found = match_softmax(dot.args[0]) if dot.loop is not None else None
    if found is None:
        return dot
    scores, axis = found.scores, dot.loop
    assert axis is not None
    axes = tracer.axes_of(terms=(scores,))
    top = tracer.add(
        ("running", scores.name),
        lambda name: RunningMax(name, scores.statement.dtype, axes, arg=scores.name, axis=axis),
        "running_max",
        (scores,),
        scores.declared,
    )
    shifted = again(tracer, found.shifted, scores, top)
    weights = again(tracer, found.weights, shifted)
    total = rescaled(tracer, found.total, (weights,), top)
    left = tracer.cast(weights, dot.args[0].statement.dtype, weights.declared)
    product = rescaled(tracer, dot, (left, dot.args[1]), top)
    return again(tracer, found.ratio, product, total)


def match_softmax(term: Term) -> Softmax | None:
    """The softmax along the looped axis that a term is, if it is one."""
    ratio = uncast(term)
    if not is_apply(ratio, "div"):
        return None
    weights, total = (uncast(a) for a in ratio.args)
    if not is_sum(total, "sum", weights) or not is_apply(weights, "exp"):
        return None
    shifted = uncast(weights.args[0])
    if not is_apply(shifted, "sub"):
        return None
    scores, top = shifted.args
    if not is_sum(uncast(top), "max", uncast(scores)):
        return None
    return Softmax(scores, shifted, weights, total, ratio)


def uncast(term: Term) -> Term:
    """The term behind a cast of tiles."""
    return term.args[0] if is_apply(term, "cast") else term


def is_apply(term: Term, op: str) -> bool:
    """Whether the term is that pointwise op."""
    return isinstance(term.statement, Apply) and term.statement.op == op


def is_sum(term: Term, kind: str, of: Term) -> bool:
    """Whether the term is that reduction of ``of`` over the looped axis."""
    statement = term.statement
    looped = isinstance(statement, Reduce) and statement.kind == kind and term.loop is not None
    return looped and uncast(term.args[0]) is of


def again(tracer: Tracer, old: Term, *args: Term) -> Term:
    """The same pointwise op of other terms."""
    statement = old.statement
    assert isinstance(statement, Apply)
    names, axes = tuple(a.name for a in args), tracer.axes_of(terms=args)
    made = replace(statement, args=names, axes=axes)
    key = ("again", old.name, names)
    return tracer.add(key, lambda name: replace(made, name=name), statement.op, args, old.declared)


def rescaled(tracer: Tracer, old: Term, args: tuple[Term, ...], top: Term) -> Term:
    """The same accumulation of other terms, multiplied whenever the running maximum grows."""
    statement = old.statement
    made: Statement
    if isinstance(statement, Reduce):
        made = replace(statement, arg=args[0].name, rescale=top.name)
    else:
        assert isinstance(statement, Dot)
        made = replace(statement, a=args[0].name, b=args[1].name, rescale=top.name)
    return tracer.add(
        ("rescaled", old.name),
        lambda name: replace(made, name=name),
        old.name,
        (*args, top),
        old.declared,
        loop=old.loop,
    )
