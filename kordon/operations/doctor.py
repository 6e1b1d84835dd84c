"""Everything examined: files on this machine, brokers, topics, clocks, services, dead letters.

What one check cannot find out does not keep the others from it; without a broker those that need one are left out.
"""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final

from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError

from issuer.copartition import SERVICE as ISSUING
from issuer.key_ring import KeyRing, KeyRingError
from issuer.settings import IssuerSettings
from kordon.known_errors import failure_of
from kordon.ledger.lock import writer_of
from kordon.ledger.settings import LedgerSettings
from kordon.operations import broker_checks, checks
from kordon.operations.checks import Check, Verdict
from kordon.operations.lag import ISSUER, LEDGER, WORKER
from kordon.operations.lag_reading import lags, last_progress, limits_of
from kordon.operations.letter_reading import DEAD_LETTERED, read_letters
from kordon.operations.letters import Tally
from kordon.settings import CommandSettings
from policy.policy_file import load_policy
from schemas.progress import StreamsProgress
from schemas.topics import ISSUER_PROGRESS, STREAMS_PROGRESS, TOPICS, dlq_of
from streams.settings import SERVICE as STREAMS
from streams.settings import WorkerSettings
from transport.administration import check_topics, describe_cluster, describe_topics
from transport.broker_clock import BrokerTime, broker_time
from transport.key_files import load_signing_key
from transport.settings import KafkaSettings
from transport.transactions import transactions
from transport.trust import Trust
from transport.watermarks import Watermarks

HOUR_MILLIS: Final = 3_600_000
CLOCK_SECONDS: Final = 5.0
"""How long the end of a transaction is waited for; a service ends one a second."""

Examination = Callable[[], Awaitable[list[Check]]]


class Settings:
    """The settings of every part, as they are on this machine."""

    def __init__(self) -> None:
        """Read them.

        Raises:
            InvalidSettingsError: a setting cannot be used.
        """
        self.kafka = KafkaSettings.load()
        self.worker = WorkerSettings.load()
        self.issuer = IssuerSettings.load()
        self.ledger = LedgerSettings.load()
        self.kordon = CommandSettings.load()


async def examine(settings: Settings) -> list[Check]:
    """Return every check, in the order in which a person would look: brokers, topics, services, files."""
    on_this_machine: list[tuple[str, Examination]] = [
        ("trust.json", lambda: _in_thread(_trust_files, settings)),
        ("operator's key", lambda: _in_thread(_operator_key, settings)),
        ("key ring", lambda: _in_thread(_key_ring, settings)),
    ]
    files = await _all(on_this_machine)
    try:
        brokers = broker_checks.judge_brokers(await describe_cluster(settings.kafka))
    except Exception as error:  # noqa: BLE001 - what lies on this machine is examined all the same
        failed = _failed("brokers", error)
        servers = settings.kafka.bootstrap_servers
        # The client's own text lists sockets.
        why = (
            f"{servers} cannot be reached" if isinstance(error, KafkaConnectionError) else f"{servers}: {failed.found}"
        )
        return [dataclasses.replace(failed, found=f"{why}; what needs a broker was not examined"), *files]
    with_brokers: list[tuple[str, Examination]] = [
        ("topics", lambda: _topics(settings)),
        ("our clock", lambda: _clocks(settings)),
        ("transactions", lambda: _transactions(settings)),
        (WORKER, lambda: _services(settings, WORKER)),
        (ISSUER, lambda: _services(settings, ISSUER)),
        ("policy", lambda: _policy(settings)),
        ("dead letters", lambda: _dead_letters(settings)),
        (LEDGER, lambda: _ledger(settings)),
    ]
    return [*brokers, *await _all(with_brokers), *files]


async def _all(examinations: Sequence[tuple[str, Examination]]) -> list[Check]:
    found = await asyncio.gather(*(_guarded(name, examination) for name, examination in examinations))
    return [check for each in found for check in each]


async def _guarded(name: str, examination: Examination) -> list[Check]:
    try:
        return await examination()
    except Exception as error:  # noqa: BLE001 - one check that cannot be made must not keep the others from it
        return [_failed(name, error)]


def _failed(name: str, error: Exception) -> Check:
    known = failure_of(error)
    if known is not None:
        return Check(name, Verdict.FAILED, known.message, known.remedy)
    if isinstance(error, (KeyRingError, ValueError)):
        return Check(name, Verdict.FAILED, str(error), "Correct the file that it names.")
    # What an unforeseen error says may hold anything.
    return Check(
        name, Verdict.FAILED, f"this check itself failed: {type(error).__name__}", "Report it: Kordon's fault."
    )


async def _in_thread(examination: Callable[[Settings], list[Check]], settings: Settings) -> list[Check]:
    return await asyncio.to_thread(examination, settings)


async def _topics(settings: Settings) -> list[Check]:
    own = {settings.kafka.topic(name) for name in TOPICS}
    found = [topic for topic in await describe_topics(settings.kafka) if topic.name in own]
    return broker_checks.judge_topics(await check_topics(settings.kafka), found)


async def _clocks(settings: Settings) -> list[Check]:
    services = ((WORKER, STREAMS_PROGRESS), (ISSUER, ISSUER_PROGRESS))
    measured = await asyncio.gather(*(_measured(settings.kafka, name) for _, name in services))
    judged = [
        check
        for (service, _), each in zip(services, measured, strict=True)
        for check in broker_checks.judge_clock(service, each)
    ]
    # Our own clock was measured by both.
    return list({check.name: check for check in judged}.values())


async def _measured(settings: KafkaSettings, name: str) -> BrokerTime | None:
    topic = settings.topic(name)
    async with Watermarks(settings) as watermarks:
        places = [TopicPartition(topic, number) for number in range(await watermarks.partition_count(topic))]
    return await broker_time(settings, places, timeout_seconds=CLOCK_SECONDS) if places else None


async def _transactions(settings: Settings) -> list[Check]:
    found = await transactions(settings.kafka, (STREAMS, ISSUING))
    return [broker_checks.judge_transactions(None if found is None else found.values(), _now())]


async def _services(settings: Settings, service: str) -> list[Check]:
    found = await lags(settings.kafka, limits_of(settings.issuer), [service], None)
    return [checks.judge_progress(service, found)]


async def _policy(settings: Settings) -> list[Check]:
    progress = await last_progress(settings.kafka, [WORKER])
    versions = {each.policyVersion for each in progress.values() if isinstance(each, StreamsProgress)}
    configured = {
        WORKER: load_policy(settings.worker.policy_file).version,
        ISSUER: load_policy(settings.issuer.policy_file).version,
    }
    return [checks.judge_policy(versions, configured)]


async def _dead_letters(settings: Settings) -> list[Check]:
    tally = Tally(0)
    topics = [settings.kafka.topic(dlq_of(name)) for name in DEAD_LETTERED]
    since = _now() - HOUR_MILLIS
    await read_letters(settings.kafka, topics, tally.take, since=since, shown=False)
    return [checks.judge_dead_letters(tally.counts)]


async def _ledger(settings: Settings) -> list[Check]:
    file = settings.ledger.file
    if not file.exists():
        return [checks.judge_ledger(False, None, [])]
    found = await lags(settings.kafka, limits_of(settings.issuer), [LEDGER], file)
    return [checks.judge_ledger(True, writer_of(file), found)]


def _trust_files(settings: Settings) -> list[Check]:
    given = [settings.kordon.trust_file, settings.issuer.trust_file, settings.worker.trust_file]
    found = [_trust_file(path) for path in dict.fromkeys(path for path in given if path is not None)]
    # `kordon worker` takes the command's own where it has none.
    if settings.worker.trust_file is None and not settings.kordon.trust_file.exists():
        found.append(
            Check(
                "worker's trust.json",
                Verdict.WARNING,
                "KORDON_WORKER_TRUST_FILE is not set here",
                "A worker with these settings refuses every command; set it where the worker runs.",
            )
        )
    return found


def _trust_file(path: Path) -> Check:
    name = f"trust.json {path}"
    try:
        return checks.judge_trust(name, Trust.load(path).document, _now())
    except Exception as error:  # noqa: BLE001 - the next file may be well
        return _failed(name, error)


def _operator_key(settings: Settings) -> list[Check]:
    name, path = "operator's key", settings.kordon.operator_key_file
    if not path.exists():
        return [_elsewhere(name, path, "Nobody can sign commands or registry records here.")]
    key = load_signing_key(path, settings.kordon.passphrase)
    signer = Trust.load(settings.kordon.trust_file).signer_at(key.kid, _now())
    if signer is None or signer.key.publicKey != key.public_key_text:
        remedy = "Everybody refuses what it signs: use another key, or bring trust.json up to date."
        return [
            Check(name, Verdict.FAILED, f"trust.json has no key {key.kid!r} that counts now and is this one", remedy)
        ]
    roles = ", ".join(role.value for role in signer.key.roles)
    return [Check(name, Verdict.OK, f"{key.kid} may {roles}")]


def _key_ring(settings: Settings) -> list[Check]:
    name, folder = "key ring", settings.issuer.keys_folder
    if not folder.exists():
        return [_elsewhere(name, folder, "Examine it where the issuer runs.")]
    ring = KeyRing.load(folder, settings.issuer.read_passphrase())
    ring.check_against(Trust.load(settings.issuer.trust_file), _now())
    return [checks.judge_signing_key(name, ring.signing_key(_now()), _now())]


def _elsewhere(name: str, path: Path, remedy: str) -> Check:
    return Check(name, Verdict.WARNING, f"{path} is not on this machine", remedy)


def _now() -> int:
    return time.time_ns() // 1_000_000
