"""``kordon config``: every setting, its value, its unit and where the value comes from."""

from __future__ import annotations

import os
import tomllib
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from kordon.failures import CommandFailed, ExitStatus
from kordon.output import json_option, print_json, print_table, remark
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
  kordon config --changed
  kordon config --section kafka --json | jq '.[] | select(.source == "environment") | .variable'

\b
Source is environment, file or default. A variable that begins like a setting and is none, a slip of the pen for
instance, is named on stderr. With --json: [{section, name, variable, value, source, description}].
"""
)
@click.option("--section", type=click.Choice(list(SECTIONS)), help="Only this section.")
@click.option("--changed", is_flag=True, help="Only what the environment or the file sets.")
@json_option
def config(*, section: str | None, changed: bool, as_json: bool) -> None:
    """Print every setting: value (secrets as asterisks), environment variable, source, and meaning with its unit.

    The environment wins over the file that KORDON_CONFIG_FILE names, and the file over the default.
    """
    chosen = [name for name in SECTIONS if section in (None, name)]
    rows = [row for name in chosen for row in _rows(name) if not changed or row["source"] != "default"]
    for name in sorted(name for each in chosen for name in _unknown_variables(each)):
        remark(f"{name} is set and is no setting: it has no effect.")
    if as_json:
        print_json(rows)
        return
    columns = ("variable", "value", "source", "description")
    print_table(columns, [[row[column] for column in columns] for row in rows])


def _class_of(section: str) -> type[SectionSettings]:
    module, _, name = SECTIONS[section].partition(":")
    settings_class: type[SectionSettings] = getattr(import_module(module), name)
    return settings_class


def _unknown_variables(section: str) -> list[str]:
    settings_class = _class_of(section)
    prefix = settings_class.variable("")
    if prefix == "KORDON_":
        # What begins like this alone may be another program's, such as the compose file's.
        return []
    known = {settings_class.variable(name) for name in settings_class.model_fields}
    return [name for name in os.environ if name.upper().startswith(prefix) and name.upper() not in known]


def _rows(section: str) -> list[dict[str, Any]]:
    settings_class = _class_of(section)
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
