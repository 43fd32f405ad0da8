"""Networks of timm, exported to ONNX as a user would, with every parameter and statistic drawn."""

from __future__ import annotations

import importlib.util
import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import nn

from benchmarks.draw import Array, Drawer, Role

OPSET = 20
IMAGE = (1, 3, 224, 224)

# What a bare parameter is, by the last part of its name; those of known modules go by the module.
_BARE: Mapping[str, Role] = {
    "cls_token": Role.WEIGHT,
    "pos_embed": Role.WEIGHT,
    "class_embedding": Role.WEIGHT,
    "gamma": Role.SCALE,
    "logit_scale": Role.SCALE,
}
_NORM: Mapping[str, Role] = {
    "weight": Role.SCALE,
    "bias": Role.SHIFT,
    "running_mean": Role.MEAN,
    "running_var": Role.VARIANCE,
}
_ONE = 2  # the fan-in for which He's rule gives embeddings a variance of 1


@dataclass(frozen=True)
class Signature:
    """How a network is called: example inputs by name, output names, symbolic dims.

    `dims`: for an input, the name and the range (both ends included) of dims by axis.
    """

    inputs: Mapping[str, torch.Tensor]
    outputs: tuple[str, ...] | None = None
    dims: Mapping[str, Mapping[int, tuple[str, int, int]]] = field(default_factory=dict)

    def dynamic_shapes(self) -> tuple[dict[int, Any], ...] | None:
        """As `torch.onnx.export` wants them: for each input, equal names are the same dim."""
        if not self.dims:
            return None
        known: dict[tuple[str, int, int], Any] = {}
        for axes in self.dims.values():
            for dim in axes.values():
                known.setdefault(dim, torch.export.Dim(dim[0], min=dim[1], max=dim[2]))
        inputs = (self.dims.get(name, {}) for name in self.inputs)
        return tuple({axis: known[dim] for axis, dim in axes.items()} for axes in inputs)


IMAGES = Signature({"x": torch.zeros(IMAGE)})


@dataclass(frozen=True)
class Exported:
    """One timm network: its name there, its last layer, and how its weights are drawn.

    With `fold` the exporter's own optimiser runs, as it does by default: it folds every batch norm
    into the convolution before it. Without, only constants are folded and batch norms remain.
    """

    architecture: str
    head: str
    drawer: Drawer
    fold: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    signature: Signature = IMAGES

    def build(self) -> onnx.ModelProto:
        """Create, redraw and export the network."""
        network = create(self.architecture, self.options)
        redraw(network, self.drawer, self.head)
        return export(network, self.signature, fold=self.fold)


@cache
def define_torchvision_operators() -> torch.library.Library | None:
    """Make `import torchvision`, which timm needs, work beside a CPU build of torch.

    torchvision's wheel is built for CUDA; without CUDA its library does not load, and its Python
    part then fails on the schemas that the library would have defined. Nothing here calls them. The
    definitions live as long as the object that is returned, so the cache keeps it.
    """
    spec = importlib.util.find_spec("torchvision")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        for binary in Path(folder).glob("_C*.so"):
            try:
                torch.ops.load_library(str(binary))
            except OSError:
                continue
            return None
    library = torch.library.Library("torchvision", "DEF")
    library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return library


def create(architecture: str, options: Mapping[str, Any] | None = None) -> nn.Module:
    """The timm network of that name, untrained, in inference mode; `options` are timm's."""
    define_torchvision_operators()
    import timm

    network: nn.Module = timm.create_model(architecture, pretrained=False, **(options or {}))
    return network.eval()


def redraw(network: nn.Module, drawer: Drawer, head: str = "") -> None:
    """Replace every parameter and statistic in place; ValueError if one has no role.

    `head`: the name of the last layer. What holds no floats (counters, positions) stays.
    """
    for prefix, module in network.named_modules():
        own = [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]
        for part, tensor in own:
            if tensor.is_floating_point():
                name = f"{prefix}.{part}" if prefix else part
                values = _drawn(name, module, part, drawer, last=prefix == head)
                tensor.data.copy_(torch.from_numpy(values))


def _drawn(name: str, module: nn.Module, part: str, drawer: Drawer, *, last: bool) -> Array:
    """The new values of one tensor of a module; `part` is its name there."""
    shape = tuple(getattr(module, part).shape)
    fan_in = _fan_in(module, shape) if part == "weight" else None
    if fan_in is not None:
        return drawer.weight(name, shape, fan_in, last=last)
    norm = part == "bias" or isinstance(module, nn.BatchNorm2d | nn.LayerNorm)
    role = (_NORM if norm else _BARE).get(part)
    if role is None:
        raise ValueError(f"no role for {name} of {type(module).__name__}")
    if role is Role.WEIGHT:
        return drawer.weight(name, shape, _ONE)
    return drawer.draw(name, role, shape)


def _fan_in(module: nn.Module, shape: tuple[int, ...]) -> int | None:
    """Products in one output element of a module with such a weight, None for other modules."""
    if isinstance(module, nn.Conv2d | nn.Linear):
        return math.prod(shape[1:])
    if type(module).__name__ == "Conv1D":  # transformers' linear layer, its weight transposed
        return shape[0]
    return _ONE if isinstance(module, nn.Embedding) else None


def export(
    network: nn.Module, signature: Signature = IMAGES, *, fold: bool = True
) -> onnx.ModelProto:
    """Export through `torch.export`, without stack traces and paths."""
    from onnxscript import optimizer

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            network,
            tuple(signature.inputs.values()),
            input_names=list(signature.inputs),
            output_names=list(signature.outputs) if signature.outputs else None,
            dynamic_shapes=signature.dynamic_shapes(),
            dynamo=True,
            opset_version=OPSET,
            optimize=fold,
            external_data=False,
            verbose=False,
        )
        assert program is not None
        if not fold:
            optimizer.fold_constants(program.model)
            optimizer.remove_unused_nodes(program.model)
    model = program.model_proto
    _strip_metadata(model.graph)
    del model.metadata_props[:]
    onnx.checker.check_model(model)
    return model


def _strip_metadata(graph: onnx.GraphProto) -> None:
    """Drop what depends on the machine: source paths, stack traces, names of Python objects."""
    parts = (graph.node, graph.input, graph.output, graph.value_info, graph.initializer)
    for part in (entry for entries in parts for entry in entries):
        del part.metadata_props[:]
        part.doc_string = ""
    del graph.metadata_props[:]
