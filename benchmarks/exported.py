"""Networks of timm, exported to ONNX as a user would, with every parameter and statistic drawn."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import onnx
import torch
from torch import nn

from benchmarks.draw import Array, Drawer, Role

OPSET = 20
IMAGE = (1, 3, 224, 224)

_NORM_ROLES = {
    "weight": Role.SCALE,
    "bias": Role.SHIFT,
    "running_mean": Role.MEAN,
    "running_var": Role.VARIANCE,
}
_BOOKKEEPING = "num_batches_tracked"


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

    def build(self) -> onnx.ModelProto:
        """Create, redraw and export the network."""
        network = create(self.architecture)
        redraw(network, self.drawer, self.head)
        return export(network, fold=self.fold)


@cache
def _define_torchvision_operators() -> torch.library.Library | None:
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


def create(architecture: str) -> nn.Module:
    """The timm network of that name, untrained, in inference mode."""
    _define_torchvision_operators()
    import timm

    network: nn.Module = timm.create_model(architecture, pretrained=False)
    return network.eval()


def redraw(network: nn.Module, drawer: Drawer, head: str) -> None:
    """Replace every parameter and statistic; fail if one has no role."""
    tensors = {**dict(network.named_parameters()), **dict(network.named_buffers())}
    left = {name for name in tensors if not name.endswith(_BOOKKEEPING)}
    for prefix, module in network.named_modules():
        for part, values in _drawn(prefix, module, drawer, last=prefix == head):
            name = f"{prefix}.{part}"
            tensors[name].data.copy_(torch.from_numpy(values))
            left.discard(name)
    if left:
        raise ValueError(f"no role for {sorted(left)}")


def _drawn(
    prefix: str, module: nn.Module, drawer: Drawer, *, last: bool
) -> Iterator[tuple[str, Array]]:
    """Yield the new values of a module's own parameters and statistics, by their short name."""
    if isinstance(module, nn.Conv2d | nn.Linear):
        shape = tuple(module.weight.shape)
        fan_in = module.weight[0].numel()
        yield "weight", drawer.weight(f"{prefix}.weight", shape, fan_in, last=last)
        if module.bias is not None:
            yield "bias", drawer.draw(f"{prefix}.bias", Role.SHIFT, tuple(module.bias.shape))
    elif isinstance(module, nn.BatchNorm2d):
        for part, role in _NORM_ROLES.items():
            yield part, drawer.draw(f"{prefix}.{part}", role, (module.num_features,))


def export(network: nn.Module, *, fold: bool) -> onnx.ModelProto:
    """Export at a fixed image size through `torch.export`, without stack traces and paths."""
    from onnxscript import optimizer

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            network,
            (torch.zeros(IMAGE),),
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
