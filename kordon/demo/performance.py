"""The demo from curtain to curtain: broker, topics, keys, processes, story, summary; then everything put away."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import signal
import sys
import tempfile
import time
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pydantic import SecretStr

from kordon.demo.audience import Audience
from kordon.demo.broker import embedded_broker
from kordon.demo.cast import Cast
from kordon.demo.cleanup import remove_everything
from kordon.demo.director import READY_SECONDS, Director
from kordon.demo.processes import Processes
from kordon.demo.scenario import FLEET, PARTITIONS, QUICK, SCENARIO
from kordon.new_keys import NewKeys, make_keys
from kordon.operator import Operator
from schemas.timestamp import Timestamp
from transport.administration import apply_topics
from transport.settings import KafkaSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kordon.demo.narration import Narrator, Outcome
    from kordon.demo.processes import Child
    from schemas.quarantine import QuarantineTransition

STALE_SECONDS: Final = 4
"""The demo's limit for the age of the worker's progress; 30 s in a real cluster."""


_KEYS: Final = "keys"

_ITERATIONS: Final = 10_000
"""Of PBKDF2 over a passphrase of 256 random bits that lives for a minute."""


@dataclass(frozen=True)
class Options:
    """What a person chose: a broker of their own (``host:port``), a policy file, whether to stay running, how much.

    ``quick`` plays the first acts alone, without the fleet in the background.
    """

    broker: str | None = None
    policy_file: Path | None = None
    keep: bool = False
    quick: bool = False


@dataclass(frozen=True)
class Performance:
    """What came of the demo, in ``seconds``."""

    outcomes: tuple[Outcome, ...]
    seconds: float

    @property
    def as_expected(self) -> bool:
        """Whether there were outcomes and each was the expected one."""
        return bool(self.outcomes) and all(outcome.as_expected for outcome in self.outcomes)


class DemoFailedError(Exception):
    """The demo could not be played to its end. ``logs`` is the directory with what its processes said."""

    def __init__(self, cause: BaseException, logs: Path) -> None:
        super().__init__(str(cause) or type(cause).__name__)
        self.logs = logs


async def perform(options: Options, narrator: Narrator, on_played: Callable[[Performance], None]) -> Performance:
    """Play the demo and put everything away again, however it ends.

    ``on_played`` hears of the outcomes as soon as the story is over, while everything may still be kept running.

    Cancelled, by Ctrl-C or SIGTERM, it stops every process and cleans up a foreign broker before it raises.
    The logs are kept if anything was not as expected.

    Raises:
        DemoFailedError: something could not be started, or ended that should be running.
    """
    directory = Path(tempfile.mkdtemp(prefix="kordon-demo-"))
    performance = None
    try:
        with _cancelled_by_signals():
            performance = await _Stage(options, narrator, directory, on_played).play()
    except Exception as error:
        raise DemoFailedError(error, directory) from error
    finally:
        played_well = performance is not None and performance.as_expected
        _put_away(directory, narrator, keep_logs=not played_well)
    return performance


def _put_away(directory: Path, narrator: Narrator, *, keep_logs: bool) -> None:
    # Worthless as they are now: keys are not left lying about.
    shutil.rmtree(directory / _KEYS, ignore_errors=True)
    if keep_logs and any(directory.rglob("*.log")):
        narrator.remark(f"What the processes said is in {directory}")
    else:
        shutil.rmtree(directory, ignore_errors=True)


class _Stage:
    """Sets up, plays, takes down."""

    def __init__(
        self, options: Options, narrator: Narrator, directory: Path, on_played: Callable[[Performance], None]
    ) -> None:
        self._on_played = on_played
        self._options = options
        self._narrator = narrator
        self._directory = directory
        self._began = time.monotonic()

    async def play(self) -> Performance:
        async with AsyncExitStack() as stack:
            settings = await self._kafka(stack)
            keys = make_keys(
                self._directory / _KEYS, cluster_id="demo", issuer="kordon-demo", label="demo", iterations=_ITERATIONS
            )
            environment = self._environment(settings, keys)
            processes = await stack.enter_async_context(Processes(self._directory, environment))
            audience = await stack.enter_async_context(Audience(settings, PARTITIONS, self._on_transition))
            director = await self._start(stack, settings, keys, processes, audience)
            if self._options.quick:
                outcomes = await director.play(QUICK)
            else:
                await self._start_fleet(processes)
                outcomes = await director.play(SCENARIO)
                outcomes.append(await director.end_of_fleet(FLEET))
            performance = Performance(tuple(outcomes), time.monotonic() - self._began)
            self._on_played(performance)
            if self._options.keep:
                await self._stay(environment, processes)
            return performance

    async def _kafka(self, stack: AsyncExitStack) -> KafkaSettings:
        """Return the settings of a broker that has the topics, and arrange for what is left of it."""
        if self._options.broker is None:
            address = await stack.enter_async_context(embedded_broker(self._directory / "broker"))
            # A person's settings are of another broker, which may want TLS or a password.
            with _no_settings():
                settings = KafkaSettings.load(bootstrap_servers=address, prefix="", partitions=PARTITIONS)
            self._narrator.stage(f"broker: noida-db on {address}, for this demo alone")
        else:
            prefix = f"kordon-demo-{secrets.token_hex(4)}."
            settings = KafkaSettings.load(bootstrap_servers=self._options.broker, prefix=prefix, partitions=PARTITIONS)
            stack.push_async_callback(self._clean_up, settings)
            self._narrator.stage(f"broker: {self._options.broker}, everything under the prefix {prefix}")
        outcomes = await apply_topics(settings)
        self._narrator.stage(f"{len(outcomes)} topics of {PARTITIONS} partitions")
        return settings

    async def _clean_up(self, settings: KafkaSettings) -> None:
        topics, groups = await remove_everything(settings)
        self._narrator.stage(f"cleaned up: {len(topics)} topics and {len(groups)} consumer groups are deleted")

    async def _start(
        self, stack: AsyncExitStack, settings: KafkaSettings, keys: NewKeys, processes: Processes, audience: Audience
    ) -> Director:
        async def start_worker() -> Child:
            return await processes.start("worker", _kordon("worker", "--grace", "8"))

        since = Timestamp(time.time_ns() // 1_000_000)
        await start_worker()
        await processes.start("issuer", _kordon("issuer", "--grace", "8"))
        self._narrator.stage(f"worker and issuer are starting; their logs are in {self._directory}")
        operator = Operator(settings, keys.trust, next(iter(keys.operators.values())), "demo-operator")
        cast = await stack.enter_async_context(Cast(settings, keys.trust, operator))
        await _ready(processes, audience, since)
        self._narrator.stage("the worker has every co-partition")
        return Director(
            cast,
            audience,
            processes,
            self._narrator,
            start_worker=start_worker,
            stale_seconds=STALE_SECONDS + 1,
        )

    async def _start_fleet(self, processes: Processes) -> None:
        await processes.start(
            "fleet",
            _kordon("simulate", *(f"--{name}={getattr(FLEET, name)}" for name in ("nodes", "rate", "seed", "count"))),
            may_end=True,
        )
        self._narrator.stage(f"{FLEET.nodes} simulated nodes send {FLEET.count} records at {FLEET.rate:g}/s meanwhile")

    def _environment(self, settings: KafkaSettings, keys: NewKeys) -> dict[str, str]:
        """Return the processes' environment, in which the demo decides every setting of Kordon's."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("KORDON_")}
        connection = {
            KafkaSettings.variable(name): value.get_secret_value() if isinstance(value, SecretStr) else str(value)
            for name, value in settings
            if value is not None
        }
        policy = self._options.policy_file
        own = {
            **connection,
            "KORDON_WORKER_TRUST_FILE": str(keys.trust_file),
            "KORDON_TRUST_FILE": str(keys.trust_file),
            "KORDON_OPERATOR_KEY_FILE": str(next(iter(keys.operators))),
            # Known by name they have their co-partitions back at once when they return.
            "KORDON_WORKER_INSTANCE_ID": "demo-worker",
            "KORDON_ISSUER_INSTANCE_ID": "demo-issuer",
            "KORDON_ISSUER_TRUST_FILE": str(keys.trust_file),
            "KORDON_ISSUER_KEYS_FOLDER": str(keys.keys_folder),
            "KORDON_ISSUER_PASSPHRASE_FILE": str(keys.passphrase_file),
            "KORDON_ISSUER_PROGRESS_AGE_MS": str(STALE_SECONDS * 1000),
            "PYTHONUNBUFFERED": "1",
        }
        if policy is not None:
            own |= {name: str(policy.resolve()) for name in ("KORDON_WORKER_POLICY_FILE", "KORDON_ISSUER_POLICY_FILE")}
        return inherited | own

    def _on_transition(self, transition: QuarantineTransition) -> None:
        if transition.nodeId.startswith("node-"):
            self._narrator.transition(transition)

    async def _stay(self, environment: dict[str, str], processes: Processes) -> None:
        """Say how to talk to what is running, and wait for Ctrl-C."""
        self._narrator.remark(
            "\nEverything is still running. In another terminal:\n\n"
            + "".join(f"  export {name}={environment[name]}\n" for name in sorted(_FOR_A_PERSON))
            + "\n  kordon quarantine watch --from-beginning\n"
            '  kordon quarantine add amber --reason "just trying"\n'
            "  kordon simulate --count 100\n\nCtrl-C ends it."
        )
        try:
            while True:
                processes.check()
                await asyncio.sleep(0.5)
        except asyncio.CancelledError:
            # To be ended is what this waits for, so it is no interruption.
            task = asyncio.current_task()
            assert task is not None
            task.uncancel()


_FOR_A_PERSON: Final = frozenset(
    {"KORDON_KAFKA_BOOTSTRAP_SERVERS", "KORDON_KAFKA_PREFIX", "KORDON_TRUST_FILE", "KORDON_OPERATOR_KEY_FILE"}
)


def _kordon(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "kordon", *arguments]


async def _ready(processes: Processes, audience: Audience, since: Timestamp) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not audience.progress_since(since):
        processes.check()
        if time.monotonic() >= deadline:
            await audience.until("progress of every co-partition", lambda: audience.progress_since(since), 0.0)
        await asyncio.sleep(0.1)


@contextmanager
def _no_settings() -> Iterator[None]:
    """Hide every setting of Kordon's that the environment and its file hold."""
    hidden = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("KORDON_")}
    try:
        yield
    finally:
        os.environ.update(hidden)


@contextmanager
def _cancelled_by_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the current task as Ctrl-C does: by cancelling it, so that it puts things away."""
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    assert task is not None
    cancel: Callable[[], object] = task.cancel
    for number in (signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, cancel)
    try:
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGHUP):
            loop.remove_signal_handler(number)
