"""``kordon config``: every setting, its value, its unit and where the value comes from."""

from __future__ import annotations

import os
import tomllib
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from kordon.failures import CommandFailed, ExitStatus
from kordon.output import json_option, print_json, print_table
from transport.settings_file import CONFIG_FILE_VARIABLE

if TYPE_CHECKING:
    from transport.settings_file import SectionSettings

SECTIONS: Final = {
    "kafka": "transport.settings:KafkaSettings",
    "worker": "streams.settings:WorkerSettings",
    "issuer": "issuer.settings:IssuerSettings",
    "ledger": "kordon.ledger.settings:LedgerSettings",
    "kordon": "kordon.settings:CommandSettings",
}
"""Section of the file → the class that reads it."""


@click.command(
    epilog="""
\b
Examples:
  kordon config
  kordon config --section kafka --json | jq '.[] | select(.source != "default")'
"""
)
@click.option("--section", type=click.Choice(list(SECTIONS)), help="Only this section.")
@json_option
def config(*, section: str | None, as_json: bool) -> None:
    """Print every setting: value (secrets as asterisks), environment variable, source, and meaning with its unit.

    The environment wins over the file that KORDON_CONFIG_FILE names, and the file over the default.
    """
    rows = [row for name in SECTIONS if section in (None, name) for row in _rows(name)]
    if as_json:
        print_json(rows)
        return
    columns = ("variable", "value", "source", "description")
    print_table(columns, [[row[column] for column in columns] for row in rows])


def _rows(section: str) -> list[dict[str, Any]]:
    module, _, name = SECTIONS[section].partition(":")
    settings_class: type[SectionSettings] = getattr(import_module(module), name)
    in_file = _section_of_file(section)
    return [
        {
            "section": section,
            "name": setting.name,
            "variable": setting.variable,
            "value": setting.value,
            "source": _source(setting.variable, setting.name, in_file),
            "description": setting.description,
        }
        for setting in settings_class.load().described()
    ]


def _source(variable: str, name: str, in_file: dict[str, Any]) -> str:
    if any(each.upper() == variable for each in os.environ):
        return "environment"
    return "file" if name in in_file else "default"


def _section_of_file(section: str) -> dict[str, Any]:
    path = os.environ.get(CONFIG_FILE_VARIABLE)
    if not path:
        return {}
    try:
        content = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CommandFailed(
            ExitStatus.CONFIGURATION, f"{path} cannot be read: {error}", f"Correct it, or unset {CONFIG_FILE_VARIABLE}."
        ) from None
    found = content.get(section)
    return found if isinstance(found, dict) else {}
