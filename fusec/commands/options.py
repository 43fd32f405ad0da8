"""The options that decide how a model is compiled; shared by `optimize`, `explain` and `diff`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from fusec.commands.params import DIM, SHAPE

if TYPE_CHECKING:
    from fusec.compiler import CompileOptions

_HELP = {
    "targets": "GPU to compile for: sm_90, h100, gfx942, native, all; repeatable.",
    "shapes": "Shape of an input, as x=1x3x224x224 or x=batch,3,224,224; repeatable.",
    "dims": "A symbolic dim: batch=8, batch=1..64, batch=8..64:8; repeatable.",
    "level": "How much to optimise.",
    "passes": "Passes to run instead, as a,b{option=1}.",
    "disable": "Leave a pass out; repeatable.",
    "precision": "Arithmetic of float32 matmuls and convolutions.",
}
_SPELLING: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "targets": (("--target",), {"multiple": True, "metavar": "NAME"}),
    "shapes": (("--shape",), {"multiple": True, "type": SHAPE}),
    "dims": (("--dim",), {"multiple": True, "type": DIM}),
    "level": (("-O",), {"type": click.IntRange(0, 3), "default": 2, "show_default": True}),
    "passes": (("--passes",), {"default": "", "metavar": "SPEC"}),
    "disable": (("--disable",), {"multiple": True, "metavar": "PASS"}),
    "precision": (
        ("--fp32",),
        {
            "type": click.Choice(["ieee", "tf32x3", "tf32"]),
            "default": "ieee",
            "show_default": True,
        },
    ),
}
_MORE = ("golden", "verify_each", "seed")  # options that only `optimize` has


def model_options(function: Any) -> Any:
    """Add the options to a command, in order."""
    for name, (flags, settings) in reversed(_SPELLING.items()):
        function = click.option(*flags, name, help=_HELP[name], **settings)(function)
    return function


def compile_options(given: dict[str, Any]) -> CompileOptions:
    """What the options say, as options of the compiler."""
    from fusec.compiler import CompileOptions

    return CompileOptions(**{name: given[name] for name in (*_SPELLING, *_MORE) if name in given})
