"""Documents, help texts and messages show command lines that the command takes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from kordon.command_line import kordon
from kordon.command_reference import every_command
from tests.commands.lines import arguments_in, complaint, in_code, in_document, in_help

ROOT = Path(__file__).parents[3]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
ROOMS = ("schemas", "policy", "transport", "streams", "issuer", "kordon")

COMMANDS = dict(every_command())


def complaints(lines: Iterator[tuple[str, bool]]) -> list[str]:
    return [
        f"{line}: {found}"
        for line, whole in lines
        for arguments in arguments_in(line)
        if (found := complaint(arguments, whole=whole)) is not None
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_line_in_a_document_is_one_that_the_command_takes(page: Path) -> None:
    assert complaints(in_document(page.read_text())) == []


@pytest.mark.parametrize("path", [(), *COMMANDS], ids=" ".join)
def test_every_command_line_in_a_help_text_is_one_that_the_command_takes(path: tuple[str, ...]) -> None:
    command = COMMANDS.get(path, kordon)

    assert complaints(in_help(f"{command.help}\n{command.epilog}")) == []


@pytest.mark.parametrize("room", ROOMS)
def test_every_command_line_that_a_message_quotes_is_one_that_the_command_takes(room: str) -> None:
    files = sorted((ROOT / room).rglob("*.py"))

    assert [f"{file}: {each}" for file in files for each in complaints(in_code(file.read_text()))] == []


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("kordon node enrol amber", "there is no command 'enrol'"),
        ("kordon dlq list --newest 3", "No such option: --newest"),
        ("kordon dlq show node.network.v1 3 42 7", "one argument too many"),
        ("kordon dlq show node.network.v1", "is missing"),
        ("kordon dlq show node.network.v1 three 42", "not a valid integer range"),
        ("kordon config --section nothing", "is not one of"),
        ("kordon dlq replay --rule", "requires an argument"),
        ("X=1 kordon lag --json | jq . && kordon nonsense", "there is no command 'nonsense'"),
    ],
)
def test_a_command_line_that_would_be_refused_is_found(line: str, found: str) -> None:
    (complained,) = complaints(iter([(line, True)]))

    assert found in complained


@pytest.mark.parametrize(
    "line",
    [
        "kordon",
        "kordon …",
        "kordon dlq …",
        "kordon node enroll node-1 --public-key …",
        "kordon --config-file kordon.toml lag --service worker",
        "kordon completion bash > file",
        "kordon quarantine watch --count 1 && notify-send 'a node was moved'",
    ],
)
def test_a_command_line_that_leaves_something_to_the_reader_is_taken(line: str) -> None:
    assert complaints(iter([(line, True)])) == []


@pytest.fixture(scope="module")
def reference() -> dict[str, str]:
    """What the page says of each command."""
    page = (ROOT / "docs" / "command.md").read_text()
    (generated,) = re.findall(r"<!-- generated: command-reference -->(.*?)<!-- end -->", page, re.DOTALL)
    sections = re.split(r"^### `(kordon [^`]+)`$", generated, flags=re.MULTILINE)[1:]
    return dict(zip(sections[::2], sections[1::2], strict=True))


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_option_and_argument_stands_in_the_reference(
    path: tuple[str, ...], reference: dict[str, str]
) -> None:
    section = reference[" ".join(("kordon", *path))]

    for param in COMMANDS[path].params:
        names = (
            param.opts if isinstance(param, click.Option) else [param.make_metavar(click.Context(kordon)).strip("[].")]
        )
        assert all(name in section for name in names), names


def test_the_reference_has_no_command_that_is_gone(reference: dict[str, str]) -> None:
    assert set(reference) == {" ".join(("kordon", *path)) for path in COMMANDS}
