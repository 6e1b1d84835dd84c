"""``kordon worker``: the Faust worker under a supervisor."""

from __future__ import annotations

import os
import platform
import sys

import click

from kordon.output import remark
from kordon.services import Service, grace_option, supervise, supervise_side_by_side
from kordon.settings import CommandSettings
from streams.settings import WorkerSettings

LOG_LEVELS = ("debug", "info", "warn", "error", "crit")


@click.command(
    context_settings={"ignore_unknown_options": True},
    epilog="""
\b
Examples:
  kordon worker
  kordon worker --processes 2                           one for each core; they share the co-partitions
  KORDON_WORKER_INSTANCE_ID=worker-2 kordon worker      one more, on another machine
  kordon worker -l debug -- --loop uvloop               what follows -- goes to Faust

Which settings there are: kordon config --section worker. The same worker without a supervisor, as any Faust user
knows it: faust -A streams.app worker -l info
""",
)
@click.option(
    "-l", "--log-level", type=click.Choice(LOG_LEVELS), default="info", show_default=True, help="Faust's log level."
)
@click.option(
    "--supervise/--no-supervise", "restart", default=True, help="Restart after a crash, with backoff. Default: yes."
)
@click.option(
    "--processes",
    type=click.IntRange(1, 256),
    default=1,
    show_default=True,
    help="Workers to run side by side, each on a core of its own; they share the co-partitions out.",
)
@grace_option
@click.argument("faust_arguments", nargs=-1, type=click.UNPROCESSED)
def worker(*, grace: float, log_level: str, processes: int, restart: bool, faust_arguments: tuple[str, ...]) -> int:
    """Score nodes: fold telemetry, observations, commands and decisions into one risk row per node.

    The worker commits rows, transitions and offsets in one Kafka transaction per co-partition. Whatever goes
    wrong, it crashes and resumes at its own checkpoint; this command restarts it. SIGTERM and Ctrl-C end it.
    """
    if processes > 1 and not restart:
        raise click.UsageError("--no-supervise runs a single process: leave out --processes, or --no-supervise.")
    settings = WorkerSettings.load()
    # The same over all restarts of this worker: a restarted one has its co-partitions back at once.
    instance = settings.instance_id or f"{platform.node() or 'worker'}-{os.getpid()}"
    if settings.trust_file is None:
        _trust_as_the_command_does()
    command = [sys.executable, "-m", "faust", "-A", "streams.app", "worker", "-l", log_level, "--without-web"]
    command += faust_arguments
    if processes == 1:
        return supervise(Service("worker", command, _place(settings, instance, 0)), restart=restart, grace=grace)
    services = [
        Service(f"worker-{number}", command, _place(settings, f"{instance}-{number}", number))
        for number in range(processes)
    ]
    return supervise_side_by_side(services, grace=grace)


def _place(settings: WorkerSettings, instance_id: str, number: int) -> dict[str, str]:
    """Return what each of several processes has for itself: its name in the group, and a port for its metrics."""
    place = {WorkerSettings.variable("instance_id"): instance_id}
    if settings.metrics_port is not None:
        place[WorkerSettings.variable("metrics_port")] = str(settings.metrics_port + number)
    return place


def _trust_as_the_command_does() -> None:
    """Let the worker believe the trust.json that `kordon keys init` made here, or say that it believes nobody."""
    trust_file = CommandSettings.load().trust_file
    if trust_file.exists():
        os.environ[WorkerSettings.variable("trust_file")] = str(trust_file)
    else:
        remark(f"There is no {trust_file}, so this worker refuses every command: set KORDON_WORKER_TRUST_FILE.")
