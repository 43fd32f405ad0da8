"""The reference evaluator: a graph's meaning in torch, op by op, on the CPU. Ignores storages."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fusec.errors import UsageError
from fusec.ir.graph import Graph, Node, Value
from fusec.ir.lazy import torch
from fusec.ir.op import Family, Kind, Op
from fusec.ir.reference import array_to_torch, settle, to_numpy, to_torch, torch_dtype
from fusec.ir.sym import Dim, Expr, Symbol, evaluate, free_symbols
from fusec.ir.types import Tensor

if TYPE_CHECKING:
    import torch as _torch

    TorchTensor = _torch.Tensor

__all__ = [
    "array_to_torch",
    "bind_symbols",
    "evaluate_graph",
    "evaluate_node",
    "to_numpy",
    "to_torch",
    "torch_dtype",
]

_DIM_KINDS = (Kind.DIM, Kind.DIMS, Kind.PAIRS)


def evaluate_graph(
    graph: Graph,
    inputs: Mapping[str, TorchTensor] | Sequence[TorchTensor],
    symbols: Mapping[str, int] | None = None,
) -> tuple[TorchTensor, ...]:
    """The outputs for inputs by name or in order.

    Symbols are bound from the shapes of the inputs; ``symbols`` gives those that no shape tells.
    UsageError for wrong names, dtypes, shapes, and symbols out of their declared range.
    """
    values = _in_order(graph, inputs)
    env = bind_symbols(graph, [tuple(v.shape) for v in values], symbols)
    for value, tensor in zip(graph.inputs, values, strict=True):
        if tensor.dtype is not torch_dtype(value.type.dtype):
            raise UsageError(f"input {value.name} is {tensor.dtype}, not {value.type.dtype.name}")
    with torch.inference_mode():
        return _run(graph, values, env)


def _in_order(
    graph: Graph, inputs: Mapping[str, TorchTensor] | Sequence[TorchTensor]
) -> list[TorchTensor]:
    names = [v.name for v in graph.inputs]
    if isinstance(inputs, Mapping):
        wrong = sorted(set(inputs) ^ set(names))
        if wrong:
            state = "is missing" if wrong[0] in names else "is not an input"
            raise UsageError(f"{wrong[0]} {state}", hint=f"the inputs are {', '.join(names)}")
        return [inputs[name] for name in names]
    if len(inputs) != len(names):
        raise UsageError(f"{len(inputs)} inputs given, the graph has {len(names)}")
    return list(inputs)


def _run(graph: Graph, inputs: Sequence[Any], env: dict[str, int]) -> tuple[Any, ...]:
    """Evaluate a graph whose inputs are known to fit; frees each value after its last use."""
    values: dict[Value, Any] = dict(zip(graph.inputs, inputs, strict=True))
    left = {value: value.use_count for value in graph.inputs}
    for node in graph.nodes:
        results = evaluate_node(node, [values[v] for v in node.operands], env)
        for value, result in zip(node.results, results, strict=True):
            values[value] = result
            left[value] = value.use_count
        for value in node.operands:
            left[value] -= 1
        for value in (*node.operands, *node.results):
            if not left[value]:
                values.pop(value, None)
    return tuple([values[v] for v in graph.outputs])


def evaluate_node(
    node: Node, operands: Sequence[Any], env: Mapping[str, int]
) -> tuple[TorchTensor, ...]:
    """The results of one node. ``env``: values of the graph's symbols by name.

    Symbols that stand for data-dependent dims of the results are added to ``env`` if it is a dict.
    """
    op = node.op
    if op.evaluate is None:
        raise NotImplementedError(f"{op.name} has no reference semantics")
    results = op.evaluate(operands, _numeric(node, env), [_callable(g, env) for g in node.graphs])
    if len(results) < len(node.results):  # stacks of a loop that never ran
        missing = [v.type for v in node.results[len(results) :]]
        results = (*results, *[_empty(t, env) for t in missing])
    if op.family is Family.EXTERN and isinstance(env, dict):
        for value, result in zip(node.results, results, strict=True):
            _bind(value.type.shape, tuple(result.shape), env)
    if any(value.type.dtype.bits < 8 for value in node.results):
        pairs = zip(node.results, results, strict=True)
        return tuple([settle(result, value.type.dtype) for value, result in pairs])
    return results


def _empty(type: Tensor, env: Mapping[str, int]) -> TorchTensor:
    return torch.empty(number_of(type.shape, env), dtype=torch_dtype(type.dtype))


def _callable(graph: Graph, env: Mapping[str, int]) -> Callable[..., tuple[Any, ...]]:
    return lambda *inputs: _run(graph, inputs, dict(env))


_DIM_ATTRIBUTES: dict[Op, tuple[str, ...]] = {}


def _numeric(node: Node, env: Mapping[str, int]) -> Mapping[str, Any]:
    """The attributes with every dim evaluated, but for the data-dependent dims of externs."""
    names = _DIM_ATTRIBUTES.get(node.op)
    if names is None:
        names = tuple([n for n, kind in node.op.kinds.items() if kind in _DIM_KINDS])
        names = () if node.op.family is Family.EXTERN else names
        _DIM_ATTRIBUTES[node.op] = names
    if not names:
        return node.attrs
    return {**node.attrs, **{name: number_of(node.attrs[name], env) for name in names}}


def number_of(value: Any, env: Mapping[str, int]) -> Any:
    """A dim, or a nested tuple of dims, as numbers; LookupError for an unknown symbol."""
    if isinstance(value, tuple):
        return tuple([number_of(v, env) for v in value])
    return evaluate(value, env) if isinstance(value, Expr) else value


# -- symbols -------------------------------------------------------------------------------------


def bind_symbols(
    graph: Graph, shapes: Sequence[tuple[int, ...]], symbols: Mapping[str, int] | None = None
) -> dict[str, int]:
    """Values of the graph's symbols from the shapes of its inputs, checked.

    UsageError when a shape does not fit its type, or a value is out of its symbol's range.
    """
    env = dict(symbols or {})
    for value, shape in zip(graph.inputs, shapes, strict=True):
        if len(shape) != value.type.rank:
            raise UsageError(f"input {value.name} has shape {list(shape)}, not {value.type}")
        _bind(value.type.shape, shape, env)
    _bind_linear(graph, shapes, env)
    for symbol in graph.symbols.values():
        if symbol.name in env:
            _check_range(symbol, env)
    for value, shape in zip(graph.inputs, shapes, strict=True):
        _check_shape(value, shape, env)
    return env


def _bind(dims: Sequence[Dim], shape: Sequence[int], env: dict[str, int]) -> None:
    """Bind the dims that are one symbol and not known yet."""
    for dim, size in zip(dims, shape, strict=True):
        if isinstance(dim, Expr):
            names = free_symbols(dim)
            if len(names) == 1 and dim is names[0].expr:
                env.setdefault(names[0].name, int(size))


def _bind_linear(graph: Graph, shapes: Sequence[tuple[int, ...]], env: dict[str, int]) -> None:
    """Solve dims such as ``2*n + 1``, where one symbol is unknown and stands in linear terms."""
    for value, shape in zip(graph.inputs, shapes, strict=True):
        for dim, size in zip(value.type.shape, shape, strict=True):
            unknown = [s for s in free_symbols(dim) if s.name not in env]
            if len(unknown) == 1:
                _solve(dim, unknown[0], size, env)


def _solve(dim: Dim, unknown: Symbol, size: int, env: dict[str, int]) -> None:
    at = [evaluate(dim, {**env, unknown.name: x}) for x in (0, 1, 2)]
    slope = at[1] - at[0]
    if slope and slope == at[2] - at[1] and (size - at[0]) % slope == 0:
        env[unknown.name] = (size - at[0]) // slope


def _check_range(symbol: Symbol, env: Mapping[str, int]) -> None:
    value = env[symbol.name]
    high = "" if symbol.hi is None else symbol.hi
    if value < symbol.lo or (symbol.hi is not None and value > symbol.hi):
        raise UsageError(f"{symbol.name} = {value} is not in its range {symbol.lo}..{high}")
    if value % symbol.divisor:
        raise UsageError(f"{symbol.name} = {value} is not a multiple of {symbol.divisor}")
    limit = symbol.below
    known = limit is not None and all(s.name in env for s in free_symbols(limit))
    if limit is not None and known and value >= evaluate(limit, env):
        raise UsageError(f"{symbol.name} = {value} is not below {limit}")


def _check_shape(value: Value, shape: tuple[int, ...], env: Mapping[str, int]) -> None:
    try:
        wanted = [evaluate(dim, env) for dim in value.type.shape]
    except LookupError as error:
        message = f"no input shape tells symbol {error.args[0] if error.args else error}"
        raise UsageError(message, hint="give its value in symbols") from None
    if list(shape) != wanted:
        at = ", ".join(f"{name} = {env[name]}" for name in _names(value.type))
        known = f" ({at})" if at else ""
        raise UsageError(f"input {value.name} has shape {list(shape)}, not {value.type}{known}")


def _names(type: Tensor) -> list[str]:
    return list(dict.fromkeys(s.name for dim in type.shape for s in free_symbols(dim)))
