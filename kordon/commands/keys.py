"""``kordon keys``: the keys of a cluster, of its operators and of its nodes."""

from __future__ import annotations

import re
from pathlib import Path

import click

from kordon.output import json_option, print_json, remark

_PATH = click.Path(path_type=Path)


@click.group()
def keys() -> None:
    """Make keys. Every file has mode 0600 and none is ever overwritten."""


def _file_names(_context: click.Context, _parameter: click.Parameter, names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
            raise click.BadParameter("an operator's name is letters, digits, dot, hyphen and underscore.")
    return names


@keys.command(
    epilog="""
\b
Examples:
  kordon keys init --cluster-id berlin
  kordon keys init --cluster-id berlin --directory /etc/kordon --passphrase-file /run/secrets/kordon
  kordon keys init --cluster-id test --operator alice --operator bob

\b
It makes, in the directory:
  keys/           the issuer's signing keys, master secrets and sealing keys, encrypted
  passphrase      their passphrase, unless --passphrase-file names one; keep it apart from them
  operator.json   an operator's key for `kordon node` and `kordon quarantine` (one per --operator)
  trust.json      whom everybody believes: take it to workers, issuers, nodes and verifiers yourself
"""
)
@click.option("--cluster-id", required=True, help="Names this cluster; half of every request's audience.")
@click.option("--issuer", "issuer_name", help="The issuer's name in envelopes. Default: kordon-CLUSTER_ID.")
@click.option("--directory", type=_PATH, default=".kordon", show_default=True, help="Where the files go.")
@click.option(
    "--operator", "operators", multiple=True, callback=_file_names, help="An operator's name. Default: operator."
)
@click.option("--passphrase-file", type=_PATH, help="File with the key ring's passphrase, 12 bytes or more.")
@json_option
def init(
    *,
    cluster_id: str,
    issuer_name: str | None,
    directory: Path,
    operators: tuple[str, ...],
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Make the keys of a new cluster and its trust.json."""
    import time  # noqa: PLC0415 - beside the imports below, which are here so that --help is fast

    from kordon.failures import CommandFailed, ExitStatus  # noqa: PLC0415
    from kordon.new_keys import make_keys  # noqa: PLC0415
    from schemas.codec import DecodeError  # noqa: PLC0415

    try:
        made = make_keys(
            directory,
            cluster_id=cluster_id,
            issuer=issuer_name or f"kordon-{cluster_id}",
            label=time.strftime("%Y%m%d"),
            operators=operators or ("operator",),
            passphrase_file=passphrase_file,
        )
    except DecodeError as error:
        raise CommandFailed(
            ExitStatus.USAGE, f"{error.field}: {error.reason}", "Choose names of letters, digits, dot and hyphen."
        ) from None
    files = {
        "keysFolder": str(made.keys_folder),
        "passphraseFile": str(made.passphrase_file),
        "trustFile": str(made.trust_file),
        "operatorKeys": {key.kid: str(file) for file, key in made.operators.items()},
    }
    if as_json:
        print_json({"clusterId": made.trust.cluster_id, "issuer": made.trust.issuer, **files})
        return
    click.echo(f"issuer's key ring   {files['keysFolder']}")
    click.echo(f"its passphrase      {files['passphraseFile']}")
    for file, key in made.operators.items():
        click.echo(f"operator's key      {file} ({key.kid})")
    click.echo(f"whom to believe     {files['trustFile']}")
    remark("Give trust.json to every worker, issuer, node and verifier, by a way you trust. Keep the rest secret.")


@keys.command(
    epilog="""
\b
Examples:
  kordon keys node --output node-1.json
  kordon node enroll node-1 --public-key "$(kordon keys node --output node-1.json)"
"""
)
@click.option("--output", type=_PATH, required=True, help="The new key file.")
@click.option("--kid", default="1", show_default=True, help="The credential's name in the node's registry record.")
@json_option
def node(*, output: Path, kid: str, as_json: bool) -> None:
    """Make a node's own key and print its public half, for an operator to enrol."""
    from transport.key_files import generate_signing_key, save_signing_key  # noqa: PLC0415 - so that --help is fast

    key = generate_signing_key(kid)
    save_signing_key(output, key)
    if as_json:
        print_json({"kid": kid, "publicKey": key.public_key_text, "file": str(output)})
    else:
        click.echo(key.public_key_text)
