"""The plain fold: raw records in, rows and outcomes out, in the order given.

``kordon policy fold``, the worker and the tests' oracle all judge a record by this one path: decode, admit, fold.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from policy import steady
from policy.admission import Rejection, RejectionRule, RiskInput, admit_key, admit_time, admit_timestamp
from policy.policy_file import Policy
from policy.risk import Folded, Late, fold
from policy.scoring import Source
from policy.standing import Standing, restored, standing_of
from policy.unchecked_rows import UncheckedRows
from schemas.codec import DecodeError, decode, decoder_of
from schemas.commands import Command
from schemas.decisions import CapsuleDecision
from schemas.network import NetworkObservation
from schemas.risk import RISK_SCHEMA_VERSION, RiskRow
from schemas.telemetry import Telemetry
from schemas.timestamp import Timestamp
from schemas.topics import COMMANDS, DECISIONS, NETWORK, TELEMETRY, repartition_of

INPUTS: Final[Mapping[str, type[RiskInput]]] = MappingProxyType(
    {
        COMMANDS: Command,
        DECISIONS: CapsuleDecision,
        NETWORK: NetworkObservation,
        repartition_of(NETWORK): NetworkObservation,
        TELEMETRY: Telemetry,
        repartition_of(TELEMETRY): Telemetry,
    }
)
"""What each source topic of the fold carries."""


class UnreadableRowError(Exception):
    """A restored row is none that this fold can go on from; ``value`` are its bytes."""

    def __init__(self, value: bytes, reason: str) -> None:
        super().__init__(reason)
        self.value = value


class Fleet:
    """Risk rows by node id, and the fold that advances them.

    ``standings`` are the rows as they are kept, and as they change; :meth:`row` and :attr:`rows` give copies, as the
    rules see them. What is restored is mere bytes until :meth:`check_restored`: of a long log's rows most were
    superseded.
    """

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.standings: dict[str, Standing] = {}
        self._unchecked = UncheckedRows()
        observed = steady.observations(self.standings, policy.version)
        reported = steady.reports(self.standings, policy.version)
        self._steady: Mapping[str, steady.Advance] = {
            NETWORK: observed,
            repartition_of(NETWORK): observed,
            TELEMETRY: reported,
            repartition_of(TELEMETRY): reported,
        }

    def row(self, node_id: str) -> RiskRow | None:
        """Return a node's row, ``None`` before its first record."""
        standing = self.standings.get(node_id)
        return None if standing is None else standing.row()

    @property
    def rows(self) -> dict[str, RiskRow]:
        """All rows, by node id: a copy."""
        return {node_id: standing.row() for node_id, standing in self.standings.items()}

    def put(self, row: RiskRow) -> None:
        """Take a row as it is."""
        self.standings[row.nodeId] = standing_of(row)

    def restore(self, key: bytes, value: bytes | None) -> None:
        """Take a row as its topic holds it, in place of an earlier one; ``None`` removes it."""
        if value is None:
            self._unchecked.remove(key)
            self.standings.pop(key.decode(errors="replace"), None)
        else:
            self._unchecked.put(key, value)

    def gather_restored(self) -> None:
        """Bring together what was restored; of a process with several fleets, of each before any is checked."""
        self._unchecked.gather()

    def check_restored(self) -> None:
        """Check and take in every row that was restored; before it, none of them is there.

        Raises:
            UnreadableRowError: a row cannot be read, lies under another key than its node's id, or is of a newer
                schema or policy. The first that is found; the others are not taken in.
        """
        decode_row, newest_policy, standings = decoder_of(Standing).decode, self.policy.version, self.standings
        for key, value in self._unchecked.taken():
            try:
                row = restored(decode_row(value))
            except (ValueError, RecursionError) as error:
                raise UnreadableRowError(value, str(error)) from error
            node_id = row.nodeId
            if node_id.encode() != key:
                raise UnreadableRowError(value, "it lies under another key than its node's id")
            if row.schemaVersion > RISK_SCHEMA_VERSION or row.policyVersion > newest_policy:
                raise UnreadableRowError(value, "it is of a newer schema or policy")
            standings[node_id] = row

    def steady(self, topic: str) -> steady.Advance:
        """Return the function that folds those records of a source topic that say nothing new (:mod:`policy.steady`).

        It has folded a record or answers ``None``: then :meth:`fold` takes it. ``fold`` alone comes to the same.
        """
        return self._steady.get(topic, _never_steady)

    def fold(
        self,
        topic: str,
        partition: int,
        offset: int,
        timestamp: int,
        key: bytes | str | None,
        value: bytes | None,
    ) -> Folded | Late | Rejection:
        """Fold one record; placement and signature count as checked.

        ``timestamp`` is the record's, in milliseconds (of a forwarded record, the original one's). Total: bad input
        gives a :class:`Rejection`, never an exception.
        """
        message_type = INPUTS.get(topic)
        if message_type is None:
            return Rejection(RejectionRule.UNKNOWN_TOPIC, "the fold reads no such topic")
        try:
            message = decode(message_type, value, topic)
        except DecodeError as error:
            return Rejection(RejectionRule.UNREADABLE, f"{error.field}: {error.reason}")
        rejection = admit_key(message.nodeId, key) or admit_timestamp(timestamp) or admit_time(message, timestamp)
        if rejection is not None:
            return rejection
        source = Source(topic, partition, offset, Timestamp(timestamp))
        outcome = fold(self.row(message.nodeId), message, source, self.policy)
        if isinstance(outcome, Folded):
            self.put(outcome.row)
        return outcome


def _never_steady(key: bytes | None, value: bytes | None, timestamp: int) -> None:
    """Leave the record to the rules."""
