"""Writes the golden cases: ``python -m tests.golden.make_cases [NAME...]``.

Knows nothing of fusec. Each case is a folder: ``model.onnx``, ``golden.safetensors`` with
``inputs/NAME`` and ``outputs/NAME``, and ``golden.json``; with several sets of inputs (sizes of
symbolic dims) each set has its folder below. Outputs are ONNX Runtime's, optimisations off. The
onnx reference evaluator in float64 checks them: its distance is ONNX Runtime's own error, and the
tolerance is the larger of 1e-5 and four times that.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import safetensors.numpy
from numpy.typing import NDArray
from onnx import TensorProto

from tests.golden import exports, forms, networks, networks_more
from tests.golden.evaluator import evaluate
from tests.golden.networks import Make

Array = NDArray[Any]

ROOT = Path(__file__).resolve().parent
SEED = 3
FLOOR, FACTOR = 1e-5, 4.0


@dataclass(frozen=True)
class Case:
    """A model and the sizes of its symbolic dims, one set of inputs for each."""

    make: Make
    sizes: Sequence[Mapping[str, int]] = ({},)
    high: int = 1  # integer inputs are drawn below it


@dataclass(frozen=True)
class Answer:
    """Seeded inputs, outputs and the relative error that ONNX Runtime makes itself."""

    inputs: dict[str, Array]
    outputs: dict[str, Array]
    errors: dict[str, float] = field(default_factory=dict)


def _cases() -> dict[str, Case]:
    found: dict[str, Case] = {}
    for module in (networks, networks_more, exports, forms):
        for name, make in vars(module).items():
            own = getattr(make, "__module__", "") == module.__name__
            if own and not name.startswith("_"):
                prefix = "form_" if module is forms else "net_"
                found[prefix + name] = Case(make)
    batches = [{"batch": size} for size in (1, 3, 8)]
    found["net_dynamic_batch"] = Case(networks_more.dynamic_batch, batches)
    found["net_efficientnet_dynamo"] = Case(exports.efficientnet_dynamo, batches[:2])
    found["net_efficientnet_legacy"] = Case(exports.efficientnet_legacy, [{"n": 2}])
    found["net_decoder_legacy"] = Case(exports.decoder_legacy, [{"n": 1}, {"n": 3}])
    rows = [{"rows": 5, "columns": 33}, {"rows": 1, "columns": 1}, {"rows": 2, "columns": 700}]
    found["form_symbolic"] = Case(forms.symbolic, rows)
    found["form_gather"] = Case(forms.gather, high=23)
    return found


CASES = _cases()


def draw_inputs(
    model: onnx.ModelProto, sizes: Mapping[str, int], seed: int, high: int
) -> dict[str, Array]:
    """Standard normal floats, integers below `high`, for every input that is no weight."""
    rng = np.random.default_rng(seed)
    weights = {t.name for t in model.graph.initializer}
    drawn: dict[str, Array] = {}
    for value in model.graph.input:
        if value.name in weights:
            continue
        tensor = value.type.tensor_type
        shape = [d.dim_value or sizes[d.dim_param] for d in tensor.shape.dim]
        if tensor.elem_type == TensorProto.INT64:
            drawn[value.name] = rng.integers(0, high, shape)
        else:
            drawn[value.name] = rng.standard_normal(shape).astype(np.float32)
    return drawn


def run_onnxruntime(model: onnx.ModelProto, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """Outputs by name, optimisations off."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    data = model.SerializeToString()
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, dict(inputs)), strict=True))


def relative_error(got: Array, want: Array) -> float:
    """Relative L2 distance; infinite where kinds, shapes or integers differ."""
    if got.shape != want.shape:
        return float("inf")
    if want.dtype.kind not in "f":
        return 0.0 if np.array_equal(got, want) else float("inf")
    distance = np.linalg.norm((got.astype(np.float64) - want).ravel())
    return float(distance / np.linalg.norm(want.astype(np.float64).ravel()))


def answer(model: onnx.ModelProto, inputs: dict[str, Array]) -> Answer:
    """ONNX Runtime's outputs and how far the float64 evaluation is."""
    outputs = run_onnxruntime(model, inputs)
    exact = evaluate(model, inputs, list(outputs))
    errors = {k: relative_error(v, exact[k]) for k, v in outputs.items()}
    return Answer(inputs, outputs, errors)


def check(name: str, made: Answer, other: Mapping[str, Array]) -> None:
    """Raise ValueError for outputs that could not show an error."""
    for output, values in made.outputs.items():
        where = f"{name}: {output}"
        if not made.errors[output] < 1e-4:
            raise ValueError(f"{where}: the two tools differ by {made.errors[output]:.2g}")
        if np.array_equal(values, other[output]) and values.shape[-1] > 1:
            raise ValueError(f"{where} is the same for two inputs")
        if values.dtype.kind == "f" and values.size > 1:
            rms = float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))
            if not 1e-3 < rms < 1e2 or values.std() < 0.01 * rms:
                raise ValueError(f"{where}: RMS {rms:.2g}, deviation {values.std():.2g}")
            if values.min() >= 0 and np.allclose(values.sum(-1), 1) and values.max() > 0.9:
                raise ValueError(f"{where}: a saturated softmax hides errors")


def annotate(model: onnx.ModelProto, outputs: Mapping[str, Array]) -> None:
    """Give outputs of fixed shape the shape that they have.

    onnx's inference counts a last window of AveragePool that would start in the padding.
    """
    for value in model.graph.output:
        dims = value.type.tensor_type.shape.dim
        for dim, size in zip(dims, outputs[value.name].shape, strict=True):
            if dim.HasField("dim_value"):
                dim.dim_value = size


def write(folder: Path, made: Answer) -> None:
    """Write one set of inputs and outputs."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = (("inputs", made.inputs), ("outputs", made.outputs))
    tensors = {f"{part}/{k}": np.ascontiguousarray(v) for part, m in parts for k, v in m.items()}
    (folder / "golden.safetensors").write_bytes(safetensors.numpy.save(tensors))
    tolerance = {
        k: max(FLOOR, FACTOR * error) if made.outputs[k].dtype.kind == "f" else 0.0
        for k, error in made.errors.items()
    }
    about = {
        "tool": "onnxruntime",
        "version": onnxruntime.__version__,
        "options": "optimisations off",
        "seed": SEED,
        "tolerance": {k: float(f"{v:.3g}") for k, v in tolerance.items()},
    }
    (folder / "golden.json").write_text(json.dumps(about, indent=2) + "\n")


def make(name: str, case: Case) -> None:
    """Write one case."""
    model = case.make()
    model.producer_name, model.producer_version = "tests.golden.make_cases", ""
    folder = ROOT / name
    folder.mkdir(exist_ok=True)
    first = draw_inputs(model, case.sizes[0], SEED, case.high)
    annotate(model, run_onnxruntime(model, first))
    (folder / "model.onnx").write_bytes(model.SerializeToString(deterministic=True))
    for sizes in case.sizes:
        made = answer(model, draw_inputs(model, sizes, SEED, case.high))
        other = run_onnxruntime(model, draw_inputs(model, sizes, SEED + 1, case.high))
        check(name, made, other)
        label = "-".join(f"{k}-{v}" for k, v in sizes.items())
        write(folder / label if len(case.sizes) > 1 else folder, made)


def main(names: Sequence[str]) -> None:
    """Write the named cases, or all."""
    for name in names or CASES:
        make(name, CASES[name])
        size = sum(f.stat().st_size for f in (ROOT / name).rglob("*") if f.is_file())
        print(f"{name:32} {size / 1e3:7.1f} kB")


if __name__ == "__main__":
    main(sys.argv[1:])
