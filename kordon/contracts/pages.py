"""The parts of ``docs/producers.md`` and ``docs/compatibility.md`` that are written from the code and the examples."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import msgspec

from kordon.contracts.dead_letters import DEAD_LETTERS, signature_refusals
from kordon.contracts.examples import examples_of
from kordon.contracts.mistakes import MISTAKES, said_of
from kordon.policy_fold import LineFold
from policy.policy_file import default_policy
from schemas.topics import NETWORK, TELEMETRY, dlq_of

EXAMPLES: Final = Path(__file__).parents[2] / "examples" / "producers"
"""The programs, which stand in a checkout alone."""


def markdown_table(columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Return a table in Markdown, with its final newline."""
    lines = [columns, tuple("---" for _ in columns), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"


def _block(language: str, text: str) -> str:
    return f"```{language}\n{text.rstrip()}\n```\n"


def _program(language: str, path: str) -> Callable[[], str]:
    return lambda: _block(language, (EXAMPLES / path).read_text(encoding="utf-8"))


def _records() -> str:
    found = (examples_of(TELEMETRY)[0], examples_of(NETWORK)[0])
    return _block("json", "\n".join(example.value.decode() for example in found))


def _lines() -> str:
    """The examples of the two producers' topics as `kcat -J` prints them."""
    found = [*examples_of(TELEMETRY), *examples_of(NETWORK)]
    return "\n".join(
        json.dumps({"topic": each.topic, "ts": each.timestamp, "key": each.key, "payload": each.value.decode()})
        for each in sorted(found, key=lambda example: example.timestamp)
    )


def _fold() -> str:
    lines = _lines().splitlines()
    fold = LineFold(default_policy())
    fold.fold(line.encode() for line in lines)
    said = msgspec.json.encode(fold.summary()).decode()
    return _block("console", f"$ head -n 1 records.jsonl\n{lines[0]}\n$ kordon policy fold records.jsonl\n{said}")


def _dead_letters() -> str:
    rows = [
        (f"`{each.exception}`", " ".join(f"`{dlq_of(topic)}`" for topic in each.topics), each.cause, each.cure)
        for each in DEAD_LETTERS
    ]
    return markdown_table(("exception", "on", "cause", "cure"), rows)


def _signature_refusals() -> str:
    rows = [(f"`{reason}`", text, cure) for reason, text, cure in signature_refusals()]
    return markdown_table(("reason", "cause", "cure"), rows)


def _mistakes() -> str:
    said = [(mistake.what, said_of(mistake)) for mistake in MISTAKES]
    rows = [(what, f"`{rejection.rule.value}`", f"`{rejection.reason}`") for what, rejection in said]
    return markdown_table(("mistake", "exception", "message"), rows)


PAGES: Final[dict[str, Callable[[], str]]] = {
    "producer-records": _records,
    "producer-python": _program("python", "python/telemetry.py"),
    "producer-go": _program("go", "go/main.go"),
    "producer-java": _program("java", "java/Telemetry.java"),
    "producer-kcat": _program("sh", "kcat/telemetry.sh"),
    "producer-fold": _fold,
    "dead-letters": _dead_letters,
    "signature-refusals": _signature_refusals,
    "mistakes": _mistakes,
}
"""What stands behind each mark, by the mark's name."""
