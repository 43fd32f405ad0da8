"""x."""
import click
from fusec.commands.group import Command

@click.command(cls=Command)
def command():
    "x"
