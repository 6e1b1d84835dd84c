"""The record that changes no judgement: the hot path, since nearly every record of a fleet at rest is one.

Of an observation that repeats the row's ``current``, a report of the boot that was judged, or of a boot after an
orderly end that clears no signal, the fold's result is known without judging anything: the revision counts on,
``updatedAt`` and the source's own instant move, a new boot is noted. This module recognises such a record from its raw
bytes and leaves all others, and all in doubt, to the rules (:mod:`policy.risk`). It decides nothing by itself: whatever
it answers, the rules would have answered (tests/unit/policy/test_steady.py).

It is cheap because a known row proves what strict decoding would have to check: its node id is well-formed, and an
``ip`` equal to ``current.ip`` is canonical.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Annotated, Final, Protocol, cast

import msgspec

from policy.admission import FUTURE_MILLIS
from policy.scoring import signal_of
from policy.standing import Standing
from schemas.identifiers import FINGERPRINT_CHARACTERS, FINGERPRINT_LENGTHS, VERSION_CHARACTERS, VERSION_LENGTHS
from schemas.network import NetworkObservation
from schemas.risk import SignalKind
from schemas.telemetry import Telemetry
from schemas.timestamp import Timestamp, canonical_text, read_instant

Advance = Callable[[bytes | None, bytes | None, int], Standing | None]
"""Takes a record's key, value and timestamp (ms); returns its node's row if it was steady and folded, else ``None``."""


class _Observation(Protocol):
    nodeId: str
    observedAt: str
    ip: str | None
    asn: int | None
    region: str | None


class _Report(Protocol):
    nodeId: str
    observedAt: str
    lastShutdownClean: bool
    bootId: str | None
    agentVersion: str | None
    fingerprint: str | None


def observations(rows: Mapping[str, Standing], policy_version: int) -> Advance:
    """Return the function that folds steady observations into ``rows``, which it changes in place."""
    decode = cast("Callable[[bytes], _Observation]", _leniently(NetworkObservation))

    def advance(key: bytes | None, value: bytes | None, timestamp: int) -> Standing | None:
        try:
            node_id = key.decode()  # type: ignore[union-attr] # None raises as other bad keys do
            row = rows.get(node_id)
            if row is None or row.current is None:
                return None
            message = decode(value)  # type: ignore[arg-type] # None raises as other bad values do
            at, observed_at = read_instant(message.observedAt)
        except _UNREADABLE:
            return None
        current, ip, asn, region = row.current, message.ip, message.asn, message.region
        if (
            message.nodeId == node_id
            and (ip is None or ip == current.ip)
            and (asn is None or asn == current.asn)
            and (region is None or region == current.region)
            and not (ip is None and asn is None and region is None)
            and at - timestamp <= FUTURE_MILLIS
            and (row.lastNetworkAt is None or observed_at >= row.lastNetworkAt)
            and row.exemptUntil is None
            and row.policyVersion == policy_version
            and 0 <= timestamp <= LATEST
        ):
            updated_at = observed_at if at == timestamp else canonical_text(timestamp)
            row.revision += 1
            row.updatedAt = updated_at
            row.lastNetworkAt = observed_at
            return row
        return None

    return advance


def reports(rows: Mapping[str, Standing], policy_version: int) -> Advance:
    """Return the function that folds steady telemetry reports into ``rows``, which it changes in place."""
    decode = cast("Callable[[bytes], _Report]", _leniently(Telemetry))

    def advance(key: bytes | None, value: bytes | None, timestamp: int) -> Standing | None:
        try:
            node_id = key.decode()  # type: ignore[union-attr] # as above
            row = rows.get(node_id)
            if row is None:
                return None
            message = decode(value)  # type: ignore[arg-type] # as above
            at, observed_at = read_instant(message.observedAt)
        except _UNREADABLE:
            return None
        boot_id = message.bootId
        is_boot = boot_id is not None and boot_id != row.lastBootId
        if (
            message.nodeId == node_id
            and (
                message.lastShutdownClean and signal_of(row.signals, SignalKind.ABRUPT_STOP) is None
                if is_boot
                else message.lastShutdownClean is row.lastShutdownClean
            )
            and (message.fingerprint is None or not message.fingerprint.strip(FINGERPRINT_CHARACTERS))
            and (message.agentVersion is None or _is_version(message.agentVersion))
            and at - timestamp <= FUTURE_MILLIS
            and (row.lastTelemetryAt is None or observed_at >= row.lastTelemetryAt)
            and row.exemptUntil is None
            and row.policyVersion == policy_version
            and 0 <= timestamp <= LATEST
        ):
            updated_at = observed_at if at == timestamp else canonical_text(timestamp)
            row.revision += 1
            row.updatedAt = updated_at
            row.lastTelemetryAt = observed_at
            row.lastShutdownClean = message.lastShutdownClean
            if is_boot:
                row.lastBootId = boot_id
            return row
        return None

    return advance


@lru_cache(maxsize=1_024)
def _is_version(text: str) -> bool:
    """Whether a text of a version's length is one; a fleet runs few of them, so they are remembered."""
    return not text.strip(VERSION_CHARACTERS)


def _of(lengths: tuple[int, int]) -> msgspec.Meta:
    return msgspec.Meta(min_length=lengths[0], max_length=lengths[1])


def _leniently(message_type: type[msgspec.Struct]) -> Callable[[bytes], object]:
    """Return a decoder of the same message that leaves unchecked what a known row proves, and instants as text."""
    fields = []
    for field in msgspec.structs.fields(message_type):
        kind = _UNCHECKED.get(field.name, field.type)
        fields.append((field.name, kind) if field.required else (field.name, kind, field.default))
    lenient = msgspec.defstruct(f"Steady{message_type.__name__}", fields, gc=False)
    return msgspec.json.Decoder(lenient).decode


LATEST: Final = Timestamp.LATEST
_UNCHECKED: Final = {
    "nodeId": str,
    "observedAt": str,
    "ip": str | None,
    # Their characters are checked by hand: a regular expression takes as long as all the rest.
    "agentVersion": Annotated[str, _of(VERSION_LENGTHS)] | None,
    "fingerprint": Annotated[str, _of(FINGERPRINT_LENGTHS)] | None,
}
_UNREADABLE: Final = (ValueError, TypeError, AttributeError, RecursionError)
"""What decoding raises (msgspec's errors and UnicodeDecodeError are ValueErrors); the rules name the error."""
