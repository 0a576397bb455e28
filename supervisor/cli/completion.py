"""``supervisor completion``: what makes a shell complete this command."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print a script that makes SHELL complete commands and options.

    bash: supervisor completion bash > ~/.local/share/bash-completion/completions/supervisor
    """
    kind = get_completion_class(shell)
    if kind is None:  # as where click was built without it
        raise click.ClickException(f"nothing is known of {shell}")
    click.echo(kind(ctx.find_root().command, {}, "supervisor", "_SUPERVISOR_COMPLETE").source())
