"""``kordon node``: the registry of nodes, changed by signed records; what is known of nodes, listed and explained."""

from __future__ import annotations

import asyncio
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kordon.commands.node_explain import explain
from kordon.commands.node_list import list_nodes
from kordon.commands.node_show import show
from kordon.operator_options import actor_option, operator_key_option, trust_option
from kordon.output import json_option, print_json, remark
from kordon.progress import waiting_on_stderr

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from kordon.operator import Operator, Written

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def node() -> None:
    """Watch nodes and explain them; say which there are and how they prove who they are, by signed registry records.

    Each change is a record with the next revision; the latest one counts. There are no tombstones.
    """


node.add_command(list_nodes)
node.add_command(show)
node.add_command(explain)


def _operator_options(command: Callable[..., None]) -> Callable[..., None]:
    for option in (json_option, trust_option, operator_key_option, actor_option):
        command = option(command)
    return command


@node.command(
    epilog="""
\b
Examples:
  kordon keys node --output node-1.json        # on the node; prints the public key
  kordon node enroll node-1 --public-key 11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo
  kordon node enroll till-7 --token-file till-7.token --fingerprint 9f86d081884c7d659a2feaa0c55ad015

Without --fingerprint the first one that is granted a capsule is bound. A node that is enrolled already gets
these credentials and settings instead of its former ones; what is not given stays as it is.
"""
)
@click.argument("node_id")
@click.option("--public-key", help="The node's Ed25519 public key: 32 bytes in base64url, 43 characters.")
@click.option("--token-file", type=_FILE, help="The node's bearer token; only its hash is sent, and that sealed.")
@click.option("--kid", default="1", show_default=True, help="Names the credential in the node's requests.")
@click.option("--fingerprint", help="The fingerprint the node must show: 32 to 128 hex digits.")
@click.option("--service-principal", help="Who the node is to other systems; stands in its capsules.")
@click.option("--runtime-version", help="Its runtime version; wins over what its requests say.")
@click.option("--ring", help="Its deployment ring.")
@click.option("--architecture", help="Its architecture, such as arm64.")
@_operator_options
def enroll(
    node_id: str,
    *,
    public_key: str | None,
    token_file: Path | None,
    kid: str,
    actor: str,
    operator_key_file: Path | None,
    trust_file: Path | None,
    as_json: bool,
    **details: str | None,
) -> None:
    """Enrol a node, or change what an enrolled one proves itself by."""
    if (public_key is None) == (token_file is None):
        raise click.UsageError("Give either --public-key or --token-file.")

    from kordon.tokens import load_token  # noqa: PLC0415 - so that --help is fast

    async def change(operator: Operator) -> Written:
        if token_file is not None:
            credential = operator.hmac_credential(node_id, kid, load_token(token_file))
        else:
            assert public_key is not None
            credential = operator.ed25519_credential(kid, public_key)
        return await operator.enrol(node_id, credential, details)

    _write(change, f"{node_id} is enrolled", actor, operator_key_file, trust_file, as_json=as_json)


def _change_command(
    name: str, done: str, text: str, example: str
) -> Callable[[Callable[[Operator, str], Coroutine[Any, Any, Written]]], click.Command]:
    def decorate(change: Callable[[Operator, str], Coroutine[Any, Any, Written]]) -> click.Command:
        @wraps(change)
        def command(
            node_id: str, *, actor: str, operator_key_file: Path | None, trust_file: Path | None, as_json: bool
        ) -> None:
            _write(
                lambda operator: change(operator, node_id),
                f"{node_id} is {done}",
                actor,
                operator_key_file,
                trust_file,
                as_json=as_json,
            )

        epilog = f"\b\nExample:\n  {example}"
        decorated = click.argument("node_id")(_operator_options(command))
        return node.command(name, help=text, epilog=epilog)(decorated)

    return decorate


@_change_command(
    "revoke",
    "revoked",
    "Take a node's standing away: it gets no capsule until it is enrolled again.",
    "kordon node revoke node-17",
)
async def revoke(operator: Operator, node_id: str) -> Written:
    """Write status revoked."""
    return await operator.change(node_id, status="revoked")


@_change_command("disable", "disabled", "Stop a node's capsules for a while.", "kordon node disable node-17")
async def disable(operator: Operator, node_id: str) -> Written:
    """Write enabled false."""
    return await operator.change(node_id, enabled=False)


@_change_command("enable", "enabled", "Let a disabled node have capsules again.", "kordon node enable node-17")
async def enable(operator: Operator, node_id: str) -> Written:
    """Write enabled true."""
    return await operator.change(node_id, enabled=True)


@_change_command(
    "remove",
    "removed",
    "Forget a node: its requests are answered like those of a node nobody ever knew. A quarantine stays.",
    "kordon node remove node-17",
)
async def remove(operator: Operator, node_id: str) -> Written:
    """Write status removed."""
    return await operator.change(node_id, status="removed")


def _write(
    change: Callable[[Operator], Coroutine[Any, Any, Written]],
    done: str,
    actor: str,
    operator_key_file: Path | None,
    trust_file: Path | None,
    *,
    as_json: bool,
) -> None:
    from kordon.operator import Operator  # noqa: PLC0415 - so that --help is fast
    from transport.settings import KafkaSettings  # noqa: PLC0415

    async def write() -> Written:
        async with (
            waiting_on_stderr("reading the registry"),
            Operator.from_files(KafkaSettings.load(), operator_key_file, trust_file, actor) as operator,
        ):
            return await change(operator)

    written = asyncio.run(write())
    if as_json:
        print_json(written)
        return
    click.echo(f"{done}, by revision {written.value['revision']}, signed by {written.kid}.")
    remark("The issuer acts on it at once.")
