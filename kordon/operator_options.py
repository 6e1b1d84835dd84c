"""Options that every operator's command has: the key that signs, the trust file, who acts."""

from __future__ import annotations

import getpass
from pathlib import Path

import click

_FILE = click.Path(dir_okay=False, path_type=Path)


def _current_user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "operator"


operator_key_option = click.option(
    "--operator-key",
    "operator_key_file",
    type=_FILE,
    help="Key file that signs (mode 0600). Default: KORDON_OPERATOR_KEY_FILE, .kordon/operator.json.",
)
trust_option = click.option(
    "--trust", "trust_file", type=_FILE, help="trust.json. Default: KORDON_TRUST_FILE, .kordon/trust.json."
)
actor_option = click.option(
    "--actor", default=_current_user, help="Who acts, as the record will say. Default: the login name."
)
