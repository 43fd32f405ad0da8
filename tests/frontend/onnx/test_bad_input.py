"""Every kind of bad file: the error's class and exit code, and what its message names."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from fusec.errors import EnvironmentProblem, FusecError, InvalidModel, UnsupportedModel, UsageError
from fusec.frontend import load_model
from tests.frontend.onnx.harness import info, model

Make = Callable[[Path], object]


def relu(**more: Any) -> onnx.NodeProto:
    return helper.make_node("Relu", ["x"], ["y"], name="act", **more)


def good() -> onnx.ModelProto:
    weights = {"w": np.ones((64, 64), np.float32)}
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"], name="mm")]
    return model(nodes, {"x": (1, 64)}, weights=weights)


def written(name: str, content: bytes) -> Make:
    def make(folder: Path) -> Path:
        (folder / name).write_bytes(content)
        return folder / name

    return make


def truncated(folder: Path) -> Path:
    data = good().SerializeToString()
    (folder / "m.onnx").write_bytes(data[: len(data) * 2 // 3])
    return folder / "m.onnx"


def external(**entries: str) -> Make:
    def make(folder: Path) -> Path:
        proto = good()
        tensor = proto.graph.initializer[0]
        data = tensor.raw_data
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in entries.items():
            tensor.external_data.add(key=key, value=value)
        (folder / "data.bin").write_bytes(data)
        (folder / "m.onnx").write_bytes(proto.SerializeToString())
        return folder / "m.onnx"

    return make


def unreadable(folder: Path) -> Path:
    path = folder / "m.onnx"
    path.write_bytes(good().SerializeToString())
    path.chmod(0)
    return path


def linked_out(folder: Path) -> Path:
    (folder / "inside").mkdir()
    path = external(location="link.bin")(folder / "inside")
    (folder / "inside" / "data.bin").rename(folder / "outside.bin")
    (folder / "inside" / "link.bin").symlink_to(folder / "outside.bin")
    assert isinstance(path, Path)
    return path


def edited(edit: Callable[[onnx.ModelProto], None]) -> Make:
    def make(_: Path) -> onnx.ModelProto:
        proto = good()
        edit(proto)
        return proto

    return make


def _short_data(m: onnx.ModelProto) -> None:
    m.graph.initializer[0].raw_data = m.graph.initializer[0].raw_data[:100]


def _negative(m: onnx.ModelProto) -> None:
    m.graph.initializer[0].dims[0] = -64


def _billion(m: onnx.ModelProto) -> None:
    m.graph.initializer[0].dims[0] = 1 << 40


def _cycle(m: onnx.ModelProto) -> None:
    m.graph.node.add(op_type="Add", input=["y", "b"], output=["a"], name="first")
    m.graph.node.add(op_type="Relu", input=["a"], output=["b"], name="second")
    m.graph.output[0].name = "b"


def _twice(m: onnx.ModelProto) -> None:
    m.graph.node.add(op_type="Relu", input=["x"], output=["y"], name="again")


def _wrong_type(m: onnx.ModelProto) -> None:
    m.graph.value_info.append(info("y", (1, 64), TensorProto.INT64))


MAKE = model
INVALID: dict[str, tuple[Make, str]] = {
    "empty": (written("m.onnx", b""), "m.onnx is empty"),
    "text": (written("m.onnx", b"hello, I am no model\n" * 9), "m.onnx is a text file"),
    "noise": (written("m.onnx", bytes(range(128, 256)) * 40), "m.onnx is not a whole ONNX model"),
    "truncated": (truncated, "m.onnx is not a whole ONNX model"),
    "archive": (written("m.onnx", b"PK\x03\x04" + bytes(99)), "m.onnx is a damaged archive"),
    "git lfs": (written("m.onnx", b"version https://git-lfs.github.com/spec/v1\n"), "git-lfs"),
    "no graph": (lambda _: onnx.ModelProto(ir_version=8), "has no graph"),
    "no outputs": (lambda _: MAKE([relu()], {"x": (2,)}, ()), "has no outputs"),
    "undefined output": (
        lambda _: MAKE([relu()], {"x": (2,)}, ("y", "other")),
        "output 'other' is not defined",
    ),
    "undefined input": (
        lambda _: MAKE([relu()], {"z": (2,)}),
        r"node act \(Relu\) reads 'x', which nothing defines",
    ),
    "cycle": (edited(_cycle), "node (first|second) is part of a cycle"),
    "defined twice": (edited(_twice), "node again: value 'y' is defined twice"),
    "no opset": (
        lambda _: MAKE([helper.make_node("Gelu", ["x"], ["y"], domain="com.x")], {"x": (2,)}),
        "does not import operator set 'com.x'",
    ),
    "too many inputs": (
        lambda _: MAKE([helper.make_node("Relu", ["x", "x"], ["y"], name="act")], {"x": (2,)}),
        "node act .*has 2 inputs, not 1",
    ),
    "unknown attribute": (lambda _: MAKE([relu(slope=1.0)], {"x": (2,)}), "no attribute slope"),
    "attribute of a wrong kind": (
        lambda _: MAKE(
            [helper.make_node("Concat", ["x"], ["y"], name="cat", axis=1.0)], {"x": (2, 2)}
        ),
        "node cat .*attribute axis is FLOAT, not INT",
    ),
    "attribute missing": (
        lambda _: MAKE([helper.make_node("Concat", ["x"], ["y"], name="cat")], {"x": (2, 2)}),
        "node cat .*attribute axis is missing",
    ),
    "axis out of range": (
        lambda _: MAKE(
            [helper.make_node("Concat", ["x"], ["y"], name="cat", axis=5)], {"x": (2, 2)}
        ),
        "node cat .*axis 5 does not fit rank 2",
    ),
    "shapes do not fit": (
        lambda _: MAKE(
            [helper.make_node("Add", ["x", "z"], ["y"], name="sum")], {"x": (2, 3), "z": (4,)}
        ),
        r"node sum \(Add\): .*do not broadcast",
    ),
    "reshape does not fit": (
        lambda _: MAKE(
            [helper.make_node("Reshape", ["x", "s"], ["y"], name="view")],
            {"x": (2, 3)},
            weights={"s": np.array([4, -1])},
        ),
        "node view .*6 elements do not split by 4",
    ),
    "data too short": (edited(_short_data), "initializer 'w' has 100 bytes of data"),
    "negative dimension": (edited(_negative), "initializer 'w' has a negative dimension"),
    "too large a dimension": (edited(_billion), "initializer 'w' has 16384 bytes of data"),
    "annotated dtype": (edited(_wrong_type), "value 'y' is annotated as i64"),
    "external, missing": (external(location="gone.bin"), "'w'.*'gone.bin', which does not exist"),
    "external, no location": (external(offset="0"), "'w'.*names no file"),
    "external, beyond the end": (
        external(location="data.bin", offset="100", length="16384"),
        "needs bytes 100 to 16484 of external data file 'data.bin', which has 16384",
    ),
    "external, too short": (
        external(location="data.bin", offset="0", length="80"),
        "'w' has 80 bytes of data",
    ),
    "external, bad offset": (external(location="data.bin", offset="x"), "is not a number"),
    "external, negative": (external(location="data.bin", offset="-4"), "is negative"),
    "external, above": (external(location="../data.bin"), "leaves the model's folder"),
    "external, absolute": (external(location="/etc/passwd"), "leaves the model's folder"),
    "external, a folder": (external(location="."), "is not a file"),
    "external, link out": (linked_out, "leaves the model's folder"),
}


@pytest.mark.parametrize("name", INVALID)
def test_invalid(name: str, tmp_path: Path) -> None:
    make, message = INVALID[name]
    source = make(tmp_path)
    with pytest.raises(InvalidModel, match=message) as caught:
        load_model(source)  # type: ignore[arg-type]
    assert caught.value.exit_code == 3


USAGE: dict[str, tuple[Make, dict[str, object], str]] = {
    "no such file": (lambda folder: folder / "gone.onnx", {}, "no such file"),
    "a folder": (lambda folder: folder, {}, "is a directory"),
    "unknown input": (lambda _: good(), {"shapes": {"q": (1,)}}, "no input 'q'.*inputs: x"),
    "wrong rank": (lambda _: good(), {"shapes": {"x": (1, 2, 3)}}, "'x' needs 2 sizes, not 3"),
    "negative size": (lambda _: good(), {"shapes": {"x": (1, -5)}}, "negative size -5"),
    "unknown dim": (lambda _: good(), {"dims": {"n": 3}}, "no dim 'n' in the inputs"),
    "unknown constant": (lambda _: good(), {"constants": {"q": np.ones(2)}}, "no input 'q'"),
    "constant does not fit": (
        lambda _: good(),
        {"constants": {"x": np.ones((2, 64), np.float32)}},
        "data for input 'x'",
    ),
    "empty range": (
        lambda _: model([relu()], {"x": ("n",)}),
        {"dims": {"n": (8, 4, 1)}},
        "dim 'n'.*no value between",
    ),
    "shape not in the model": (
        lambda _: model([relu()], {"x": info("x", None)}),
        {},
        "shape of input 'x' is not in the model",
    ),
}


@pytest.mark.parametrize("name", USAGE)
def test_usage(name: str, tmp_path: Path) -> None:
    make, options, message = USAGE[name]
    with pytest.raises(UsageError, match=message) as caught:
        load_model(make(tmp_path), **options)  # type: ignore[arg-type]
    assert caught.value.exit_code == 2


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentProblem, match="cannot read"):
        load_model(unreadable(tmp_path))


def test_unsupported_are_listed_at_once() -> None:
    nodes = [
        helper.make_node("Relu", ["x"], ["a"], name="fine"),
        helper.make_node("Strange", ["a"], ["b"], name="odd", domain="com.acme"),
        helper.make_node("Relu", ["b"], ["c"], name="behind"),
        helper.make_node("Strange", ["c"], ["d"], name="odd_too", domain="com.acme"),
        helper.make_node("Multinomial", ["x"], ["e"], name="dice"),
        helper.make_node("Add", ["d", "e"], ["y"], name="sum"),
    ]
    proto = model(nodes, {"x": (2, 3)})
    proto.opset_import.add(domain="com.acme", version=1)
    with pytest.raises(UnsupportedModel) as caught:
        load_model(proto)
    found = {(i.node, i.op, i.count) for i in caught.value.items}
    assert found == {("odd", "com.acme::Strange", 2), ("dice", "Multinomial", 1)}
    assert caught.value.exit_code == 3


def test_strings_are_refused() -> None:
    proto = model(
        [helper.make_node("Identity", ["x"], ["y"])], {"x": info("x", (2,), TensorProto.STRING)}
    )
    with pytest.raises(UnsupportedModel, match=r"x: graph input .*element type STRING"):
        load_model(proto)


def test_corrupt_bytes_never_crash() -> None:
    """Every outcome of a damaged file is a graph or an error of ours."""
    data = bytearray(good().SerializeToString())
    rng = np.random.default_rng(5)
    header = [i for i in range(len(data)) if i < 60 or i > len(data) - 120]
    for _ in range(1500):
        copy = bytearray(data)
        for place in rng.choice(header, 2):
            copy[place] = int(rng.integers(256))
        try:
            load_model(bytes(copy))
        except FusecError as error:
            assert error.exit_code in (2, 3)


def test_every_truncation_is_an_error_of_ours() -> None:
    data = good().SerializeToString()
    for size in [*range(200), *range(len(data) - 100, len(data))]:
        with pytest.raises(InvalidModel):
            load_model(data[:size])


def test_external_tensors_of_a_parsed_model_need_its_path() -> None:
    proto = good()
    tensor = proto.graph.initializer[0]
    tensor.CopyFrom(numpy_helper.from_array(np.ones((64, 64), np.float32), "w"))
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="data.bin")
    with pytest.raises(InvalidModel, match="not read from a file"):
        load_model(proto)
