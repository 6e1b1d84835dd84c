"""``kordon issuer``: the issuer under a supervisor."""

from __future__ import annotations

import sys

import click

from kordon.services import Service, grace_option, supervise


@click.command(
    epilog="""
\b
Examples:
  kordon keys init --cluster-id berlin && kordon issuer
  KORDON_CONFIG_FILE=/etc/kordon.toml kordon issuer

Which settings there are: kordon config --section issuer. The same without a supervisor: python -m issuer
"""
)
@click.option("--supervise/--no-supervise", "restart", default=True, help="Restart after a crash. Default: yes.")
@grace_option
def issuer(*, grace: float, restart: bool) -> int:
    """Answer capsule requests with signed, sealed capsules or signed denials.

    Reply, decision and offsets of a request are one Kafka transaction. A crash resumes at the issuer's own
    checkpoint; this command restarts it. SIGTERM and Ctrl-C end it.
    """
    return supervise(Service("issuer", [sys.executable, "-m", "issuer"]), restart=restart, grace=grace)
