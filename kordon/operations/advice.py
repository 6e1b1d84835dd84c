"""What an operator does about a dead letter, and whether a replay can help: by the rule it broke. Pure.

What happened and what its producer does about it stands in ``kordon.contracts.dead_letters``.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final, NamedTuple

from kordon.contracts.dead_letters import DEAD_LETTERS, SIGNATURE_CURES
from kordon.operations.letters import Letter
from transport.signed_records import REFUSAL_TEXTS, RefusalReason

_SAME_BYTES: Final = "A replay sends the same bytes: they are accepted only by a newer Kordon that can read them."
_NEVER: Final = "A replay sends the same bytes and is rejected again."
_REQUEST: Final = (
    "A request counts for 300 s from its iat: replay it within that time once the cause is mended; after it, let the "
    "node ask again."
)

REPLAY_HELPS: Final = MappingProxyType(
    {
        "DecodeError": _SAME_BYTES,
        "KeyMismatch": _NEVER,
        "FromTheFuture": "A replay is accepted once the time it claims is at most 300 s ahead.",
        "UnusableTimestamp": "A replay is accepted: it has the time of the replay as its timestamp.",
        "RecordTooLargeError": "A replay puts it into the right partition, where it need not be forwarded.",
        "ForwardedRecordError": "It cannot be replayed: nobody vouches for where it came from.",
        "MisplacedRecord": "A replay puts it into the right partition. (A decision cannot be replayed.)",
        "ExpiredCommand": "A replay comes after its end, too, and is rejected again.",
        "SignatureRefused": "A replay keeps the signature: it is accepted once the worker's `trust.json` allows it.",
        "NoTrustFile": "A replay is accepted once the worker has a `trust.json` with the signer's key.",
        "MALFORMED_REQUEST": _NEVER,
        "NODE_NOT_FOUND": _REQUEST,
        "NODE_REMOVED": _REQUEST,
        "PROOF_INVALID": _REQUEST,
        "WRONG_AUDIENCE": _NEVER,
    }
)
"""Rule → whether and when a replay is accepted."""


class Advice(NamedTuple):
    """Why it happened, what its producer does, whether a replay helps."""

    cause: str
    cure: str
    replay: str


UNKNOWN: Final = Advice(
    "This version of Kordon has no such rule: a newer one wrote it, or somebody else than Kordon.",
    "Ask the version that wrote it; mend the ACLs of the `.dlq` topic if nobody did.",
    "Whether a replay helps is not known.",
)

_BY_RULE: Final = MappingProxyType({each.exception: each for each in DEAD_LETTERS})


def advice_on(letter: Letter) -> Advice:
    """Return what to do about a letter."""
    found = _BY_RULE.get(letter.rule)
    if letter.cause is None or found is None:
        return UNKNOWN
    reason = letter.cause.message.partition(":")[0]
    cause, cure = found.cause, found.cure
    if letter.rule == "SignatureRefused" and reason in RefusalReason.__members__:
        refusal = RefusalReason(reason)
        cause, cure = f"Its signature does not count: {REFUSAL_TEXTS[refusal]}.", SIGNATURE_CURES[refusal]
    return Advice(cause, cure, REPLAY_HELPS[letter.rule])
