"""The networks that fusion is measured on, by name: as they are, cut in depth, and symbolic.

NAME is float32, batch 1, 224x224 or 128 tokens, `torch.onnx.export(dynamo=True)` as it comes.
NAME_shallow has two layers of each kind and a small vocabulary, for tests. NAME_dynamic has a
symbolic batch of 1..8 and, with tokens, a sequence of 8..512.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from benchmarks.draw import Drawer

if TYPE_CHECKING:
    import onnx

Make = Callable[[Drawer], "onnx.ModelProto"]

SHALLOW, DYNAMIC = "_shallow", "_dynamic"
LAYERS = 2

# (gain, gain of the last layer); for all others 1 is right. As measured, logits before a softmax
# have a standard deviation of 1 to 4, and zeroing the weights of any one layer moves an output by
# 2 % or more, those of CLIP's last attention least; see `language._sharpen` for BERT.
GAINS: Mapping[str, tuple[float, float]] = {"bert_base": (0.5, 1.0)}


def _timm(
    drawer: Drawer,
    architecture: str,
    head: str,
    options: Mapping[str, Any] | None = None,
    dynamic: bool = False,
) -> onnx.ModelProto:
    import torch

    from benchmarks.exported import IMAGE, IMAGES, Exported, Signature

    signature = IMAGES
    if dynamic:
        images = torch.zeros((2, *IMAGE[1:]))
        signature = Signature({"x": images}, dims={"x": {0: ("batch", 1, 8)}})
    return Exported(architecture, head, drawer, True, options or {}, signature).build()


def _language(drawer: Drawer, function: str, **options: Any) -> onnx.ModelProto:
    from benchmarks import language

    model: onnx.ModelProto = getattr(language, function)(drawer, **options)
    return model


def _vit(**options: Any) -> Make:
    return partial(_timm, architecture="vit_small_patch16_224", head="head", **options)


def _convnext(**options: Any) -> Make:
    return partial(_timm, architecture="convnext_tiny", head="head.fc", **options)


def _densenet(**options: Any) -> Make:
    return partial(_timm, architecture="densenet121", head="classifier", **options)


def _of(function: str, **options: Any) -> Make:
    return partial(_language, function=function, **options)


_TWO = {"layers": LAYERS, "vocabulary": 1009}

NETWORKS: Mapping[str, tuple[str, Make]] = {
    "vit_small": ("ViT-S/16 of timm", _vit()),
    "vit_small_shallow": ("the same, 2 layers", _vit(options={"depth": LAYERS})),
    "vit_small_dynamic": ("the same, any batch", _vit(dynamic=True)),
    "vit_small_dynamic_shallow": (
        "the same, any batch, 2 layers",
        _vit(options={"depth": LAYERS}, dynamic=True),
    ),
    "convnext_tiny": ("ConvNeXt-T of timm", _convnext()),
    "convnext_tiny_shallow": (
        "the same, 4 stages of 1, 1, 2, 1 blocks",
        _convnext(options={"depths": (1, 1, LAYERS, 1)}),
    ),
    "densenet121": ("DenseNet-121 of timm", _densenet()),
    "densenet121_shallow": (
        "the same, 4 stages of 2 layers",
        _densenet(options={"block_config": (LAYERS,) * 4}),
    ),
    "bert_base": ("BERT-base of transformers, 128 tokens", _of("bert")),
    "bert_base_shallow": ("the same, 2 layers", _of("bert", **_TWO)),
    "bert_base_dynamic": ("the same, any batch and length", _of("bert", dynamic=True)),
    "bert_base_dynamic_shallow": (
        "the same, any batch and length, 2 layers",
        _of("bert", dynamic=True, **_TWO),
    ),
    "gpt2": ("GPT-2 small of transformers, prefill of 128 tokens", _of("gpt2")),
    "gpt2_shallow": ("the same, 2 layers", _of("gpt2", **_TWO)),
    "gpt2_step": ("GPT-2 small, one token after 127, keys and values in and out", _of("gpt2_step")),
    "gpt2_step_shallow": ("the same, 2 layers", _of("gpt2_step", **_TWO)),
    "gpt2_step_in_place": (
        "GPT-2 small, one token, keys and values replaced at its position",
        _of("gpt2_step", in_place=True),
    ),
    "gpt2_step_in_place_shallow": (
        "the same, 2 layers",
        _of("gpt2_step", in_place=True, **_TWO),
    ),
    "clip": ("CLIP of transformers: both towers and their similarity", _of("clip")),
    "clip_shallow": ("the same, 2 layers a tower", _of("clip", **_TWO)),
    "cross_attention": (
        "one block: attention of 64 queries over 197 keys of another input, MLP",
        _of("cross_attention"),
    ),
}


def base(name: str) -> str:
    """The network that `name` is a variant of; its weights are of the same size."""
    return name.removesuffix(SHALLOW).removesuffix(DYNAMIC)


def make(name: str, seed: int) -> onnx.ModelProto:
    """The model of that name, its parameters drawn from the seed."""
    return NETWORKS[name][1](Drawer(seed, *GAINS.get(base(name), (1.0, 1.0))))
