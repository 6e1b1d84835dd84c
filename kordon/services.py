"""Runs one of Kordon's services as the command line does: supervised, with its settings checked first."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from kordon.logs import configure_logs
from kordon.supervisor import Supervisor
from transport.settings import KafkaSettings

if TYPE_CHECKING:
    from collections.abc import Sequence


grace_option = click.option(
    "--grace",
    type=click.FloatRange(0),
    default=20.0,
    show_default=True,
    help="Seconds the service has to end after SIGTERM or Ctrl-C before it is killed.",
)


@dataclass(frozen=True)
class Service:
    """A service's name in logs and the command that runs it."""

    name: str
    command: Sequence[str]


def supervise(service: Service, *, restart: bool, grace: float) -> int:
    """Run a service until it ends and return its exit status; without ``restart`` this process becomes it.

    Raises:
        InvalidSettingsError: the connection's settings are wrong, which no restart would mend.
    """
    KafkaSettings.load()
    if not restart:
        sys.stdout.flush()
        os.execv(service.command[0], list(service.command))  # noqa: S606 - a command of ours, without a shell
    configure_logs()
    return Supervisor(service.command, service.name, grace=grace).run()
