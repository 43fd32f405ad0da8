"""Sessions: what they accept, what they compute, and what they allocate."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fusec.errors import EnvironmentProblem, UsageError
from fusec.ir import (
    DTYPES,
    Constant,
    DType,
    Graph,
    GraphBuilder,
    Symbol,
    Tensor,
    bf16,
    f32,
    i64,
    symbol,
)
from fusec.ir.evaluate import array_to_torch, evaluate_graph, to_numpy
from fusec.plan import Plan, make_launches, read_plan, write_plan
from fusec.plan.plan import LaunchKind
from fusec.runtime import Session, choose_device, devices, reprint_kernels
from fusec.tile.kernel import Checked
from tests.passes.memory_graphs import graphs
from tests.plan.sample import mlp, mlp_reference, place, plan_of, with_everything, wrap

Array = NDArray[Any]
BOTH = pytest.mark.parametrize("device", ["reference", "interpreter"])


def bare(graph: Graph) -> Plan:
    """A plan of a graph that is not fused: every launch is evaluated by its meaning."""
    place(graph)
    return Plan(graph, (), make_launches(graph, {}))


def features(rng: np.random.Generator, rows: int = 4) -> Array:
    return rng.standard_normal((rows, 8)).astype(np.float32)


@BOTH
@pytest.mark.parametrize("poison", [False, True])
def test_outputs_are_those_of_numpy(device: str, poison: bool, rng: np.random.Generator) -> None:
    session = Session(with_everything(), device, poison=poison)
    for _ in range(2):
        x = features(rng)
        outputs = session.run({"x": x})
        assert list(outputs) == ["features", "total"]
        for name, wanted in mlp_reference(x, session.plan.graph).items():
            np.testing.assert_allclose(outputs[name], wanted, rtol=1e-5, atol=1e-5)
    assert session.arena_bytes == 512


def test_runs_do_not_share_their_outputs(rng: np.random.Generator) -> None:
    session = Session(with_everything(), "reference")
    first = session.run({"x": features(rng)})
    kept = first["features"].copy()
    session.run({"x": features(rng)})
    np.testing.assert_array_equal(first["features"], kept)
    first["features"][:] = 0  # and may be written


def test_inputs_of_any_layout_are_read_and_not_written(rng: np.random.Generator) -> None:
    session = Session(with_everything(), "reference")
    x = features(rng)
    wanted = session.run({"x": x})["total"]
    frozen = x.copy()
    frozen.flags.writeable = False
    for layout in (np.asfortranarray(x), x[::-1][::-1], np.repeat(x, 2, 1)[:, ::2], frozen):
        before = layout.copy()
        np.testing.assert_array_equal(session.run({"x": layout})["total"], wanted)
        np.testing.assert_array_equal(layout, before)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, "input 'x' is missing"),
        ({"x": np.zeros((4, 8), np.float32), "y": np.zeros(1)}, "there is no input 'y'"),
        ({"x": np.zeros((4, 8))}, "input 'x' is float64, float32 is expected"),
        ({"x": np.zeros((4, 8), ">f4")}, "input 'x' is >f4, float32"),
        ({"x": np.array([["a"] * 8] * 4)}, "input 'x' is <U1, float32"),
        ({"x": np.zeros((4, 9), np.float32)}, r"input x has shape \[4, 9\], not f32\[4, 8\]"),
        ({"x": np.zeros((4, 8, 1), np.float32)}, r"input x has shape \[4, 8, 1\]"),
    ],
)
def test_wrong_inputs_are_named(inputs: dict[str, Array], message: str) -> None:
    session = Session(with_everything(), "reference")
    with pytest.raises(UsageError, match=message) as caught:
        session.run(inputs)
    assert caught.value.exit_code == 2


@BOTH
def test_symbols_are_bound_and_checked_at_every_run(device: str, rng: np.random.Generator) -> None:
    session = Session(plan_of(place(mlp(Symbol("batch", 2, 32, 2)))), device, poison=True)
    for rows in (2, 32, 6):
        x = features(rng, rows)
        for name, wanted in mlp_reference(x, session.plan.graph).items():
            found = session.run({"x": x})[name]
            np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)
    for rows, message in ((34, "batch = 34 is not in its range 2..32"), (3, "multiple of 2")):
        with pytest.raises(UsageError, match=message):
            session.run({"x": features(rng, rows)})


def test_an_arena_without_bound_grows(rng: np.random.Generator) -> None:
    session = Session(plan_of(place(mlp(Symbol("batch", 1, None)))), "reference", poison=True)
    sizes = []
    for rows in (3, 700, 2):
        x = features(rng, rows)
        found = session.run({"x": x})["total"]
        np.testing.assert_allclose(
            found, mlp_reference(x, session.plan.graph)["total"], rtol=1e-4, atol=1e-4
        )
        sizes.append(session.arena_bytes)
    assert sizes[0] < sizes[1] == sizes[2]


def test_a_symbol_that_no_shape_tells_is_asked_for() -> None:
    graph = Graph()
    graph.symbols["n"] = Symbol("n", 1, 9)
    n = symbol("n", 1, 9)
    x = graph.add_input("x", Tensor(f32, (3,)))
    row = GraphBuilder(graph).op("broadcast", x, shape=(n, 3))
    graph.set_outputs([GraphBuilder(graph).op("neg", row)])
    session = Session(bare(graph), "reference")
    x3 = np.arange(3, dtype=np.float32)
    assert session.run({"x": x3}, symbols={"n": 2})["neg"].shape == (2, 3)
    with pytest.raises(UsageError, match="n = 10 is not in its range"):
        session.run({"x": x3}, symbols={"n": 10})


# -- memory ----------------------------------------------------------------------------------------


def test_weights_of_a_plan_file_are_not_copied(tmp_path: Any) -> None:
    write_plan(with_everything(), tmp_path / "a.plan")
    plan = read_plan(tmp_path / "a.plan")
    session = Session(plan, "reference")
    for value in plan.graph.values:
        if value.constant is not None:
            mapped = value.constant.array.__array_interface__["data"][0]
            assert session._buffers._weights[plan.graph.storages[value].root].data_ptr() == mapped


def test_poison_tells_a_life_that_is_too_short(rng: np.random.Generator) -> None:
    plan = with_everything()
    memory = plan.memory
    lives = (replace(memory.lifetimes[0], end=0), *memory.lifetimes[1:])
    plan.graph.memory = replace(memory, lifetimes=lives)
    outputs = Session(plan, "reference", poison=True).run({"x": features(rng)})
    assert np.isnan(outputs["features"]).any()
    assert np.isfinite(Session(plan, "reference").run({"x": features(rng)})["features"]).all()


def test_overlapping_offsets_give_wrong_results(rng: np.random.Generator) -> None:
    """The reference executor runs in the plan's memory, so it can tell a wrong plan."""
    graph = Graph()
    build = GraphBuilder(graph)
    x = graph.add_input("x", Tensor(f32, (8,)))
    a, b = build.op("exp", x), build.op("neg", x)
    graph.set_outputs([build.op("add", build.op("abs", a), b)])
    plan = bare(graph)
    data = rng.standard_normal(8).astype(np.float32)
    wanted = np.exp(data) - data
    np.testing.assert_allclose(Session(plan, "reference").run({"x": data})["add"], wanted, 1e-5)
    offsets = tuple((name, 0) for name, _ in plan.memory.offsets)
    graph.memory = replace(plan.memory, offsets=offsets)
    found = Session(plan, "reference").run({"x": data})["add"]
    assert not np.allclose(found, wanted)


@settings(max_examples=60)
@given(graph=graphs(), seed=st.integers(0, 99))
def test_random_graphs_run_poisoned_as_they_evaluate(graph: Graph, seed: int) -> None:
    (x,) = graph.inputs
    shape = tuple(int(str(d)) for d in x.type.shape)
    data = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    wanted = evaluate_graph(graph, [torch.from_numpy(data)])
    graph.output_names = [f"out{i}" for i in range(len(graph.outputs))]
    found = Session(bare(graph), "reference", poison=True).run({"x": data})
    for array, tensor in zip(found.values(), wanted, strict=True):
        np.testing.assert_array_equal(array, tensor.numpy())


def test_every_strided_view_is_read_as_it_is(rng: np.random.Generator) -> None:
    graph = Graph()
    build = GraphBuilder(graph)
    x = graph.add_input("x", Tensor(f32, (4, 6)))
    y = build.op("exp", x)
    z = build.op("transpose", y, perm=(1, 0))
    z = build.op("reverse", z, axes=(0, 1))
    z = build.op("slice", z, starts=(1, 0), sizes=(2, 2), steps=(2, 3))
    z = build.op("broadcast", z, shape=(3, 2, 2))
    graph.set_outputs([build.op("neg", z), build.op("reshape", y, shape=(24,)), z])
    graph.output_names = ["neg", "flat", "view"]
    data = rng.standard_normal((4, 6)).astype(np.float32)
    found = Session(bare(graph), "reference", poison=True).run({"x": data})
    y_ = np.exp(torch.from_numpy(data).numpy())
    view = np.broadcast_to(y_.T[::-1, ::-1][1:5:2, 0:6:3][:, :2], (3, 2, 2))
    np.testing.assert_allclose(found["view"], view, rtol=1e-6)
    np.testing.assert_allclose(found["neg"], -view, rtol=1e-6)
    np.testing.assert_allclose(found["flat"], y_.reshape(24), rtol=1e-6)
    assert found["view"].flags.c_contiguous


# -- dtypes ----------------------------------------------------------------------------------------


def drawn(dtype: DType, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    if dtype.is_integer or dtype.kind == "bool":
        return rng.integers(0, 2 if dtype.kind == "bool" else 8, shape).astype(dtype.numpy)
    return np.abs(rng.standard_normal(shape)).astype(dtype.numpy)  # some dtypes have no sign


@pytest.mark.parametrize("shape", [(), (3, 5), (0, 2)], ids=str)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_every_dtype_goes_through_memory(
    dtype: DType, shape: tuple[int, ...], rng: np.random.Generator
) -> None:
    graph = Graph()
    build = GraphBuilder(graph)
    x = graph.add_input("x", Tensor(dtype, shape))
    weight = drawn(dtype, shape, rng)
    w = graph.constant(Constant(weight, "w"))
    pair = build.op("concat", *(build.op("reshape", v, shape=(1, *shape)) for v in (x, w)), axis=0)
    turned = build.op("transpose", pair, perm=tuple(reversed(range(len(shape) + 1))))
    wide = build.op("reshape", turned, shape=(2 * int(np.prod(shape)),))
    graph.set_outputs([wide])
    data = drawn(dtype, shape, rng)
    (found,) = Session(bare(graph), "reference", poison=True).run({"x": data}).values()
    wanted = np.stack([data, weight]).T.reshape(-1)
    assert found.dtype == dtype.numpy
    assert found.astype(np.complex64).tolist() == wanted.astype(np.complex64).tolist()
    tensor = array_to_torch(found, dtype)
    assert to_numpy(tensor, dtype).tobytes() == found.tobytes()


@BOTH
def test_bfloat16_kernels(device: str, rng: np.random.Generator) -> None:
    graph = Graph()
    x = graph.add_input("x", Tensor(bf16, (5, 7)))
    w = graph.constant(Constant(drawn(bf16, (7,), rng), "w"))
    graph.set_outputs([GraphBuilder(graph).op("mul", x, w)])
    wrap(graph, [n for n in graph.nodes if not n.is_constant])
    data = drawn(bf16, (5, 7), rng)
    weight = next(v.constant for v in graph.values if v.constant is not None)
    wanted = (data.astype(np.float32) * weight.array.astype(np.float32)).astype(bf16.numpy)
    (found,) = Session(plan_of(place(graph)), device).run({"x": data}).values()
    np.testing.assert_array_equal(found, wanted)


# -- launches --------------------------------------------------------------------------------------


def test_externs_and_control_run_by_their_meaning(rng: np.random.Generator) -> None:
    graph = Graph()
    build = GraphBuilder(graph)
    x = graph.add_input("x", Tensor(f32, (6,)))
    flag = graph.add_input("flag", Tensor(DTYPES[0], ()))
    values, indices = build.ops("sort", x, axis=0, descending=True, stable=True)
    branches = []
    for op in ("exp", "neg"):
        branch = Graph(op)
        branch.set_outputs([branch.create(op, [branch.add_input("v", values.type)]).result])
        branches.append(branch)
    chosen = graph.create("if", [flag, values], graphs=branches).result
    graph.set_outputs([chosen, indices])
    graph.output_names = ["chosen", "order"]
    plan = bare(graph)
    assert [launch.kind for launch in plan.launches] == [LaunchKind.EXTERN, LaunchKind.CONTROL]
    data = rng.standard_normal(6).astype(np.float32)
    order = np.argsort(-data, kind="stable")
    for given_, wanted in ((True, np.exp(data[order])), (False, -data[order])):
        found = Session(plan, "reference").run({"x": data, "flag": np.array(given_)})
        np.testing.assert_allclose(found["chosen"], wanted, rtol=1e-6)
        np.testing.assert_array_equal(found["order"], order)
    assert found["order"].dtype == i64.numpy


def test_observers_see_every_launch(rng: np.random.Generator) -> None:
    session = Session(with_everything(), "reference")
    seen: dict[str, Array] = {}
    outputs = session.run({"x": features(rng)}, observe=lambda _, read: seen.update(read()))
    assert [launch.node for launch in session.plan.launches] == list(seen)
    np.testing.assert_array_equal(seen["reduce_sum.1"], outputs["total"])
    assert (seen["maximum.2"] >= 0).all()


def test_an_error_in_a_run_leaves_the_session_usable(rng: np.random.Generator) -> None:
    session = Session(with_everything(), "reference")
    x = features(rng)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        session.run({"x": x}, observe=stop)
    assert np.isfinite(session.run({"x": x})["total"]).all()


def test_kernels_printed_otherwise_lose_their_mark() -> None:
    plan = with_everything()
    kernels = tuple(replace(k, checked=Checked.GPU) for k in plan.kernels)
    old = (replace(kernels[0], source="# printed by another version\n"), *kernels[1:])
    printed = reprint_kernels(replace(plan, kernels=old))
    assert printed.kernels[0].checked is Checked.NONE
    assert printed.kernels[0].source == plan.kernels[0].source
    assert printed.kernels[1:] == kernels[1:]


def test_a_plan_without_a_config_says_so(rng: np.random.Generator) -> None:
    plan = with_everything()
    kernels = tuple(replace(k, configs=()) for k in plan.kernels)
    session = Session(replace(plan, kernels=kernels), "interpreter")
    with pytest.raises(UsageError, match="kernel k0 has no config for interpreter"):
        session.run({"x": features(rng)})


# -- devices ---------------------------------------------------------------------------------------


def test_auto_falls_back_to_the_reference_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    session = Session(with_everything(), "auto")
    assert session.device == "reference"
    assert "finds no CUDA device" in session.reason


def test_auto_takes_cuda_where_it_is_usable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device("auto").name == "cuda"
    assert choose_device("cuda").torch_name == "cuda"


def test_devices_that_cannot_be_used_say_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(EnvironmentProblem, match=r"cannot use cuda: .* finds no CUDA device"):
        Session(with_everything(), "cuda")
    monkeypatch.setattr(devices, "find_spec", lambda name: None)
    with pytest.raises(EnvironmentProblem, match="needs triton"):
        choose_device("interpreter")
    assert choose_device("auto").reason == "triton is not installed"
    with pytest.raises(UsageError, match="no device 'tpu'"):
        choose_device("tpu")


def test_memory_that_is_not_there_is_an_environment_problem() -> None:
    plan = with_everything()
    plan.graph.memory = replace(plan.memory, arena_bytes=1 << 60)
    with pytest.raises(EnvironmentProblem, match="cannot allocate") as caught:
        Session(plan, "reference")
    assert caught.value.exit_code == 4


@pytest.mark.gpu
def test_kernels_run_on_a_gpu(rng: np.random.Generator) -> None:
    session = Session(with_everything(), "cuda", poison=True)
    x = features(rng)
    for name, wanted in mlp_reference(x, session.plan.graph).items():
        np.testing.assert_allclose(session.run({"x": x})[name], wanted, rtol=1e-5, atol=1e-5)
