"""The ledger's views: the joins that most questions begin with (docs/ledger.md)."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from schemas.topics import COMMANDS, DECISIONS, QUARANTINE, REGISTRY

_SIGNAL_COLUMNS: Final = ", ".join(
    f"json_extract(value, '$.{path}') AS {column}"
    for path, column in (
        ("kind", "kind"),
        ("points", "points"),
        ("raisedAt", "raised_at"),
        ("from", "from_value"),
        ("to", "to_value"),
        ("evidence.topic", "evidence_topic"),
        ("evidence.partition", "evidence_partition"),
        ("evidence.offset", "evidence_offset"),
    )
)

VIEWS: Final = MappingProxyType(
    {
        # Every node that anybody ever spoke of: enrolled, seen, or both.
        "fleet": """
            SELECT node_id, coalesce(nodes.status, 'not enrolled') AS enrolment, nodes.enabled,
                risk.status AS risk_status, risk.score, risk.updated_at AS seen_at,
                risk.current_ip, risk.current_asn, risk.current_region,
                coalesce(nodes.fingerprint, iif(bindings.binding_epoch = coalesce(nodes.binding_epoch, 0),
                    bindings.fingerprint, NULL)) AS fingerprint,
                nodes.ring, nodes.architecture, nodes.signature
            FROM (SELECT node_id FROM nodes UNION SELECT node_id FROM risk)
            LEFT JOIN nodes USING (node_id) LEFT JOIN risk USING (node_id) LEFT JOIN bindings USING (node_id)""",
        "quarantined": """
            SELECT risk.node_id, risk.quarantined_at, risk.quarantine_cause AS cause, risk.quarantine_score AS score,
                transitions.actor, transitions.reason, risk.quarantine_id AS transition_id
            FROM risk LEFT JOIN transitions ON transitions.transition_id = risk.quarantine_id
            WHERE risk.status = 'quarantined'""",
        "signals": f"SELECT node_id, status, {_SIGNAL_COLUMNS} FROM risk, json_each(risk.signals)",  # noqa: S608 - fixed names
        "transition_signals": f"""
            SELECT transition_id, node_id, at, to_status, {_SIGNAL_COLUMNS}
            FROM transitions, json_each(transitions.signals)""",  # noqa: S608
        # A capsule counts until it expires, or until its node is quarantined after it was judged.
        "capsules": """
            SELECT decisions.capsule_id, decisions.node_id, decisions.at AS granted_at, decisions.expires_at,
                decisions.expires_at <= strftime('%Y-%m-%dT%H:%M:%SZ', 'now') AS expired,
                decisions.risk_revision < coalesce(risk.capsules_valid_from, 0) AS void,
                decisions.risk_score, decisions.fingerprint, decisions.runtime_version, decisions.master_id
            FROM decisions LEFT JOIN risk USING (node_id) WHERE NOT decisions.denied""",
        "denials": """
            SELECT at, node_id, reason, risk_score, risk_revision, claimed_ip, claimed_asn, claimed_region, request_id
            FROM decisions WHERE denied""",
        # What became of an order: a dead letter says that the worker refused it.
        "command_outcomes": f"""
            SELECT commands.*, dead_letters.exception, dead_letters.message
            FROM commands LEFT JOIN dead_letters ON dead_letters.source_topic = '{COMMANDS}'
                AND dead_letters.source_partition = commands.partition
                AND dead_letters.source_offset = commands.offset""",  # noqa: S608
        "timeline": f"""
            SELECT at, node_id, 'transition' AS kind, from_status || ' → ' || to_status || ' at ' || score AS what,
                coalesce(actor, cause) AS who, reason AS why, '{QUARANTINE}' AS topic, partition, offset
            FROM transitions
            UNION ALL
            SELECT at, node_id, 'decision', iif(denied, 'denied', 'capsule ' || capsule_id), 'issuer', reason,
                '{DECISIONS}', partition, offset FROM decisions
            UNION ALL
            SELECT at, node_id, 'command', action, actor, reason, '{COMMANDS}', partition, offset FROM commands
            UNION ALL
            SELECT at, node_id, 'registry', status || iif(enabled, '', ', disabled') || iif(counts, '', ', ignored'),
                updated_by, refusal, '{REGISTRY}', partition, offset FROM registry""",  # noqa: S608
    }
)
"""View name → its SELECT."""
