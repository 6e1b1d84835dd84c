"""Runs one of Kordon's services as the command line does: supervised, with its settings checked first."""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click

from kordon.logs import configure_logs
from kordon.supervisor import Supervisor, supervise_all
from transport.settings import KafkaSettings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


grace_option = click.option(
    "--grace",
    type=click.FloatRange(0),
    default=20.0,
    show_default=True,
    help="Seconds the service has to end after SIGTERM or Ctrl-C before it is killed.",
)


@dataclass(frozen=True)
class Service:
    """A service's name in logs, the command that runs it, and what it has in its environment beside ours."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)


def supervise(service: Service, *, restart: bool, grace: float) -> int:
    """Run a service until it ends and return its exit status; without ``restart`` this process becomes it.

    Raises:
        InvalidSettingsError: the connection's settings are wrong, which no restart would mend.
    """
    if not restart:
        KafkaSettings.load()
        sys.stdout.flush()
        os.execve(service.command[0], list(service.command), environment_of(service))  # noqa: S606 - ours, without a shell
    return supervise_side_by_side([service], grace=grace)


def supervise_side_by_side(services: Sequence[Service], *, grace: float) -> int:
    """Run services until all have ended, restarting each after a crash; return the first status that is not 0, else 0.

    When one ends for good, the others are ended, too.

    Raises:
        InvalidSettingsError: as :func:`supervise`.
    """
    KafkaSettings.load()
    configure_logs()
    supervisors = [Supervisor(each.command, each.name, environment_of(each), grace=grace) for each in services]
    return asyncio.run(supervise_all(supervisors))


def environment_of(service: Service) -> dict[str, str]:
    """Return this process's environment with what the service has of its own."""
    return {**os.environ, **service.environment}
