"""The headers a record may or must carry, by topic, under the names that the code reads and writes them by."""

from __future__ import annotations

from typing import Any, Final

from issuer.correlation import CORRELATION_HEADERS, LONGEST_CORRELATION_BYTES, PARTITION_HEADER, TOPIC_HEADERS
from schemas.topics import REPLIES, REQUESTS, TopicSpec
from transport import dead_letters, repartition, replay
from transport.signed_records import RECORD_TYP, SIGNATURE_HEADER

Headers = dict[str, Any]

CORRELATION: Final = CORRELATION_HEADERS[-1]
"""The plain name, which the document's runtime expressions point at; Spring's is taken as well."""
REPLY_TO: Final = TOPIC_HEADERS[-1]

_NUMBER: Final = {"type": "string", "pattern": "^(0|[1-9][0-9]*)$"}


def headers_of(spec: TopicSpec) -> Headers | None:
    """Return the schema of a topic's headers (their values read as UTF-8), ``None`` where Kordon looks at none."""
    if spec.name.endswith(".dlq"):
        return _headers(_DEAD_LETTER, required=[name for name in _DEAD_LETTER if name != dead_letters.CUT])
    if spec.name.endswith(".repartition"):
        return _headers(_FORWARDED, required=list(_FORWARDED))
    if spec.signed:
        return _headers(_SIGNED, required=list(_SIGNED))
    if spec.name == REQUESTS:
        return _headers(_CORRELATION | _ADDRESS)
    if spec.name == REPLIES:
        return _headers(_CORRELATION)
    return None


def note_headers() -> Headers:
    """Return the schema of the headers of a replay's note, which lies among the dead letters."""
    return _headers(_NOTE, required=[replay.REPLAY_OF])


def _headers(properties: Headers, required: list[str] | None = None) -> Headers:
    return {"type": "object", "properties": properties} | ({"required": required} if required else {})


def _text(description: str, **more: Any) -> Headers:
    return {"type": "string", "description": description, **more}


_SIGNED: Final[Headers] = {
    SIGNATURE_HEADER: _text(
        f"A compact JWS with detached payload (RFC 7515, appendix F) over the exact bytes of the value; protected "
        f"header: alg, typ {RECORD_TYP}, kid, topic (without prefix), key, iat.",
        pattern=r"^[A-Za-z0-9_-]+\.\.[A-Za-z0-9_-]+$",
    )
}
_CORRELATION: Final[Headers] = {
    name: _text(f"Up to {LONGEST_CORRELATION_BYTES} bytes of the requester's, echoed byte for byte under this name.")
    for name in CORRELATION_HEADERS
}
_ADDRESS: Final[Headers] = {
    **{
        name: _text(
            "Full name, with prefix, of the topic for the reply; one that the issuer does not allow counts as none, "
            f"and {REPLIES} is used."
        )
        for name in TOPIC_HEADERS
    },
    PARTITION_HEADER: _text("Partition for the reply: 4 bytes, big-endian. Without it murmur2 of the key places it."),
}
_FORWARDED: Final[Headers] = {
    repartition.ORIGINAL_TOPIC: _text("Full name of the topic on which the record was first written."),
    repartition.ORIGINAL_PARTITION: _NUMBER | {"description": "Its partition there."},
    repartition.ORIGINAL_OFFSET: _NUMBER | {"description": "Its offset there."},
    repartition.ORIGINAL_TIMESTAMP: _text(
        "Its timestamp there, in ms since 1970: the one it is judged by.", pattern="^(-1|0|[1-9][0-9]*)$"
    ),
}
_DEAD_LETTER: Final[Headers] = {
    dead_letters.TOPIC: _text("Full name of the rejected record's topic."),
    dead_letters.PARTITION: _NUMBER | {"description": "Its partition."},
    dead_letters.OFFSET: _NUMBER | {"description": "Its offset."},
    dead_letters.EXCEPTION: _text(
        "The kind of rejection, by name.", maxLength=dead_letters.LONGEST_EXCEPTION_BYTES, minLength=1
    ),
    dead_letters.MESSAGE: _text(
        "What is wrong, for a person; it quotes no input.", maxLength=dead_letters.LONGEST_MESSAGE_BYTES
    ),
    dead_letters.TIMESTAMP: _text("Its timestamp, in ms since 1970.", pattern="^(-1|0|[1-9][0-9]*)$"),
    dead_letters.DIGEST: _text("SHA-256 of the whole record, before anything was cut.", pattern="^[0-9a-f]{64}$"),
    dead_letters.CUT: _text("There only if something was cut: the original sizes, such as value=5242880."),
}
_NOTE: Final[Headers] = {
    replay.REPLAY_OF: _text("The letter that was sent again: topic/partition/offset; the record has this header, too."),
    replay.REPLAYED_BY: _text("Who sent it again."),
    replay.REPLAYED_RULE: _text(f"The letter's {dead_letters.EXCEPTION}."),
}
