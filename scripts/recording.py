"""Records ``kordon demo`` as it looks in a terminal: docs/demo.cast (asciicast v2) and docs/demo.svg.

make recording                    plays the demo on a pseudo-terminal and writes both
asciinema play docs/demo.cast     plays it again, paced as it was
"""

from __future__ import annotations

import json
import os
import pty
import sys
import time
from io import StringIO
from pathlib import Path
from typing import Any, Final, NoReturn

from rich.console import Console
from rich.text import Text

DOCS: Final = Path(__file__).resolve().parents[1] / "docs"
CAST: Final = DOCS / "demo.cast"
PICTURE: Final = DOCS / "demo.svg"
COLUMNS: Final = 100
ROWS: Final = 40
IDLE_SECONDS: Final = 1.0
"""The longest that a player stands still: a busy machine's waiting is no part of the story."""

PICTURE_FORMAT: Final = """<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, Menlo, Consolas, monospace; font-size: {char_height}px; \
line-height: {line_height}px; font-variant-east-asian: full-width; }}
{styles}
</style>
<defs>{lines}</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""
"""Rich's own picture, without the fonts that it would fetch from elsewhere."""


def record(command: list[str]) -> tuple[int, list[tuple[float, str]]]:
    """Run a command on a pseudo-terminal; return its status and what it printed: (seconds since the start, text)."""
    child, terminal = pty.fork()
    if child == 0:
        _become(command)
    began, events, undecoded = time.monotonic(), [], b""
    while True:
        try:
            printed = os.read(terminal, 65_536)
        except OSError:  # what Linux says at the end
            break
        if not printed:
            break
        undecoded += printed
        text = undecoded.decode(errors="ignore")
        undecoded = undecoded[len(text.encode()) :]
        events.append((round(time.monotonic() - began, 3), text))
        sys.stderr.write(text)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), events


def _become(command: list[str]) -> NoReturn:
    os.environ.update(COLUMNS=str(COLUMNS), LINES=str(ROWS), TERM="xterm-256color")
    os.execv(command[0], command)  # noqa: S606 - a command of ours, without a shell


def cast_of(events: list[tuple[float, str]]) -> str:
    """Return a recording in asciicast v2: a header, then an event a line."""
    header: dict[str, Any] = {
        "version": 2,
        "width": COLUMNS,
        "height": ROWS,
        "idle_time_limit": IDLE_SECONDS,
        "title": "kordon demo",
    }
    lines = [json.dumps(header), *(json.dumps([at, "o", text], ensure_ascii=False) for at, text in events)]
    return "\n".join(lines) + "\n"


def picture_of(events: list[tuple[float, str]]) -> str:
    """Return everything that was printed as one picture."""
    console = Console(record=True, width=COLUMNS, file=StringIO(), force_terminal=True)
    console.print(Text.from_ansi("".join(text for _, text in events).replace("\r\n", "\n").rstrip("\n")))
    return console.export_svg(title="kordon demo", code_format=PICTURE_FORMAT, unique_id="kordon")


def main() -> int:
    """Record the demo; nothing is written unless every outcome was the expected one."""
    status, events = record([str(Path(sys.executable).with_name("kordon")), "demo"])
    if status != 0:
        sys.stderr.write(f"the demo ended with status {status}; the recording stays as it was\n")
        return status
    CAST.write_text(cast_of(events))
    PICTURE.write_text(picture_of(events))
    return 0


if __name__ == "__main__":
    sys.exit(main())
