"""``--device``: where a plan runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from fusec.commands.talk import Talk

if TYPE_CHECKING:
    from fusec.plan import Launch, Plan
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


def open_session(plan: Plan, device: str, talk: Talk) -> Session:
    """The plan on a device; says which one ``auto`` chose, and why."""
    from fusec.runtime import Session

    session = Session(plan, device)
    if device == "auto":
        talk.say(f"device: {session.device} ({session.reason})")
    return session


def execute(
    plan: Plan, inputs: Mapping[str, Array], device: str, talk: Talk
) -> tuple[str, dict[str, Array]]:
    """Run once, with a progress bar; the device's name and the outputs.

    Says first about how long the interpreter takes.
    """
    session = open_session(plan, device, talk)
    if session.device == "interpreter":
        say_estimate(plan, talk)
    total, done = len(plan.launches), 0
    with talk.progress("run") as advance:

        def observe(launch: Launch, _: object) -> None:
            nonlocal done
            done += 1
            advance(done, total, launch.kernel or "")

        return session.device, session.run(inputs, observe=observe)


def say_estimate(plan: Plan, talk: Talk) -> None:
    """About how long the interpreter takes."""
    from fusec.explain.counts import sizes_of
    from fusec.explain.units import human_seconds
    from fusec.verification.estimate import interpreter_seconds

    seconds = interpreter_seconds(plan, sizes_of(plan.graph))
    kernels = f"{len(plan.launches)} kernels"
    talk.say(f"interpreting {kernels} on the CPU: about {human_seconds(seconds)} on one core")
