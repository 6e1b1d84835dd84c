"""Plays the scenario: does what each step says and puts into words what came of it.

Every wait has an end: what does not come in time is an outcome like any other, and never the expected one.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import TYPE_CHECKING, Final

from kordon.client import Capsule, Denial, NoReplyError
from kordon.demo.audience import NotSeenError
from kordon.demo.cast import Cast, CastNode
from kordon.demo.narration import Outcome, kind_of, sentence_of
from kordon.demo.scenario import (
    Act,
    Asks,
    Boots,
    Fleet,
    Ordered,
    Place,
    Register,
    Registration,
    Settles,
    Sighted,
    Step,
    Trick,
    WorkerReturns,
    WorkerStops,
)
from schemas.commands import Action
from schemas.decisions import DenialReason
from schemas.network import Network, NetworkObservation
from schemas.risk import NodeStatus, RiskRow
from schemas.telemetry import Telemetry, TelemetryKind
from schemas.timestamp import Timestamp
from schemas.topics import COMMANDS, NETWORK, TELEMETRY, dlq_of, repartition_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from kordon.demo.audience import Audience
    from kordon.demo.narration import Narrator
    from kordon.demo.processes import Processes

SEEN_SECONDS: Final = 20.0
"""How long a row, a transition or a dead letter may take to appear."""

READY_SECONDS: Final = 60.0
"""How long the worker may take to have every co-partition."""

ANSWER_SECONDS: Final = 8.0
"""How long an answer may take before the request is sent again."""

ANSWER_ATTEMPTS: Final = 3

FRESH_SECONDS: Final = 20.0
"""How long an honest node keeps asking while it is told RISK_STATE_STALE, as a loaded machine may well say."""


class Director:
    """Plays acts with a cast, watched by an audience; ``start_worker`` starts the worker again."""

    def __init__(
        self,
        cast: Cast,
        audience: Audience,
        processes: Processes,
        narrator: Narrator,
        *,
        start_worker: Callable[[], Awaitable[object]],
        stale_seconds: float,
    ) -> None:
        self._cast = cast
        self._audience = audience
        self._processes = processes
        self._narrator = narrator
        self._start_worker = start_worker
        self._stale_seconds = stale_seconds
        self._boots: Counter[str] = Counter()
        self._answers: dict[str, Capsule | Denial] = {}

    async def play(self, acts: Sequence[Act]) -> list[Outcome]:
        """Play every act and return an outcome for each step.

        Raises:
            ChildEndedError: a process ended that should be running.
        """
        outcomes = []
        for number, act in enumerate(acts, 1):
            self._narrator.act(number, act)
            for step in act.steps:
                self._processes.check()
                outcomes.append(
                    await self._outcome(kind_of(step), act.title, sentence_of(step), step.expect, self._perform(step))
                )
                await asyncio.sleep(self._narrator.pause_seconds)
        return outcomes

    async def end_of_fleet(self, fleet: Fleet) -> Outcome:
        """Wait until the fleet in the background has played its records, and return what came of them."""
        expected = _fleet_words(fleet.rows, fleet.quarantined, fleet.dead_letters, fleet.forwarded)
        step = f"{fleet.count} records of {fleet.nodes} simulated nodes, folded"
        return await self._outcome(
            "background fleets folded", "The fleet in the background", step, expected, self._fold_of_fleet(expected)
        )

    async def _outcome(self, kind: str, act: str, step: str, expected: str, performing: Awaitable[str]) -> Outcome:
        began = time.monotonic()
        try:
            actual = await performing
        except (NotSeenError, NoReplyError) as error:
            actual = str(error)
        outcome = Outcome(kind, act, step, expected, actual, time.monotonic() - began)
        self._narrator.outcome(outcome)
        return outcome

    async def _perform(self, step: Step) -> str:
        match step:
            case Register():
                return await self._register(step)
            case Boots(node, clean):
                return await self._boot(node, clean=clean)
            case Sighted(node, place):
                return await self._sight(node, place)
            case Ordered():
                return await self._order(step)
            case Asks(node, _, trick, claims):
                return await self._ask(await self._cast.node(node), trick, claims, step.expect)
            case Settles(node):
                return await self._settle(node)
            case WorkerStops():
                await self._processes.stop("worker")
                await asyncio.sleep(self._stale_seconds)
                return "stopped"
            case WorkerReturns():
                return await self._return_of_the_worker()

    async def _register(self, step: Register) -> str:
        operator = self._cast.operator
        match step.change:
            case Registration.ENROL:
                await self._cast.enrol(step.node, step.credential)
            case Registration.DISABLE:
                await operator.change(step.node, enabled=False)
            case Registration.ENABLE:
                await operator.change(step.node, enabled=True)
            case Registration.REVOKE:
                await operator.change(step.node, status="revoked")
            case Registration.REMOVE:
                await operator.change(step.node, status="removed")
        return "written"

    async def _boot(self, node: str, *, clean: bool) -> str:
        self._boots[node] += 1
        boot_id = f"{node}-boot-{self._boots[node]}"
        await self._cast.publisher.telemetry(
            Telemetry(node, _now(), clean, bootId=boot_id, kind=TelemetryKind.BOOT, uptimeSeconds=0.0)
        )
        row = await self._row(node, f"boot {boot_id}", lambda row: row.lastBootId == boot_id)
        return words_of_row(row)

    async def _sight(self, node: str, place: Place) -> str:
        at = _now()
        await self._cast.publisher.observation(
            NetworkObservation(node, at, ip=place.ip, asn=place.asn, region=place.region, observer="gateway-1")
        )
        row = await self._row(
            node, "the observation", lambda row: row.lastNetworkAt is not None and row.lastNetworkAt >= at
        )
        return words_of_row(row)

    async def _order(self, step: Ordered) -> str:
        if step.signed:
            written = await self._cast.operator.order(step.node, Action(step.action), step.reason)
            command_id = written.value["commandId"]
            row = await self._row(step.node, f"command {command_id}", lambda row: row.lastCommandId == command_id)
            return words_of_row(row)
        dead = (dlq_of(COMMANDS), step.node.encode())
        before = self._audience.dead_keys[dead]
        command_id = await self._cast.order_unsigned(step.node, Action(step.action), step.reason)

        def acted() -> bool:
            return step.node in self._audience.rows and self._audience.rows[step.node].lastCommandId == command_id

        await self._audience.until(
            f"a dead letter for the unsigned command {command_id}",
            lambda: self._audience.dead_keys[dead] > before or acted(),
            SEEN_SECONDS,
        )
        return "obeyed" if acted() else "dead letter"

    async def _ask(self, node: CastNode, trick: Trick, claims: Place | None, expected: str) -> str:
        former = self._answers.pop(node.name, None)
        if trick is Trick.GARBAGE:
            answer = await node.client.send_bytes(
                b"not a request", timeout_seconds=ANSWER_SECONDS, attempts=ANSWER_ATTEMPTS
            )
            return words_of_answer(answer)
        request = node.request(trick, _network(claims))
        answer = await node.client.send(
            request,
            timeout_seconds=ANSWER_SECONDS,
            attempts=ANSWER_ATTEMPTS,
            patience_seconds=0.0 if expected == DenialReason.RISK_STATE_STALE else FRESH_SECONDS,
        )
        self._answers[node.name] = answer
        if trick is Trick.SAME_BYTES and _same_capsule(answer, former):
            return "the same capsule"
        return words_of_answer(answer)

    async def _settle(self, node: str) -> str:
        answer = self._answers.get(node)
        if answer is None:
            return "no answer to settle"
        if isinstance(answer, Capsule):
            capsule_id = answer.capsule_id
            row = await self._row(
                node,
                f"capsule {capsule_id}",
                lambda row: row.lastCapsule is not None and row.lastCapsule.capsuleId == capsule_id,
            )
        else:
            judged_at = answer.risk_revision or 0
            row = await self._row(node, "the denial", lambda row: row.revision > judged_at)
        return words_of_row(row)

    async def _return_of_the_worker(self) -> str:
        since = _now()
        await self._start_worker()
        await self._audience.until(
            "progress of every co-partition", lambda: self._audience.progress_since(since), READY_SECONDS
        )
        return "running"

    async def _fold_of_fleet(self, expected: str) -> str:
        await self._processes.ended("fleet")

        def words() -> str:
            rows = [row for name, row in self._audience.rows.items() if name.startswith("node-")]
            held = sum(row.status is NodeStatus.QUARANTINED for row in rows)
            counts = self._audience.counts
            dead = counts[dlq_of(TELEMETRY)] + counts[dlq_of(NETWORK)]
            return _fleet_words(len(rows), held, dead, counts[repartition_of(TELEMETRY)])

        try:
            await self._audience.until(expected, lambda: words() == expected, SEEN_SECONDS)
        except NotSeenError:
            return words()
        return words()

    async def _row(self, node: str, what: str, condition: Callable[[RiskRow], bool]) -> RiskRow:
        return await self._audience.row_where(node, what, condition, SEEN_SECONDS)


def words_of_row(row: RiskRow) -> str:
    """Return a row in the scenario's words, such as ``active 20`` or ``quarantined at 90 by policy``."""
    if row.quarantine is None:
        return f"{row.status.value} {row.score}"
    return f"{row.status.value} at {row.quarantine.score} by {row.quarantine.cause.value}"


def words_of_answer(answer: Capsule | Denial) -> str:
    """Return an answer in the scenario's words, such as ``capsule, risk 20`` or ``NODE_REVOKED``."""
    if isinstance(answer, Capsule):
        return f"capsule, risk {answer.risk_score}"
    if answer.risk_score is not None and answer.reason is DenialReason.NETWORK_POLICY_VIOLATION:
        return f"{answer.reason.value}, risk {answer.risk_score}"
    return answer.reason.value


def _same_capsule(one: Capsule | Denial | None, other: Capsule | Denial | None) -> bool:
    return (
        isinstance(one, Capsule)
        and isinstance(other, Capsule)
        and (one.capsule_id, one.expires_at, one.runtime_key) == (other.capsule_id, other.expires_at, other.runtime_key)
    )


def _fleet_words(rows: int, quarantined: int, dead_letters: int, forwarded: int) -> str:
    return f"{rows} rows, {quarantined} quarantined, {dead_letters} dead letters, {forwarded} forwarded"


def _network(place: Place | None) -> Network | None:
    return None if place is None else Network(place.ip, place.asn, place.region)


def _now() -> Timestamp:
    return Timestamp(time.time_ns() // 1_000_000)
