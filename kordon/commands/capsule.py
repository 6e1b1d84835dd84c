"""``kordon capsule``: what a node does to get its credentials; what was decided; whether an envelope counts."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kordon.commands.capsule_list import list_decisions
from kordon.commands.capsule_verify import verify
from kordon.failures import CommandFailed, ExitStatus
from kordon.operator_options import trust_option
from kordon.output import json_option, print_json, remark
from kordon.progress import waiting_on_stderr

if TYPE_CHECKING:
    from kordon.client import Capsule, Denial, NodeCredential
    from schemas.network import Network

_EXISTING = click.Path(exists=True, dir_okay=False, path_type=Path)
_NEW = click.Path(dir_okay=False, path_type=Path)


@click.group()
def capsule() -> None:
    """Request a capsule as a node does; list what the issuer decided; verify what somebody shows."""


capsule.add_command(list_decisions)
capsule.add_command(verify)


@capsule.command(
    epilog="""
\b
Examples:
  kordon keys node --output node-1.json            once; then an operator enrols its public key
  kordon capsule request node-1 --key node-1.json --fingerprint 9f86d081884c7d659a2feaa0c55ad015
  kordon capsule request till-7 --token-file till-7.token --fingerprint … --runtime-key-file runtime.key
  kordon capsule request node-1 --key node-1.json --fingerprint … --asn 64500 --region eu-west-1 --json

Exit status 3 is a denial by an answer that was verified; 75 means that nobody answered. The runtime key is never
printed: --runtime-key-file writes its 32 bytes to a new file of mode 0600.
"""
)
@click.argument("node_id")
@click.option("--key", "key_file", type=_EXISTING, help="The node's key file (mode 0600).")
@click.option("--token-file", type=_EXISTING, help="The node's bearer token.")
@click.option("--kid", help="The credential's name in the registry. Default: the key file's; 1 with a token.")
@click.option("--fingerprint", required=True, help="What the node is: 32 to 128 hex digits.")
@click.option("--runtime-version", default="1.0.0", show_default=True, help="The node's runtime version.")
@click.option("--ip", help="Where the node says it is: its address,")
@click.option("--asn", type=click.IntRange(1, 4_294_967_295), help="its autonomous system,")
@click.option("--region", help="and its region. What it says is judged, and believed in no other way.")
@click.option("--timeout", type=click.FloatRange(0, 300, min_open=True), help="Seconds until it is sent again.")
@click.option("--attempts", type=click.IntRange(1, 100), default=3, show_default=True, help="How often it is sent.")
@click.option(
    "--patience",
    type=click.FloatRange(0),
    default=0.0,
    help="Seconds to keep asking while the answer is RISK_STATE_STALE, as when the worker is just starting.",
)
@click.option("--runtime-key-file", type=_NEW, help="Write the runtime key here.")
@trust_option
@json_option
def request(
    node_id: str,
    *,
    key_file: Path | None,
    token_file: Path | None,
    kid: str | None,
    fingerprint: str,
    runtime_version: str,
    ip: str | None,
    asn: int | None,
    region: str | None,
    timeout: float | None,
    attempts: int,
    patience: float,
    runtime_key_file: Path | None,
    trust_file: Path | None,
    as_json: bool,
) -> int:
    """Request a capsule and print what came of it."""
    if (key_file is None) == (token_file is None):
        raise click.UsageError("Give either --key or --token-file.")
    answer = asyncio.run(
        _ask(
            node_id,
            _credential(key_file, token_file, kid),
            fingerprint,
            runtime_version,
            _claims(ip, asn, region),
            timeout,
            attempts,
            patience,
            trust_file,
        )
    )
    return _tell(answer, runtime_key_file, as_json=as_json)


async def _ask(
    node_id: str,
    credential: NodeCredential,
    fingerprint: str,
    runtime_version: str,
    claims: Network | None,
    timeout_seconds: float | None,
    attempts: int,
    patience_seconds: float,
    trust_file: Path | None,
) -> Capsule | Denial:
    from kordon.client import CapsuleClient, NoReplyError  # noqa: PLC0415 - so that --help is fast
    from kordon.settings import CommandSettings  # noqa: PLC0415
    from schemas.codec import DecodeError  # noqa: PLC0415
    from transport.settings import KafkaSettings  # noqa: PLC0415
    from transport.trust import Trust  # noqa: PLC0415

    settings = CommandSettings.load()
    trust = Trust.load(trust_file or settings.trust_file)
    try:
        async with (
            waiting_on_stderr("waiting for the issuer's answer"),
            CapsuleClient(KafkaSettings.load(), trust, node_id, credential) as client,
        ):
            return await client.request(
                fingerprint,
                runtime_version,
                network=claims,
                timeout_seconds=timeout_seconds or settings.reply_timeout_seconds,
                attempts=attempts,
                patience_seconds=patience_seconds,
            )
    except DecodeError as error:
        raise CommandFailed(ExitStatus.USAGE, f"{error.field}: {error.reason}", "Correct the argument.") from None
    except NoReplyError as error:
        raise CommandFailed(
            ExitStatus.TIMED_OUT,
            f"there was {error}",
            "Is an issuer running, on the cluster and prefix that `kordon config` shows, and is trust.json its own?",
        ) from None


def _credential(key_file: Path | None, token_file: Path | None, kid: str | None) -> NodeCredential:
    from kordon.client import Ed25519Credential, HmacCredential  # noqa: PLC0415 - so that --help is fast
    from kordon.tokens import load_token  # noqa: PLC0415
    from transport.key_files import load_signing_key  # noqa: PLC0415

    if token_file is not None:
        return HmacCredential(kid or "1", load_token(token_file))
    assert key_file is not None
    key = load_signing_key(key_file)
    return Ed25519Credential(kid or key.kid, key.private_key)


def _claims(ip: str | None, asn: int | None, region: str | None) -> Network | None:
    from schemas.network import InvalidFieldError, Network  # noqa: PLC0415 - so that --help is fast

    if ip is None and asn is None and region is None:
        return None
    try:
        return Network(ip, asn, region)
    except InvalidFieldError as error:
        raise click.BadParameter(f"{error}.", param_hint=f"--{error.field}") from None


def _tell(answer: Capsule | Denial, runtime_key_file: Path | None, *, as_json: bool) -> int:
    from kordon.client import Denial  # noqa: PLC0415 - so that --help is fast

    denied = isinstance(answer, Denial)
    fields = _fields(answer)
    if as_json:
        print_json({"denied": denied, **fields})
    else:
        click.echo("denied" if denied else "granted")
        for name, value in fields.items():
            if name != "envelope":
                click.echo(f"  {name:<18}{value}")
    if isinstance(answer, Denial):
        return ExitStatus.DENIED
    if runtime_key_file is not None:
        from transport.private_files import write_private_file  # noqa: PLC0415

        write_private_file(runtime_key_file, answer.runtime_key)
        remark(f"The runtime key is in {runtime_key_file}.")
    return ExitStatus.OK


def _fields(answer: Capsule | Denial) -> dict[str, Any]:
    from kordon.client import Denial  # noqa: PLC0415 - so that --help is fast

    if isinstance(answer, Denial):
        named = {
            "reason": answer.reason.value,
            "nodeId": answer.node_id,
            "requestId": answer.request_id,
            "riskScore": answer.risk_score,
            "retryAfterSeconds": answer.retry_after_seconds,
        }
    else:
        named = {
            "capsuleId": answer.capsule_id,
            "nodeId": answer.node_id,
            "requestId": answer.request_id,
            "expiresUtc": str(answer.expires_at).replace(".000Z", "Z"),
            "servicePrincipal": answer.service_principal,
            "runtimeVersion": answer.runtime_version,
            "masterId": answer.master_id,
            "riskScore": answer.risk_score,
        }
    return {name: value for name, value in (named | {"envelope": answer.envelope}).items() if value is not None}
