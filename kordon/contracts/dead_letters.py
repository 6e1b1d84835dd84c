"""The dead letters that a producer may meet: each by name, with what caused it and what to do.

A name is the ``__streams.errors.exception`` of the letter; a test compares the names with those in the code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from policy.admission import FUTURE_MILLIS, RejectionRule
from schemas.topics import COMMANDS, DECISIONS, NETWORK, REQUESTS, TELEMETRY
from transport.outgoing import RecordTooLargeError
from transport.repartition import ForwardedRecordError
from transport.signed_records import REFUSAL_TEXTS, SIGNATURE_HEADER, RefusalReason

FOLDED: Final = (TELEMETRY, NETWORK, COMMANDS, DECISIONS)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A kind of rejection. ``topics`` are those whose ``.dlq`` may hold it; ``cure`` is for the record's producer."""

    exception: str
    topics: tuple[str, ...]
    cause: str
    cure: str


NEVER_MET: Final = frozenset({RejectionRule.UNKNOWN_TOPIC.value})
"""Named in the code, but no record on a topic is rejected so: only a file given to `kordon policy fold` could be."""

DEAD_LETTERS: Final = (
    DeadLetter(
        RejectionRule.UNREADABLE.value,
        FOLDED,
        "The value is not the message that its topic carries; the text names the field.",
        "Validate against the JSON Schema before sending; correct the field and send again.",
    ),
    DeadLetter(
        RejectionRule.FOREIGN_KEY.value,
        FOLDED,
        "The record's key is absent or is not the value's `nodeId` in UTF-8, byte for byte.",
        "Send `nodeId` as the key, without quotes, serializer prefix or schema id.",
    ),
    DeadLetter(
        RejectionRule.FROM_THE_FUTURE.value,
        (TELEMETRY, NETWORK, COMMANDS),
        f"`observedAt` or `issuedAt` lies more than {FUTURE_MILLIS // 1000} s after the record's timestamp.",
        "Set the clock by NTP; let the client stamp the record when it sends it.",
    ),
    DeadLetter(
        RejectionRule.UNUSABLE_TIMESTAMP.value,
        FOLDED,
        "The record's own timestamp is absent or outside the years 1970 to 9999.",
        "Do not set it, or set milliseconds since 1970, not seconds or microseconds.",
    ),
    DeadLetter(
        RecordTooLargeError.__name__,
        (TELEMETRY, NETWORK, REQUESTS),
        "The record lies in a wrong partition and is too large to be forwarded with four more headers.",
        "Place by murmur2, and send less: a report has some hundred bytes.",
    ),
    DeadLetter(
        ForwardedRecordError.__name__,
        (TELEMETRY, NETWORK, REQUESTS),
        "Somebody else than Kordon wrote to the `.repartition` topic.",
        "Write to the topic itself; take the right to write to `.repartition` from everybody but Kordon.",
    ),
    DeadLetter(
        "MisplacedRecord",
        (COMMANDS, DECISIONS),
        "The key belongs into another partition, and records of this topic are not forwarded.",
        "Place by murmur2; `kordon quarantine …` does.",
    ),
    DeadLetter(
        RejectionRule.EXPIRED_COMMAND.value,
        (COMMANDS,),
        "The command was written at or after its own `expiresAt`.",
        "Order it again with a later end.",
    ),
    DeadLetter(
        "SignatureRefused",
        (COMMANDS,),
        f"The `{SIGNATURE_HEADER}` header is not one that counts; the text begins with the reason, below.",
        "See the reason.",
    ),
    DeadLetter(
        "NoTrustFile",
        (COMMANDS,),
        "The worker knows no operator.",
        "Its operator sets `KORDON_WORKER_TRUST_FILE`; then send the command again.",
    ),
    DeadLetter(
        "MALFORMED_REQUEST",
        (REQUESTS,),
        "The value is no compact JWS of the one accepted form, or its claims are not those of a request.",
        "Build it as `docs/design.md`, section 6, says, or use `kordon.client`.",
    ),
    DeadLetter(
        "NODE_NOT_FOUND",
        (REQUESTS,),
        "The registry has no such node.",
        "An operator enrols it: `kordon node enroll`.",
    ),
    DeadLetter(
        "NODE_REMOVED",
        (REQUESTS,),
        "The registry says that the node is removed.",
        "An operator enrols it anew, if it is to come back.",
    ),
    DeadLetter(
        "PROOF_INVALID",
        (REQUESTS,),
        "No enrolled credential of this `kid` verifies the signature.",
        "Compare the node's key and `kid` with what was enrolled.",
    ),
    DeadLetter(
        "WRONG_AUDIENCE",
        (REQUESTS,),
        "`aud` names another cluster or prefix.",
        "Take `clusterId` from `trust.json` and add `/` and the prefix with its dot.",
    ),
)

SIGNATURE_CURES: Final = {
    RefusalReason.UNSIGNED: "Sign it: `kordon quarantine …` does.",
    RefusalReason.SIGNED_TWICE: "Send one such header; a proxy or interceptor may have added another.",
    RefusalReason.MALFORMED_SIGNATURE: "Build it as `docs/design.md`, section 3, says, payload detached.",
    RefusalReason.OTHER_TOPIC: "Sign for the topic's name without prefix.",
    RefusalReason.OTHER_KEY: "Sign for the key that the record has.",
    RefusalReason.UNKNOWN_SIGNER: "Give the worker a `trust.json` with this key, or use one that it knows.",
    RefusalReason.REVOKED_SIGNER: "Use another key; what this one signs counts no more.",
    RefusalReason.SIGNER_NOT_VALID_THEN: "Use a key within its `notBefore` and `notAfter`.",
    RefusalReason.SIGNED_IN_THE_FUTURE: "Set the signer's clock by NTP.",
    RefusalReason.BAD_SIGNATURE: "Sign the exact bytes that are sent; do not write the JSON anew afterwards.",
    RefusalReason.ROLE_MISSING: "Let an operator sign who has the role, or give it to the key in `trust.json`.",
}
"""What to do about each reason of a refused signature."""


def signature_refusals() -> list[tuple[str, str, str]]:
    """Return each reason with its text and its cure."""
    return [(reason.value, REFUSAL_TEXTS[reason], SIGNATURE_CURES[reason]) for reason in RefusalReason]
