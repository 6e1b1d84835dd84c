"""``kordon node show``: everything the topics say of one node now."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import click

from kordon.operator_options import trust_option
from kordon.output import json_option, print_fields, print_json

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@click.command(
    epilog="""
\b
Examples:
  kordon node show cobalt
  kordon node show cobalt --json | jq .risk.current

\b
Only the node's own partition of node.registry.v1, node.bindings.v1, node.risk.v1 and node.quarantine.v1 is read.
Credentials are shown by kid, type and thumbprint (RFC 7638). Status 1: no topic knows the node. With --json:
{nodeId, registry, binding, risk, quarantine, exemption, lastCapsule}, null where there is none; docs/command.md.
"""
)
@click.argument("node_id", metavar="NODE")
@trust_option
@json_option
def show(node_id: str, *, trust_file: Path | None, as_json: bool) -> None:
    """Show one node: its registry record, fingerprint, risk row, last capsule, quarantine and exemption."""
    from kordon.nodes.node_reading import read_state  # noqa: PLC0415 - so that --help is fast
    from kordon.nodes.node_state import view_of  # noqa: PLC0415
    from kordon.trust_at_hand import trust_at_hand  # noqa: PLC0415
    from schemas.timestamp import Timestamp  # noqa: PLC0415
    from transport.settings import KafkaSettings  # noqa: PLC0415

    state = asyncio.run(read_state(KafkaSettings.load(), node_id, trust_at_hand(trust_file)))
    view = view_of(state, Timestamp(time.time_ns() // 1_000_000))
    if as_json:
        print_json(view)
    else:
        print_fields(fields_of(view))


def fields_of(view: Mapping[str, Any]) -> dict[str, object]:
    """Return a node's view as lines for people."""
    return {
        "node": view["nodeId"],
        **_registry(view["registry"]),
        **_binding(view["binding"]),
        **_risk(view["risk"]),
        **_quarantine(view["quarantine"]),
        **_rest(view),
    }


def _registry(registry: Mapping[str, Any] | None) -> dict[str, object]:
    if registry is None:
        return {"registry": "not enrolled"}
    vouched = f"signed by {registry['signedBy']}" if registry["signedBy"] else f"signature {registry['signature']}"
    fields: dict[str, object] = {"registry": f"{registry['standing']}, {vouched}"}
    if registry["refused"]:
        last = registry["refused"][-1]
        fields["refused records"] = f"{len(registry['refused'])}, last {last['reason']} at offset {last['offset']}"
    if "revision" not in registry:
        return fields
    changed = " ".join(
        f"{word} {registry[name]}" for word, name in (("at", "updatedAt"), ("by", "updatedBy")) if name in registry
    )
    fields["registry revision"] = f"{registry['revision']} {changed}".rstrip()
    for credential in registry["credentials"]:
        shown = credential["thumbprint"] or "verifier sealed to the issuer"
        fields[f"credential {credential['kid']}"] = f"{credential['type']}, {shown}"
    for label, name in _REGISTRY_FIELDS.items():
        fields[label] = registry.get(name)
    return fields


_REGISTRY_FIELDS = {
    "enrolled fingerprint": "fingerprint",
    "service principal": "servicePrincipal",
    "runtime version": "runtimeVersion",
    "ring": "ring",
    "architecture": "architecture",
}


def _binding(binding: Mapping[str, Any] | None) -> dict[str, object]:
    if binding is None:
        return {}
    counts = "" if binding["counts"] else ", which does not count now"
    return {"bound fingerprint": f"{binding['fingerprint']} at {binding['boundAt']}{counts}"}


def _risk(risk: Mapping[str, Any] | None) -> dict[str, object]:
    if risk is None:
        return {"risk": "no record of it was folded yet: it counts as score 0"}
    signals = ", ".join(f"{signal['kind']} {signal['points']}" for signal in risk["signals"])
    return {
        "risk": f"{risk['status']}, score {risk['score']}" + (f" ({signals})" if signals else ""),
        "risk revision": f"{risk['revision']} at {risk['updatedAt']}, policy {risk['policyVersion']}",
        "baseline": _network(risk.get("baseline")),
        "seen at": _network(risk.get("current")),
        "last observation": risk.get("lastNetworkAt"),
        "last report": risk.get("lastTelemetryAt"),
        "last boot": risk.get("lastBootId"),
    }


def _quarantine(held: Mapping[str, Any] | None) -> dict[str, object]:
    if held is None:
        return {}
    fields: dict[str, object] = {
        "held": f"since {held['since']} by {held['cause']}, at {held['score']} points",
        "held by": held["actor"],
        "reason": held["reason"],
        "capsules": f"those judged below revision {held['revision']} are void",
    }
    if held["takenOver"]:
        fields["taken over"] = "policy held it first, an operator does now"
    return fields


def _rest(view: Mapping[str, Any]) -> dict[str, object]:
    exemption, last = view["exemption"], view["lastCapsule"]
    running = "" if exemption is None or exemption["running"] else ", run out"
    return {
        "exempt until": None if exemption is None else exemption["until"] + running,
        "last capsule": None if last is None else f"{last['capsuleId']}, expires {last['expiresUtc']}",
    }


def _network(network: Mapping[str, Any] | None) -> str | None:
    if not network:
        return None
    asn = None if network.get("asn") is None else f"AS{network['asn']}"
    return ", ".join(part for part in (network.get("ip"), asn, network.get("region")) if part)
