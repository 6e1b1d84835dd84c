"""Writes from the code the tables of the documents (topics, access lists, settings) and whole files (the contracts).

    python scripts/documents.py            write them
    python scripts/documents.py --check    change nothing, exit 1 where a document is not what the code says

A table stands between ``<!-- generated: NAME -->`` and ``<!-- end -->``; the rest of a document is a person's.
"""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from bench.report import musts_table, results_table
from issuer.settings import IssuerSettings
from kordon.command_reference import reference
from kordon.contracts.files import GENERATED, generated_files
from kordon.contracts.pages import PAGES, markdown_table
from kordon.ledger.settings import LedgerSettings
from kordon.settings import CommandSettings
from schemas.topics import TOPICS, Cleanup, Party, TopicSpec
from streams.settings import WorkerSettings
from transport.settings import KafkaSettings
from transport.settings_file import SectionSettings

ROOT: Final = Path(__file__).resolve().parents[1]
DOCUMENTS: Final = (
    "README.md",
    "docs/command.md",
    "docs/settings.md",
    "docs/operations.md",
    "docs/performance.md",
    "docs/producers.md",
)
MARKED: Final = re.compile(r"(<!-- generated: (?P<name>[a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)

SETTINGS: Final[dict[str, type[SectionSettings]]] = {
    "kafka": KafkaSettings,
    "worker": WorkerSettings,
    "issuer": IssuerSettings,
    "ledger": LedgerSettings,
    "kordon": CommandSettings,
}

FIRST_SETTINGS: Final = (
    (KafkaSettings, "bootstrap_servers"),
    (KafkaSettings, "prefix"),
    (KafkaSettings, "security_protocol"),
    (KafkaSettings, "partitions"),
    (WorkerSettings, "instance_id"),
    (WorkerSettings, "commit_interval_ms"),
    (WorkerSettings, "trust_file"),
    (IssuerSettings, "trust_file"),
    (IssuerSettings, "capsule_lifetime_seconds"),
    (IssuerSettings, "progress_age_ms"),
)
"""What a newcomer sets first; the README shows these alone."""

REPLACED: Final = {Party.STREAMS: "the worker"}


def topics() -> str:
    """The topic table, the derived topics left out."""
    rows = [
        (
            f"`{spec.name}`",
            _cleanup(spec),
            "a compact JWS" if spec.value is None else spec.value.__name__,
            _parties(spec.writers) + (", signed" if spec.signed else ""),
            _parties(spec.readers),
        )
        for spec in TOPICS.values()
        if not spec.name.endswith((".dlq", ".repartition"))
    ]
    return markdown_table(("topic", "kept", "value", "written by", "read by"), rows)


def access() -> str:
    """Every topic, the derived ones too, and which principals need which operation on it."""
    rows = [(f"`{spec.name}`", _parties(spec.writers), _parties(spec.readers)) for spec in TOPICS.values()]
    return markdown_table(("topic", "Write", "Read"), rows)


def first_settings() -> str:
    """The settings that are set first."""
    return _settings_table((section, section.model_fields[name], name) for section, name in FIRST_SETTINGS)


def settings_of(section: type[SectionSettings]) -> Callable[[], str]:
    """Return the maker of a section's table."""
    return lambda: _settings_table((section, field, name) for name, field in section.model_fields.items())


TABLES: Final[dict[str, Callable[[], str]]] = {
    "topics": topics,
    "access": access,
    "first-settings": first_settings,
    "command-reference": reference,
    "bench-results": results_table,
    "bench-musts": musts_table,
    **{f"settings-{name}": settings_of(section) for name, section in SETTINGS.items()},
    **PAGES,
}


def rewritten(text: str) -> str:
    """Return a document's text with each table as the code says it.

    Raises:
        KeyError: the text names a table that nobody makes.
    """
    return MARKED.sub(lambda found: f"{found[1]}\n{TABLES[found['name']]()}\n{found[3]}", text)


def main(arguments: list[str]) -> int:
    """Write or check every document; returns the exit status."""
    check = arguments == ["--check"]
    wanted: dict[str, str | None] = {name: rewritten((ROOT / name).read_text(encoding="utf-8")) for name in DOCUMENTS}
    wanted |= generated_files()
    # A message that is gone leaves no schema behind.
    left_over = {str(path.relative_to(ROOT)) for path in (ROOT / GENERATED).glob("*.json")} - wanted.keys()
    wanted |= dict.fromkeys(left_over)
    stale = [name for name, text in wanted.items() if _text_of(name) != text]
    for name in stale:
        before, after = _text_of(name) or "", wanted[name]
        if check:
            lines = difflib.unified_diff(
                before.splitlines(), (after or "").splitlines(), name, f"{name} by the code", "", "", 1
            )
            sys.stderr.write("\n".join(lines) + "\nrun: make documents\n")
        elif after is None:
            (ROOT / name).unlink()
        else:
            (ROOT / name).parent.mkdir(parents=True, exist_ok=True)
            (ROOT / name).write_text(after, encoding="utf-8")
    return int(check and bool(stale))


def _text_of(name: str) -> str | None:
    path = ROOT / name
    return path.read_text(encoding="utf-8") if path.exists() else None


def _settings_table(fields: Iterable[tuple[type[SectionSettings], FieldInfo, str]]) -> str:
    rows = [
        (f"`{section.variable(name)}`", _default(field), _allowed(field), (field.description or "").rstrip("."))
        for section, field, name in fields
    ]
    return markdown_table(("variable", "default", "allowed", "meaning"), rows)


def _default(field: FieldInfo) -> str:
    value: Any = field.default
    if value is None or value == () or isinstance(value, SecretStr):
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _allowed(field: FieldInfo) -> str:
    bounds = (("ge", "≥"), ("gt", ">"), ("le", "≤"), ("lt", "<"))
    found = [
        f"{sign} {getattr(each, name):,}" for name, sign in bounds for each in field.metadata if hasattr(each, name)
    ]
    return ", ".join(found)


def _cleanup(spec: TopicSpec) -> str:
    if spec.cleanup is Cleanup.COMPACT:
        return "compacted"
    if spec.retention is None:
        return "for ever"
    return f"{spec.retention // timedelta(days=1)} d"


def _parties(parties: frozenset[Party]) -> str:
    return ", ".join(REPLACED.get(party, party.value) for party in Party if party in parties)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
