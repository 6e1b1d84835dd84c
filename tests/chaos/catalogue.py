"""All faults there are, and which of them bring a negative control's mistake to light."""

from __future__ import annotations

from collections.abc import Sequence

from tests.brokers.kafka_cluster import SAFE_NODES
from tests.chaos.fault import ENDED_BY_FENCE, STREAMS, Fault
from tests.chaos.faults_of_brokers import faults as faults_of_brokers
from tests.chaos.faults_of_inputs import faults as faults_of_inputs
from tests.chaos.faults_of_logs import faults as faults_of_logs
from tests.chaos.faults_of_network import faults as faults_of_network
from tests.chaos.faults_of_services import ExitAtStep, Kill
from tests.chaos.faults_of_services import faults as faults_of_services
from tests.chaos.zombies import ZombieAtStep
from tests.chaos.zombies import faults as zombies
from transport.writer import Step


def all_faults(brokers: int = SAFE_NODES) -> list[Fault]:
    """Return new objects of every fault of a world with so many brokers behind a network."""
    several = faults_of_brokers() if brokers >= SAFE_NODES else []
    return [
        *faults_of_services(),
        *zombies(),
        *several,
        *faults_of_network(),
        *faults_of_inputs(),
        *faults_of_logs(),
    ]


def chosen(faults: Sequence[Fault], kinds: Sequence[str]) -> list[Fault]:
    """Return the faults that ``kinds`` (names or numbers; none for all) name.

    Raises:
        ValueError: a kind names none.
    """
    for kind in kinds:
        if not any(kind in {fault.name, str(fault.number)} for fault in faults):
            raise ValueError(f"no fault {kind!r}; there are {', '.join(fault.name for fault in faults)}")
    return [fault for fault in faults if not kinds or fault.name in kinds or str(fault.number) in kinds]


def found_by(control: str) -> list[Fault]:
    """Return the faults that bring a negative control's mistake to light."""
    streams = frozenset({STREAMS})
    at_commit = ExitAtStep("exit-worker-at-commit", 1, streams, steps=[Step.COMMITTED])
    asleep = ZombieAtStep("zombie-worker-at-commit", 3, streams, statuses=ENDED_BY_FENCE, steps=[Step.BEGUN])
    kill = Kill("kill-worker", 1, streams)
    faults: dict[str, list[Fault]] = {
        "offsets-first": [kill],
        "rows-serialised-late": [at_commit, kill],
        "no-fencing": [asleep],
    }
    return faults[control]
