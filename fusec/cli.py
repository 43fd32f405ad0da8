"""The command line: ``fusec COMMAND``. Each command stands in its file in `fusec.commands`.

stdout carries results, stderr talk and progress. Exit codes: `fusec.errors.exit_code`.
"""

from __future__ import annotations

import click

import fusec
from fusec.commands.group import Group

# Name and one-line help; the rest of a command loads when it is called.
COMMANDS = {
    "optimize": "Compile a model into a plan of fused kernels.",
    "explain": "What each pass changed, and what was not fused and why.",
    "verify": "Compare a plan's outputs with an independent reference.",
    "run": "Run a plan on given or random inputs.",
    "inspect": "What is in a plan: memory, kernels, where it runs.",
    "bench": "Latency and memory of a plan beside other engines.",
    "check": "Which nodes of a model fusec cannot compile.",
    "diff": "Compare two plans, or a model and a plan.",
    "passes": "The passes and remark codes, or the contract of one.",
    "opt": "Run passes on IR text: text in, text out.",
    "doctor": "What works on this machine, and what to do next.",
}

EPILOG = """
Exit codes: 0 done, 1 a check failed, 2 usage, 3 invalid or unsupported model or plan,
4 environment (disk, permission, GPU, missing extra, memory), 70 a bug in fusec, 130 interrupted.

Shell completion: eval "$(_FUSEC_COMPLETE=bash_source fusec)" (also zsh_source, fish_source).
"""


@click.group(
    cls=Group,
    table=COMMANDS,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(fusec.__version__, prog_name="fusec", message="%(prog)s %(version)s")
def cli() -> None:
    """Compile a trained neural network into fused Triton kernels, explained and verified."""


def main() -> None:
    """The console script."""
    cli.main(prog_name="fusec")
