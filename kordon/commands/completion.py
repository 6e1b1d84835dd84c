"""``kordon completion``: the script by which a shell completes commands, options and their values."""

from __future__ import annotations

import click
from click.shell_completion import ShellComplete, get_completion_class


@click.command(
    epilog="""
\b
To install it, once:
  bash  kordon completion bash > ~/.local/share/bash-completion/completions/kordon
  zsh   kordon completion zsh > "${fpath[1]}/_kordon"
  fish  kordon completion fish > ~/.config/fish/completions/kordon.fish

\b
Or for this shell alone:
  eval "$(kordon completion bash)"

Bash needs version 4.4 or later and its bash-completion package; zsh needs compinit. The script calls `kordon` for
what may come next, so it need not be made anew after an upgrade.
"""
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script for SHELL."""
    from kordon.command_line import kordon  # noqa: PLC0415 - which imports this module when it is called

    completer = get_completion_class(shell)
    assert completer is not None, "click knows these three"
    # Bash's own `source` runs bash to ask for its version, which says nothing of the shell this is made for.
    click.echo(ShellComplete.source(completer(kordon, {}, "kordon", "_KORDON_COMPLETE")))
