"""The constrained strings and numbers that messages are made of (design.md section 4)."""

from typing import Annotated, Final

from msgspec import Meta

# `$` of Python's `re` also matches before a final newline; the look-ahead closes that and is harmless in ECMA 262.
_END = r"$(?!\n)"

FINGERPRINT_CHARACTERS: Final = "0123456789abcdefABCDEF"
FINGERPRINT_LENGTHS: Final = (32, 128)
VERSION_CHARACTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._+-"
VERSION_LENGTHS: Final = (1, 64)
"""What the patterns of a fingerprint and a version say, for who checks them without a regular expression; inclusive."""

NodeId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{1,128}" + _END, description="A node's id and its record key.")]
Fingerprint = Annotated[
    str,
    Meta(pattern=r"^[0-9a-fA-F]{32,128}" + _END, description="Hex digits; compared in lower case."),
]
Version = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._+-]{1,64}" + _END, description="A version label.")]
RequestId = Annotated[
    str,
    Meta(pattern=r"^[A-Za-z0-9_-]{16,64}" + _END, description="Chosen by the node, at least 128 random bits."),
]
CapsuleId = Annotated[str, Meta(pattern=r"^[0-9a-f]{32}" + _END, description="32 lower-case hex digits.")]
Digest = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}" + _END, description="SHA-256 in lower-case hex.")]
UtcSecond = Annotated[
    str,
    Meta(
        pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z" + _END,
        description="A UTC instant in whole seconds, YYYY-MM-DDThh:mm:ssZ.",
    ),
]

Identifier = Annotated[str, Meta(min_length=1, max_length=128)]
Reason = Annotated[str, Meta(description="Free text for people; a transition carries its first 1024 characters.")]

AutonomousSystem = Annotated[int, Meta(ge=1, le=4_294_967_295, description="An AS number, RFC 6793.")]
Region = Annotated[str, Meta(min_length=1, max_length=128)]

# Kafka and SQLite count in signed 64 bits; a larger number is refused here rather than where it is stored.
Offset = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Partition = Annotated[int, Meta(ge=0, le=2**31 - 1)]
Revision = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Score = Annotated[int, Meta(ge=0, le=2**63 - 1)]
