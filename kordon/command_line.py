"""The ``kordon`` command: its names, its help and its exit statuses.

A command's module is imported when the command is called, not before: ``kordon --help`` answers at once, and
a node that requests a capsule never pays for Faust.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

import click

from kordon.failures import CommandFailed, ExitStatus

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from click.shell_completion import CompletionItem

COMMANDS: Final[Mapping[str, tuple[str, str]]] = {
    "demo": (
        "kordon.commands.demo:demo",
        "Watch the whole pipeline work, on an embedded broker or on yours.",
    ),
    "worker": ("kordon.commands.worker:worker", "Run the Faust worker that scores and quarantines nodes."),
    "issuer": ("kordon.commands.issuer:issuer", "Run the issuer that answers capsule requests."),
    "topics": ("kordon.commands.topics:topics", "Create Kordon's topics, list them, and check those that exist."),
    "keys": ("kordon.commands.keys:keys", "Make the key ring, the operators' keys and trust.json."),
    "node": ("kordon.commands.node:node", "List, show and explain nodes; enrol, revoke or disable them."),
    "quarantine": (
        "kordon.commands.quarantine:quarantine",
        "List who is held; quarantine and release nodes; follow live.",
    ),
    "capsule": ("kordon.commands.capsule:capsule", "Request capsules, list decisions, verify envelopes."),
    "policy": ("kordon.commands.policy:policy", "Try the rules on recorded records, without Kafka."),
    "ledger": ("kordon.commands.ledger:ledger", "Keep what happened in a SQLite file, and ask it."),
    "dlq": ("kordon.commands.dlq:dlq", "Read dead letters, and send them again."),
    "lag": ("kordon.commands.lag:lag", "Say how far worker, issuer and ledger are behind."),
    "doctor": ("kordon.commands.doctor:doctor", "Examine every part, and say what to do about what is not well."),
    "simulate": ("kordon.commands.simulate:simulate", "Play a fleet: to Kafka, or as lines to read."),
    "completion": ("kordon.commands.completion:completion", "Print the script by which a shell completes `kordon`."),
    "config": ("kordon.commands.config:config", "Print every setting, its value, unit and source."),
}
"""Command name → where it is (``module:attribute``) and what ``kordon --help`` says of it."""

_EPILOG: Final = """
\b
First steps:
  kordon demo                                   everything at once, in a minute
  kordon topics apply                           prepare a cluster
  kordon keys init --cluster-id berlin          make keys and trust.json
  kordon worker                                 score nodes   (one terminal)
  kordon issuer                                 issue capsules (another)
  kordon node enroll node-1 --public-key …      let a node in
  kordon node list                              see them all, the riskiest first
  kordon node explain node-1                    why it has the score it has
  kordon quarantine watch                       see who is held, live
  kordon ledger run                             keep what happens, to ask it later

\b
When something is not well:
  kordon doctor                                 every part examined, and what to do
  kordon lag --watch                            how far the services are behind
  kordon dlq list                               what could not be accepted, and why
  kordon dlq replay --rule …                    send it again, once its cause is mended
  kordon topics check                           topics against what they should be

\b
Settings come from the environment (KORDON_…) and a TOML file (KORDON_CONFIG_FILE);
`kordon config` lists them all. Results go to stdout, remarks and progress to stderr.

\b
Exit status:
    0  done                        69  Kafka cannot be reached or refuses
    1  no, or not as expected      75  nothing answered in time; try again
    2  command line not understood 78  a setting, key or trust file needs you
    3  the capsule was denied     130  ended by Ctrl-C
    4  does not fit what is there
"""


class LazyGroup(click.Group):
    """A group that knows its commands' names and help without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: D102 - click's interface
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: D102 - click's
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:  # noqa: D102 - click's
        from click.shell_completion import CompletionItem  # noqa: PLC0415 - only a shell that completes needs it

        # Group's own would import every command for its help.
        offered = [
            CompletionItem(name, help=text) for name, (_, text) in COMMANDS.items() if name.startswith(incomplete)
        ]
        return [*offered, *click.Command.shell_complete(self, ctx, incomplete)]

    def invoke(self, ctx: click.Context) -> Any:  # noqa: D102 - click's interface
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            # Whoever read us has gone, as with `| head`: keep the interpreter from writing to it at its exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise click.exceptions.Exit(128 + signal.SIGPIPE) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: D102 - click's
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=LazyGroup, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--config-file",
    type=click.Path(exists=True, dir_okay=False),
    envvar="KORDON_CONFIG_FILE",
    help="TOML file with settings; the environment wins over it.",
)
@click.version_option(package_name="kordon")
def kordon(config_file: str | None) -> None:
    """Watch a fleet of nodes through Kafka, and decide which may keep their runtime credentials.

    Producers publish telemetry and network observations; the worker folds them into one risk row per node and
    quarantines a node whose score reaches the threshold; the issuer answers capsule requests with signed,
    sealed capsules or signed denials.
    """
    # A command tells its failures itself; the client's own log of them would only repeat it.
    logging.getLogger("aiokafka").addHandler(logging.NullHandler())
    if config_file is not None:
        os.environ["KORDON_CONFIG_FILE"] = config_file


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit status, having told stderr about any failure."""
    try:
        status = kordon.main(args=list(arguments), prog_name="kordon", standalone_mode=False)
    except CommandFailed as failure:
        return _tell(failure)
    except click.exceptions.Abort:
        click.echo("Interrupted.", err=True)
        return ExitStatus.INTERRUPTED
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except Exception as error:
        from kordon.known_errors import failure_of  # noqa: PLC0415 - imports Kafka and pydantic only when needed

        known = failure_of(error)
        if known is None:
            raise
        return _tell(known)
    return status if isinstance(status, int) else ExitStatus.OK


def _tell(failure: CommandFailed) -> int:
    click.echo(f"Error: {failure.message}\n       {failure.remedy}", err=True)
    return failure.status
