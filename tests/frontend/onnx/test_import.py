"""What an import makes of a file: names, origins, regions, weights, order, functions, coverage."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from fusec.frontend import coverage, load_model
from fusec.frontend.onnx.registry import all_lowerings
from tests.frontend.onnx.harness import (
    Array,
    assert_as_ort,
    assert_same,
    imported,
    info,
    model,
    one,
    ops,
    ort,
    run,
)

rng = np.random.default_rng(3)


def node(op: str, inputs: str, outputs: str, name: str = "", **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(op, inputs.split(), outputs.split(), name=name, **attributes)


def data(*shape: int) -> Array:
    return np.asarray(rng.standard_normal(shape)).astype(np.float32)


# -- names, origins, regions ---------------------------------------------------------------------


def test_values_keep_their_names() -> None:
    nodes = [
        node("Relu", "add", "/model/act_output_0"),
        node("Softmax", "/model/act_output_0", "mul"),
    ]
    graph = imported(model(nodes, {"add": (2, 3)}, ("mul",), opset=13))
    names = [v.name for v in graph.values]
    assert "add" in names and "/model/act_output_0" in names
    assert graph.outputs[0].name == "mul" and graph.output_names == ["mul"]


def test_outputs_that_are_inputs_or_equal_keep_their_order() -> None:
    nodes = [node("Identity", "x", "y"), node("Identity", "y", "z"), node("Relu", "x", "w")]
    graph = imported(model(nodes, {"x": (2,)}, ("z", "w", "y")))
    assert graph.output_names == ["z", "w", "y"]
    assert graph.outputs[0] is graph.outputs[2] is graph.inputs[0]


def test_origins_and_regions() -> None:
    nodes = [
        node("Relu", "x", "a", "act"),
        node("Softmax", "a", "b", "/head/Softmax"),
        node("Add", "b b", "y"),
    ]
    graph = imported(model(nodes, {"x": (2, 3)}, opset=13))
    seen = {(n.origins, n.region) for n in graph.nodes if not n.is_constant}
    assert seen == {
        (("act",), None),
        (("/head/Softmax",), "Softmax:/head/Softmax"),
        (("Add_2",), None),
    }


def test_unnamed_and_repeated_names_are_told_apart() -> None:
    nodes = [
        node("Relu", "x", "a"),
        node("Neg", "a", "b", "same"),
        node("Abs", "b", "c", "same"),
        node("Exp", "c", "y", "Relu_0"),
    ]
    graph = imported(model(nodes, {"x": (2,)}))
    origins = [n.origins[0] for n in graph.nodes if not n.is_constant]
    assert len(set(origins)) == 4 and origins[1] == "same"


def test_rich_operators_are_the_ones_with_several_core_ops() -> None:
    rich = {entry.op for entry in all_lowerings() if entry.rich}
    assert {"Softmax", "LayerNormalization", "BatchNormalization", "Gelu", "HardSwish"} <= rich
    assert not {"Relu", "Conv", "MatMul", "Reshape", "ReduceSum"} & rich


# -- weights -------------------------------------------------------------------------------------


def weighted(ir_version: int = 8, *, as_inputs: bool = False) -> tuple[onnx.ModelProto, Array]:
    weights = {"w": data(64, 32), "b": data(32)}
    inputs: dict[str, Any] = {"x": (2, 64)}
    if as_inputs:
        inputs.update({n: w.shape for n, w in weights.items()})
    nodes = [node("Gemm", "x w b", "y", "fc")]
    proto = model(nodes, inputs, weights=weights, ir_version=ir_version, opset=9)
    return proto, weights["w"]


@pytest.mark.parametrize("ir_version", [3, 4, 8])
def test_initializers_listed_as_inputs_are_constants(ir_version: int) -> None:
    proto, _ = weighted(ir_version, as_inputs=True)
    graph = assert_as_ort(proto, {"x": data(2, 64)})
    assert [v.name for v in graph.inputs] == ["x"]


def root(array: Array) -> object:
    """What owns the memory of an array."""
    base: Any = array
    while isinstance(base, np.ndarray) and base.base is not None:
        base = base.base
    return base


def weight(graph: Any, name: str) -> Array:
    found = next(v.constant for n in graph.nodes for v in n.results if v.name == name)
    assert found is not None
    array: Array = found.array
    return array


def test_weights_are_views_of_the_file(tmp_path: Path) -> None:
    proto, w = weighted()
    path = tmp_path / "m.onnx"
    path.write_bytes(proto.SerializeToString())
    found = weight(load_model(path), "w")
    np.testing.assert_array_equal(found, w)
    assert type(root(found)) is memoryview or type(root(found)).__name__ == "mmap"


def test_typed_fields_are_views_too(tmp_path: Path) -> None:
    proto, w = weighted()
    tensor = proto.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.float_data.extend(w.reshape(-1).tolist())
    path = tmp_path / "m.onnx"
    path.write_bytes(proto.SerializeToString())
    found = weight(load_model(path), "w")
    np.testing.assert_array_equal(found, w)
    assert not found.flags.owndata and not isinstance(root(found), np.ndarray)


@pytest.mark.parametrize("links", [False, True])
def test_external_data_is_mapped(tmp_path: Path, links: bool) -> None:
    proto, w = weighted()
    x = data(2, 64)
    expected = ort(proto, {"x": x})
    store = tmp_path / "store"
    store.mkdir()
    path = store / "m.onnx"
    onnx.save(proto, path, save_as_external_data=True, location="weights.bin", size_threshold=1024)
    if links:  # as in a cache of downloaded files
        folder = tmp_path / "snapshot"
        folder.mkdir()
        for name in ("m.onnx", "weights.bin"):
            (folder / name).symlink_to(store / name)
        path = folder / "m.onnx"
    graph = imported(path)
    assert_same(run(graph, {"x": x}), expected)
    found = weight(graph, "w")
    assert not found.flags.owndata
    np.testing.assert_array_equal(found, w)


def test_files_bytes_and_protos_give_the_same(tmp_path: Path) -> None:
    proto, _ = weighted()
    (tmp_path / "m.bin").write_bytes(proto.SerializeToString())
    x = data(2, 64)
    sources = (proto, proto.SerializeToString(), tmp_path / "m.bin", str(tmp_path / "m.bin"))
    results = [run(imported(source), {"x": x})[0] for source in sources]
    assert all((r == results[0]).all() for r in results)


FORMS: dict[str, Any] = {
    "value": numpy_helper.from_array(data(3)),
    "value_float": 1.5,
    "value_floats": [1.0, -2.0, 4.0],
    "value_int": 3,
    "value_ints": [1, 2, 3],
    "sparse_value": helper.make_sparse_tensor(
        numpy_helper.from_array(np.array([2.5], np.float32), "v"),
        numpy_helper.from_array(np.array([1]), "i"),
        [3],
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_constant_forms(form: str) -> None:
    nodes = [
        helper.make_node("Constant", [], ["c"], **{form: FORMS[form]}),
        node("Cast", "c", "f", to=TensorProto.FLOAT),
        node("Add", "x f", "y"),
    ]
    proto, feeds = model(nodes, {"x": (3,)}), {"x": data(3)}
    if form == "sparse_value":  # ONNX Runtime's constant folding has it only
        assert_same(run(imported(proto), feeds), [feeds["x"] + np.array([0, 2.5, 0], np.float32)])
        return
    assert_as_ort(proto, feeds)


def test_sparse_initializers() -> None:
    proto = model([node("Mul", "x s", "y")], {"x": (2, 3)})
    values = numpy_helper.from_array(np.array([2.0, -1.0], np.float32), "s")
    indices = numpy_helper.from_array(np.array([1, 5]), "s_indices")
    proto.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [2, 3]))
    x = data(2, 3)
    dense = np.array([[0, 2, 0], [0, 0, -1]], np.float32)
    assert_same(run(imported(proto), {"x": x}), [x * dense])


# -- order and reach -----------------------------------------------------------------------------


def test_unsorted_nodes() -> None:
    nodes = [node("Add", "a b", "y"), node("Neg", "a", "b"), node("Relu", "x", "a")]
    proto, x = model(nodes, {"x": (4,)}), data(4)
    assert_same(run(imported(proto), {"x": x}), [np.maximum(x, 0) - np.maximum(x, 0)])


def test_nodes_that_nothing_needs_are_left_out() -> None:
    nodes = [node("Relu", "x", "y"), node("Strange", "x", "z", domain="com.acme")]
    proto = model(nodes, {"x": (4,)})
    assert ops(imported(proto)) == ["maximum"]


def test_unused_operator_sets_do_not_matter() -> None:
    proto = model([node("Relu", "x", "y")], {"x": (4,)})
    proto.opset_import.add(domain="Paddle", version=3)
    proto.opset_import.add(domain="ai.onnx.ml", version=2)
    assert ops(imported(proto)) == ["maximum"]


# -- functions -----------------------------------------------------------------------------------


def test_functions_of_the_model() -> None:
    body = [
        node("Mul", "a b", "product", "times"),
        helper.make_node("LeakyRelu", ["product"], ["out"], name="act"),
    ]
    body[1].attribute.add(name="alpha", ref_attr_name="slope", type=onnx.AttributeProto.FLOAT)
    function = helper.make_function(
        "com.acme", "Scaled", ["a", "b"], ["out"], body, [helper.make_opsetid("", 17)], ["slope"]
    )
    nodes = [node("Scaled", "x x", "h", "first", domain="com.acme", slope=0.3)]
    nodes.append(node("Scaled", "h x", "y", "second", domain="com.acme", slope=0.1))
    proto = model(nodes, {"x": (5,)})
    proto.opset_import.add(domain="com.acme", version=1)
    proto.functions.append(function)
    graph = assert_as_ort(proto, {"x": data(5)})
    origins = {o for n in graph.nodes for o in n.origins}
    assert origins == {"first/times", "first/act", "second/times", "second/act"}
    assert {v.name for v in graph.values} >= {"h", "y", "first/product", "second/product"}


def test_operators_by_their_function_body() -> None:
    """A new operator is its standard's body, under the name of the one node it was."""
    assert "SwiGLU" not in {entry.op for entry in all_lowerings()}
    x = data(2, 8)
    proto = one("SoftmaxCrossEntropyLoss", {"x": x, "t": np.array([1, 7])}, opset=13)
    graph = assert_as_ort(proto, {"x": x, "t": np.array([1, 7])})
    regions = {n.region for n in graph.nodes if not n.is_constant}
    name = "the_SoftmaxCrossEntropyLoss"
    assert regions == {f"SoftmaxCrossEntropyLoss:{name}"}
    assert {o for n in graph.nodes for o in n.origins} == {name}


# -- coverage ------------------------------------------------------------------------------------


def test_coverage() -> None:
    nodes = [
        node("Relu", "x", "a", "act"),
        node("Softmax", "a", "b", "soft"),
        node("Multinomial", "b", "c", "dice"),
        node("Multinomial", "a", "d", "dice_too"),
        node("Concat", "c d", "y", "cat", axis=0),
    ]
    found = coverage(model(nodes, {"x": (2, 3)}, opset=13))
    assert not found.is_complete
    rows = {(r.op, r.status): r.nodes for r in found.rows}
    assert rows == {
        ("Multinomial", "unsupported"): ("dice", "dice_too"),
        ("Concat", "supported"): ("cat",),
        ("Relu", "supported"): ("act",),
        ("Softmax", "decomposed"): ("soft",),
    }
    assert found.rows[0].status == "unsupported" and found.rows[0].count == 2


def test_wrong_annotations_of_sizes_are_notes() -> None:
    proto = model([node("Relu", "x", "y", "act")], {"x": (2, 3)})
    proto.graph.output[0].CopyFrom(info("y", (2, 4)))
    assert coverage(proto).notes == ("value 'y' is annotated as f32[2, 4] but is f32[2, 3]",)
    assert coverage(proto, shapes={"x": (2, 5)}).notes == ()
