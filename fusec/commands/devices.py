"""``--device``: where a plan runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from fusec.commands.talk import Talk

if TYPE_CHECKING:
    from fusec.plan import Plan
    from fusec.runtime import Session
    from fusec.verification.data import Array

DEVICES = ("auto", "cuda", "reference", "interpreter")


def device_option(function: Any) -> Any:
    """``--device auto|cuda|reference|interpreter``."""
    text = "auto: cuda where usable, else reference (torch on the CPU). interpreter checks kernels."
    kind = click.Choice(DEVICES)
    return click.option("--device", type=kind, default="auto", show_default=True, help=text)(
        function
    )


def choose_device(name: str, talk: Talk) -> str:
    """The device that ``auto`` stands for; says which."""
    if name != "auto":
        return name
    import torch

    chosen = "cuda" if torch.cuda.is_available() else "reference"
    talk.say(f"device: {chosen}")
    return chosen


def open_session(plan: Plan, device: str, talk: Talk) -> Session:
    """The plan on a device."""
    from fusec.runtime import Session

    return Session(plan, choose_device(device, talk))


def execute(
    plan: Plan, inputs: Mapping[str, Array], device: str, talk: Talk
) -> tuple[str, dict[str, Array]]:
    """Run once; the device's name and the outputs. Says first how long the interpreter takes."""
    session = open_session(plan, device, talk)
    return session.device, session.run(inputs)
