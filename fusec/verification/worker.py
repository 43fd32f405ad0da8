"""The subprocess that runs a reference tool: ``python -m fusec.verification.worker FOLDER``.

FOLDER holds ``request.json`` (tool, model, shapes) and the inputs; the outputs go there as
``outputs`` and, where the tool can optimise, once more optimised as ``optimised``.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fusec.verification.tensors import Array, load_arrays, save_arrays


def main(folder: Path) -> None:
    """Answer the request in ``folder``."""
    request = json.loads((folder / "request.json").read_text())
    inputs = load_arrays(folder, "inputs")
    model = Path(request["model"])
    if request["tool"] == "onnxruntime":
        _run_onnxruntime(folder, model, inputs, request["optimised"])
    else:
        _run_onnx(folder, model, inputs)


def _run_onnxruntime(
    folder: Path, model: Path, inputs: Mapping[str, Array], optimised: bool
) -> None:
    import onnxruntime as ort

    _write_version(folder, ort.__version__)
    save_arrays(folder, "outputs", _session_run(ort, model, inputs, "ORT_DISABLE_ALL"))
    if optimised:
        save_arrays(folder, "optimised", _session_run(ort, model, inputs, "ORT_ENABLE_ALL"))


def _session_run(
    ort: Any, model: Path, inputs: Mapping[str, Array], level: str
) -> dict[str, Array]:
    options = ort.SessionOptions()
    options.graph_optimization_level = getattr(ort.GraphOptimizationLevel, level)
    options.log_severity_level = 3
    source: str | bytes = str(model)
    resized = _with_shapes(model, inputs)
    if resized is not None:
        folder = os.fspath(model.resolve().parent)
        options.add_session_config_entry(
            "session.model_external_initializers_file_folder_path", folder
        )
        source = resized
    session = ort.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    wanted = {i.name for i in session.get_inputs()}
    feed = {name: array for name, array in inputs.items() if name in wanted}
    return dict(zip(names, session.run(names, feed), strict=True))


def _run_onnx(folder: Path, model: Path, inputs: Mapping[str, Array]) -> None:
    import onnx
    from onnx.reference import ReferenceEvaluator

    _write_version(folder, onnx.__version__)
    proto = onnx.load(model)
    given = {i.name for i in proto.graph.input}
    evaluator = ReferenceEvaluator(proto)
    feed = {name: array for name, array in inputs.items() if name in given}
    outputs = dict(zip(evaluator.output_names, evaluator.run(None, feed), strict=True))
    save_arrays(folder, "outputs", outputs)


def _with_shapes(model: Path, inputs: Mapping[str, Array]) -> bytes | None:
    """The model with the shapes of ``inputs``, when its own input shapes say something else."""
    import onnx

    proto = onnx.load(model, load_external_data=False)
    changed = False
    for value in proto.graph.input:
        dims = value.type.tensor_type.shape.dim
        shape = inputs[value.name].shape if value.name in inputs else ()
        for dim, size in zip(dims, shape):
            if dim.HasField("dim_value") and dim.dim_value != size:
                dim.dim_value = size
                changed = True
    if not changed:
        return None
    del proto.graph.value_info[:]
    for value in proto.graph.output:
        value.type.tensor_type.ClearField("shape")
    data: bytes = proto.SerializeToString()
    return data


def _write_version(folder: Path, version: str) -> None:
    (folder / "version.txt").write_text(version)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
