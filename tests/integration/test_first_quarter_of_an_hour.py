"""docs/first-quarter-of-an-hour.md, as it stands there: every command is run, and prints what the page says."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.brokers.apache_kafka import free_ports

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "first-quarter-of-an-hour.md"
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SECONDS = 600.0
"""After which a command that waits for ever is ended, and the test fails."""

ANYTHING = "…"


@dataclass(frozen=True)
class Example:
    """A command of the page and the lines that it prints to stdout."""

    command: str
    lines: tuple[str, ...]

    def matches(self, printed: str) -> bool:
        """Whether a command printed these lines; ``…`` stands for anything in a line, alone for any lines."""
        pattern = "".join(r"(?:.*\n)*?" if line.strip() == ANYTHING else _line(line) + r"\n" for line in self.lines)
        return re.fullmatch(pattern, printed) is not None


def _line(line: str) -> str:
    # Columns are as wide as what is in them.
    return ".*".join(re.sub(r"(?:\\ )+", r"\\s+", re.escape(part)) for part in line.split(ANYTHING))


def examples() -> Iterator[Example]:
    for block in BLOCK.findall(PAGE.read_text()):
        for text in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, *lines = text.splitlines()
            yield Example(command, tuple(lines))


class Shell:
    """One shell for the whole page, in a folder of its own; all that it started ends with it."""

    def __init__(self, folder: Path) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("KORDON_")}
        self._folder = folder
        self._process = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            cwd=folder,
            env=environment | {"PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        self._deadline = threading.Timer(SECONDS, self._end)
        self._deadline.start()

    def run(self, command: str) -> tuple[int, str]:
        """Run a command; return its status and what it printed to stdout."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        end = f"end of {uuid.uuid4().hex}"
        self._process.stdin.write(f'{command}\nprintf "{end} %s\\n" "$?"\n')
        self._process.stdin.flush()
        printed = ""
        for line in self._process.stdout:
            if line.startswith(end):
                return int(line.removeprefix(end)), printed
            printed += line
        pytest.fail(f"the shell ended in: {command}\n{printed}")

    def logs(self) -> str:
        """What the services said, for a test that fails."""
        return "\n".join(f"{path.name}:\n{path.read_text()[-2_000:]}" for path in self._folder.rglob("*.log"))

    def close(self) -> None:
        self._deadline.cancel()
        self._end()
        with contextlib.suppress(BrokenPipeError), self._process:  # closes its pipes, too
            self._process.wait()

    def _end(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    """A shell where the page begins: in a clone, its environment made."""
    (tmp_path / ".venv").symlink_to(sys.prefix)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    running = Shell(tmp_path)
    yield running
    running.close()


def test_every_command_of_the_page_prints_what_the_page_says(shell: Shell) -> None:
    (port,) = free_ports(1)
    for example in examples():
        # The page's port may be taken here.
        status, printed = shell.run(example.command.replace("9092", str(port)))
        assert status == 0, f"{example.command}\n{printed}\n{shell.logs()}"
        assert example.matches(printed), f"{example.command} printed:\n{printed}\n{shell.logs()}"
    assert sum(1 for _ in examples()) > 15


def test_what_is_printed_is_held_against_the_page() -> None:
    example = Example("x", ("one  …  three", "…", "last"))
    assert example.matches("one 2 three\nlast\n")
    assert example.matches("one   2   three\nmore\nand more\nlast\n")
    assert not example.matches("one 2 four\nlast\n")
    assert not example.matches("one 2 three\nlast\nanother\n")
