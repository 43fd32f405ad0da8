"""Small torch networks, exported to ONNX as users do, by both of torch's exporters."""

from __future__ import annotations

import io
import warnings

import onnx
import torch
from torch import nn

from benchmarks.draw import Drawer
from benchmarks.exported import redraw


class _Block(nn.Module):
    """Inverted residual with SiLU and squeeze-excite, as in EfficientNet."""

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        wide = channels * 2
        self.expand = nn.Sequential(nn.Conv2d(channels, wide, 1), nn.BatchNorm2d(wide), nn.SiLU())
        depthwise = nn.Conv2d(wide, wide, 3, stride, 1, groups=wide, bias=False)
        self.depth = nn.Sequential(depthwise, nn.BatchNorm2d(wide), nn.SiLU())
        self.reduce, self.grow = nn.Conv2d(wide, 4, 1), nn.Conv2d(4, wide, 1)
        self.project = nn.Sequential(nn.Conv2d(wide, channels, 1), nn.BatchNorm2d(channels))
        self.stride = stride

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.depth(self.expand(x))
        gate = nn.functional.silu(self.reduce(y.mean((2, 3), keepdim=True)))
        y = self.project(y * torch.sigmoid(self.grow(gate)))
        out: torch.Tensor = y + x if self.stride == 1 else y
        return out


class _EfficientNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.SiLU())
        self.blocks = nn.Sequential(_Block(8, 1), _Block(8, 2), _Block(8, 1))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(8, 10)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        y = self.pool(self.blocks(self.stem(image))).flatten(1)
        logits: torch.Tensor = self.head(y)
        return logits


class _Decoder(nn.Module):
    """Nearest upsampling between convolutions, a depth-to-space view, GELU, chunks and stacks."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(4, 8, 3, 1, 1), nn.Conv2d(8, 16, 3, 1, 1)
        self.norm, self.third = nn.BatchNorm2d(16), nn.Conv2d(8, 12, 1)

    def forward(self, latent: torch.Tensor) -> torch.Tensor:
        y = nn.functional.gelu(self.first(latent))
        y = nn.functional.interpolate(y, scale_factor=2.0, mode="nearest")
        left, right = self.norm(self.second(y)).chunk(2, 1)
        y = nn.functional.leaky_relu(left * torch.sigmoid(right), 0.2)
        y = nn.functional.pixel_shuffle(self.third(y), 2)
        return torch.cat([y, y.flip(3)], 1).clamp(-2.0, 2.0)


def _strip(model: onnx.ModelProto) -> onnx.ModelProto:
    """Without what tells of the machine that exported it: paths, stack traces, Python names."""
    del model.metadata_props[:]
    graph = model.graph
    for part in (graph.node, graph.input, graph.output, graph.value_info, graph.initializer):
        for entry in part:
            del entry.metadata_props[:]
            entry.doc_string = ""
    del graph.metadata_props[:]
    onnx.checker.check_model(model, full_check=True)
    return model


def _drawn(network: nn.Module, head: str) -> nn.Module:
    network.eval()
    redraw(network, Drawer(11, 0.9), head)
    return network


def efficientnet_dynamo() -> onnx.ModelProto:
    """Exported through torch.export, batch symbolic."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            _drawn(_EfficientNet(), "head"),
            (torch.zeros(2, 3, 24, 24),),
            dynamo=True,
            opset_version=20,
            dynamic_shapes={"image": {0: torch.export.Dim("batch", min=1, max=16)}},
            external_data=False,
            verbose=False,
        )
    assert program is not None
    return _strip(program.model_proto)


def _legacy(network: nn.Module, example: torch.Tensor, name: str, opset: int) -> onnx.ModelProto:
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (example,),
            file,  # type: ignore[arg-type]  # the legacy exporter takes files
            dynamo=False,
            opset_version=opset,
            input_names=[name],
            output_names=["output"],
            training=torch.onnx.TrainingMode.PRESERVE,
            dynamic_axes={name: {0: "n"}, "output": {0: "n"}},
        )
    return _strip(onnx.load_from_string(file.getvalue()))


def efficientnet_legacy() -> onnx.ModelProto:
    """Exported by tracing, batch norms kept, batch symbolic."""
    network = _drawn(_EfficientNet(), "head")
    return _legacy(network, torch.zeros(2, 3, 24, 24), "image", 12)


def decoder_legacy() -> onnx.ModelProto:
    """Exported by tracing at opset 17: shapes computed by chains of small nodes."""
    return _legacy(_drawn(_Decoder(), "third"), torch.zeros(1, 4, 7, 9), "latent", 17)
