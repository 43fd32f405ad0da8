"""Networks of transformers, exported to ONNX with every parameter drawn: BERT, GPT-2, CLIP."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import onnx
import torch
from torch import Tensor, nn

from benchmarks.draw import Drawer
from benchmarks.exported import (
    IMAGE,
    Signature,
    define_torchvision_operators,
    export,
    redraw,
)

LENGTH = 128
TEXT_LENGTH = 77  # the longest text that CLIP's default configuration takes
BATCHES = ("batch", 1, 8)
LENGTHS = ("sequence", 8, 512)


class _Call(nn.Module):
    """A module whose forward is the given function of it, with tensors alone in and out."""

    def __init__(self, model: nn.Module, function: Callable[..., Any]) -> None:
        super().__init__()
        self.model = model
        self.function = function

    def forward(self, *inputs: Tensor) -> Any:
        return self.function(self.model, *inputs)


class _Hidden(nn.Module):
    """A language model from tokens to hidden states, without a cache."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model.eval()

    def forward(self, input_ids: Tensor) -> Tensor:
        hidden: Tensor = self.model(input_ids, use_cache=False).last_hidden_state
        return hidden


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the advice that transformers and its imports print."""
    define_torchvision_operators()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from transformers.utils import logging

        before = logging.get_verbosity()
        logging.set_verbosity_error()
        try:
            yield
        finally:
            logging.set_verbosity(before)


def _create(model: str, attention: str, options: dict[str, Any], drawer: Drawer) -> nn.Module:
    """The model of that class, from its default configuration and options, its weights drawn."""
    import transformers

    kind = getattr(transformers, model)
    config = kind.config_class(**options)
    network: nn.Module = kind._from_config(config, attn_implementation=attention).eval()
    redraw(network, drawer)
    return network


def _export(
    network: nn.Module, function: Callable[..., Any], signature: Signature
) -> onnx.ModelProto:
    return export(_Call(network, function).eval(), signature)


def _tokens(*shape: int) -> Tensor:
    return torch.zeros(shape, dtype=torch.int64)


# -- BERT and GPT-2, whole sequences ---------------------------------------------------------------


def bert(
    drawer: Drawer, layers: int = 12, vocabulary: int = 30522, *, dynamic: bool = False
) -> onnx.ModelProto:
    """BERT-base up to its pooler: tokens -> hidden[..., 768]; `dynamic`: any batch and length."""
    ids = _tokens(2, 16) if dynamic else _tokens(1, LENGTH)
    dims = {"input_ids": {0: BATCHES, 1: LENGTHS}} if dynamic else {}
    with _quiet():
        options = {"num_hidden_layers": layers, "vocab_size": vocabulary}
        network = _create("BertModel", "eager", options, drawer)
        _sharpen(network)
        return export(_Hidden(network), Signature({"input_ids": ids}, ("hidden",), dims))


def _sharpen(network: nn.Module) -> None:
    """Double the weights of BERT's queries and keys: logits of a standard deviation near 2.

    BERT normalises after each residual addition, so what attention and the MLP add alike to every
    token grows until all tokens are the same and every softmax is flat. Weights of half the usual
    size prevent that, but make attention itself flat.
    """
    for name, parameter in network.named_parameters():
        if name.endswith(("self.query.weight", "self.key.weight")):
            parameter.data.mul_(2)


def gpt2(drawer: Drawer, layers: int = 12, vocabulary: int = 50257) -> onnx.ModelProto:
    """GPT-2 small on 128 tokens, no cache: tokens -> hidden[1, 128, 768]."""
    with _quiet():
        options = {"n_layer": layers, "vocab_size": vocabulary}
        network = _create("GPT2Model", "eager", options, drawer)
        signature = Signature({"input_ids": _tokens(1, LENGTH)}, ("hidden",))
        return export(_Hidden(network), signature)


# -- GPT-2, one step -------------------------------------------------------------------------------


def gpt2_step(
    drawer: Drawer, layers: int = 12, vocabulary: int = 50257, *, in_place: bool = False
) -> onnx.ModelProto:
    """GPT-2 small, one token with the keys and values of those before it in and out.

    Each is [1, 12, past, 64]. By default there are 127 before, and what comes out is one longer:
    a Concat. With `in_place` what comes in has room for 128, and what comes out is the same with
    row `position` replaced: a ScatterND.
    """
    rows = LENGTH if in_place else LENGTH - 1
    parts = [f"{layer}.{part}" for layer in range(layers) for part in ("key", "value")]
    inputs = {"input_ids": _tokens(1, 1)}
    if in_place:
        inputs["position"] = torch.tensor([LENGTH // 2])
    inputs |= {f"past.{part}": torch.zeros(1, 12, rows, 64) for part in parts}
    signature = Signature(inputs, ("hidden", *(f"present.{part}" for part in parts)))
    with _quiet():
        options = {"n_layer": layers, "vocab_size": vocabulary}
        network = _create("GPT2Model", "eager", options, drawer)
        return _export(network, _step_in_place if in_place else _step, signature)


def _step(model: Any, input_ids: Tensor, *past: Tensor) -> tuple[Tensor, ...]:
    from transformers.cache_utils import DynamicLayer

    layers = [DynamicLayer() for _ in past[::2]]
    return _with_cache(model, layers, past, input_ids)


def _step_in_place(
    model: Any, input_ids: Tensor, position: Tensor, *past: Tensor
) -> tuple[Tensor, ...]:
    from transformers.cache_utils import DynamicLayer

    class Replaced(DynamicLayer):
        """As transformers' StaticLayer, but the buffers come from the caller."""

        def update(self, key: Tensor, value: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
            keys: Tensor = getattr(self, "keys").index_copy(2, position, key)  # noqa: B009
            values: Tensor = getattr(self, "values").index_copy(2, position, value)  # noqa: B009
            self.keys, self.values = keys, values
            return keys, values

    seen = torch.arange(past[0].shape[2]) <= position
    mask = torch.where(seen, 0.0, torch.finfo(torch.float32).min)[None, None, None, :]
    given = {"position_ids": position[None], "attention_mask": mask}
    return _with_cache(model, [Replaced() for _ in past[::2]], past, input_ids, **given)


def _with_cache(
    model: Any, layers: list[Any], past: tuple[Tensor, ...], input_ids: Tensor, **given: Tensor
) -> tuple[Tensor, ...]:
    from transformers.cache_utils import DynamicCache

    cache = DynamicCache()
    for layer, key, value in zip(layers, past[::2], past[1::2]):
        layer.keys, layer.values, layer.is_initialized = key, value, True
        cache.layers.append(layer)
    result = model(input_ids, past_key_values=cache, use_cache=True, **given)
    present = (part for layer in layers for part in (layer.keys, layer.values))
    return (result.last_hidden_state, *present)


# -- CLIP ------------------------------------------------------------------------------------------


def clip(drawer: Drawer, layers: int = 12, vocabulary: int = 49408) -> onnx.ModelProto:
    """CLIP's image and text towers, projections and cosine similarity, with default attention.

    The text tower's hidden states come out too. The similarity alone hardly depends on them: its
    text embedding is that of the end-of-text token, which drawn tokens do not hold, or else of the
    first, which under a causal mask sees only itself.
    """
    towers = {"num_hidden_layers": layers}
    inputs = {"input_ids": _tokens(1, TEXT_LENGTH), "pixel_values": torch.zeros(IMAGE)}
    outputs = ("similarity", "image_embedding", "text_embedding", "text_hidden")
    text = {**towers, "vocab_size": vocabulary}
    options = {"text_config": text, "vision_config": towers}
    with _quiet():
        network = _create("CLIPModel", "sdpa", options, drawer)
        return _export(network, _similarity, Signature(inputs, outputs))


def _similarity(model: Any, input_ids: Tensor, pixel_values: Tensor) -> tuple[Tensor, ...]:
    found = model(input_ids=input_ids, pixel_values=pixel_values)
    hidden = found.text_model_output.last_hidden_state
    return found.logits_per_image, found.image_embeds, found.text_embeds, hidden


# -- one block -------------------------------------------------------------------------------------


class CrossAttention(nn.Module):
    """Queries of one input attend to keys and values of another, then an MLP; both residual.

    queries[batch, length, width], context[batch, other length, other width] -> as queries.
    """

    def __init__(self, width: int = 512, context: int = 768, heads: int = 8) -> None:
        super().__init__()
        self.heads = heads
        self.norm_queries, self.norm_context = nn.LayerNorm(width), nn.LayerNorm(context)
        self.query = nn.Linear(width, width)
        self.key, self.value = nn.Linear(context, width), nn.Linear(context, width)
        self.out = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, queries: Tensor, context: Tensor) -> Tensor:
        kept, read = self.norm_queries(queries), self.norm_context(context)
        q, k, v = (self._split(x) for x in (self.query(kept), self.key(read), self.value(read)))
        scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
        mixed = (scores.softmax(-1) @ v).transpose(1, 2).flatten(2)
        queries = queries + self.out(mixed)
        added: Tensor = self.down(nn.functional.gelu(self.up(self.norm(queries))))
        return queries + added

    def _split(self, x: Tensor) -> Tensor:
        heads: Tensor = x.unflatten(-1, (self.heads, -1))
        return heads.transpose(1, 2)


def cross_attention(drawer: Drawer) -> onnx.ModelProto:
    """One cross-attention block: 64 queries of width 512 over 197 keys of width 768."""
    network = CrossAttention().eval()
    redraw(network, drawer)
    inputs = {"queries": torch.zeros(1, 64, 512), "context": torch.zeros(1, 197, 768)}
    return export(network, Signature(inputs, ("result",)))
