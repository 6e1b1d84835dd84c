"""What every peer in Python does with a record: Kordon's own decoding, admission and rules, row in and row out."""

from __future__ import annotations

from typing import NamedTuple

from policy.admission import admit_key, admit_time, admit_timestamp
from policy.fleet import INPUTS
from policy.policy_file import default_policy
from policy.risk import Folded, fold
from policy.scoring import Source
from schemas.codec import DecodeError, decode, encode
from schemas.risk import RiskRow
from schemas.timestamp import Timestamp

POLICY = default_policy()


class Judged(NamedTuple):
    """A record's effect: the node's new row and a transition's bytes; without a row it was late or ``rejected``."""

    row: RiskRow | None = None
    transition: bytes | None = None
    rejected: str | None = None


NOTHING = Judged()


def judge(
    row: RiskRow | None, topic: str, partition: int, offset: int, timestamp: int, key: bytes | None, value: bytes | None
) -> Judged:
    """Judge a record of ``topic`` (without prefix), given the row of the node that its key names."""
    try:
        message = decode(INPUTS[topic], value, topic)
    except DecodeError as error:
        return Judged(rejected=str(error))
    rejection = admit_key(message.nodeId, key) or admit_timestamp(timestamp) or admit_time(message, timestamp)
    if rejection is not None:
        return Judged(rejected=rejection.reason)
    outcome = fold(row, message, Source(topic, partition, offset, Timestamp(timestamp)), POLICY)
    if not isinstance(outcome, Folded):
        return NOTHING
    return Judged(outcome.row, None if outcome.transition is None else encode(outcome.transition))
