"""``kordon capsule verify``: whether an envelope is to be believed."""

from __future__ import annotations

import asyncio
import time
from typing import IO, TYPE_CHECKING, Any

import click

from kordon.failures import ExitStatus
from kordon.operator_options import trust_option
from kordon.output import json_option, print_fields, print_json

if TYPE_CHECKING:
    from pathlib import Path

    from schemas.capsules import CapsuleClaims, DenialClaims
    from transport.envelopes import Expected
    from transport.settings import KafkaSettings
    from transport.trust import Trust

_MOST_BYTES = 1_048_576


@click.command(
    epilog="""
\b
Examples:
  kordon capsule verify capsule.jws
  kordon capsule request node-1 --key node-1.json --fingerprint … --json | kordon capsule verify -
  kordon capsule verify reply.json --node node-1 --check-row

\b
FILE is an envelope (a compact JWS) or a JSON object that has one, such as a whole reply; of that nothing but the
envelope counts. Possession of the key it is bound to (cnf) is not proven by it: that takes a challenge to the holder.
Status: 0 a capsule that counts; 3 a denial that counts; 1 neither, and the fault is named: a closed list, with VOID
for a capsule that a quarantine took back (--check-row). With --json: {valid, kind, fault, text, claims}.
"""
)
@click.argument("file", type=click.File("rb"))
@click.option("--node", "node_id", help="Accept it for this node alone.")
@click.option("--check-row", is_flag=True, help="Read the node's risk row: refuse a capsule older than its quarantine.")
@trust_option
@json_option
def verify(file: IO[bytes], *, node_id: str | None, check_row: bool, trust_file: Path | None, as_json: bool) -> int:
    """Verify a capsule or a denial against trust.json, for this cluster and prefix, now."""
    from kordon.settings import CommandSettings  # noqa: PLC0415 - so that --help is fast
    from schemas.capsules import CapsuleClaims  # noqa: PLC0415
    from transport.envelopes import EnvelopeError, Expected, is_void  # noqa: PLC0415
    from transport.settings import KafkaSettings  # noqa: PLC0415
    from transport.trust import Trust  # noqa: PLC0415

    kafka = KafkaSettings.load()
    trust = Trust.load(trust_file or CommandSettings.load().trust_file)
    expected = Expected(trust.audience(kafka.prefix), time.time_ns() // 1_000_000, node_id=node_id)
    try:
        claims = verified(file.read(_MOST_BYTES), trust, expected)
    except EnvelopeError as error:
        return _tell_fault(error.fault.value, str(error), None, as_json=as_json)
    if isinstance(claims, CapsuleClaims) and check_row and is_void(claims, asyncio.run(_row_of(kafka, claims.nodeId))):
        text = "a quarantine of its node took it back: it was judged before"
        return _tell_fault("VOID", text, claims, as_json=as_json)
    return _tell(claims, as_json=as_json)


def verified(content: bytes, trust: Trust, expected: Expected) -> CapsuleClaims | DenialClaims:
    """Return the claims of a compact JWS, or of the ``envelope`` in a JSON object.

    Raises:
        EnvelopeError: they must not be acted on.
    """
    import msgspec  # noqa: PLC0415 - so that --help is fast

    from transport.envelopes import EnvelopeError, EnvelopeFault, verify_capsule, verify_denial  # noqa: PLC0415

    text: Any = content.decode("ascii", "replace").strip()
    if text.startswith("{"):
        try:
            text = msgspec.json.decode(content, type=dict[str, Any]).get("envelope")
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            text = None
    if not isinstance(text, str):
        raise EnvelopeError(EnvelopeFault.MALFORMED)
    try:
        return verify_capsule(text, trust, expected)
    except EnvelopeError as error:
        # Each function accepts its own typ alone and calls everything else malformed.
        if error.fault is not EnvelopeFault.MALFORMED:
            raise
    return verify_denial(text, trust, expected)


async def _row_of(settings: KafkaSettings, node_id: str) -> Any:
    from kordon.nodes.node_reading import read_row  # noqa: PLC0415 - so that --help is fast

    return await read_row(settings, node_id)


def _tell_fault(fault: str, text: str, claims: CapsuleClaims | None, *, as_json: bool) -> int:
    if as_json:
        kind = None if claims is None else "capsule"
        print_json({"valid": False, "kind": kind, "fault": fault, "text": text, "claims": claims})
    else:
        click.echo(f"not valid: {fault}, {text}")
    return ExitStatus.UNEXPECTED


def _tell(claims: CapsuleClaims | DenialClaims, *, as_json: bool) -> int:
    import msgspec  # noqa: PLC0415 - so that --help is fast

    fields = msgspec.to_builtins(claims)
    if as_json:
        kind = "denial" if claims.denied else "capsule"
        print_json({"valid": True, "kind": kind, "fault": None, "text": None, "claims": fields})
    else:
        click.echo("a valid denial" if claims.denied else "a valid capsule")
        bound = fields.pop("cnf", None)
        fields["cnf"] = None if bound is None else bound["jkt"]
        # Said above; sealed, and of use to its node alone.
        fields = {name: value for name, value in fields.items() if name not in {"denied", "sealedRuntimeKey"}}
        print_fields(fields)
    return ExitStatus.DENIED if claims.denied else ExitStatus.OK
