"""What a command prints: JSON for programs, a table on a terminal, plain columns in a pipe.

Results go to stdout; remarks and progress go to stderr, so that a pipe carries results alone.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click
import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rich.console import Console


def print_json(value: Any) -> None:
    """Print one value as one line of JSON, flushed, so that a reader of the pipe has it at once."""
    click.echo(msgspec.json.encode(value, enc_hook=str))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows of text: coloured on a terminal, aligned and bare elsewhere; no line is wrapped."""
    cells = [["" if cell is None else str(cell) for cell in row] for row in rows]
    if sys.stdout.isatty():
        from rich.table import Table  # noqa: PLC0415 - only a terminal pays for rich
        from rich.text import Text  # noqa: PLC0415

        table = Table(*columns, header_style="bold", box=None, pad_edge=False)
        for row in cells:
            table.add_row(*map(Text, row))
        console().print(table)
        return
    widths = [max(len(line[index]) for line in [list(columns), *cells]) for index in range(len(columns))]
    for line in [list(columns), *cells]:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def counted(count: int, what: str) -> str:
    """Return a count with its noun, whose plural ends in s."""
    return f"{count} {what}{'' if count == 1 else 's'}"


def print_fields(fields: Mapping[str, object]) -> None:
    """Print named values, one a line, those that are None left out; names bold on a terminal."""
    shown = {name: value for name, value in fields.items() if value is not None}
    width = max(map(len, shown), default=0)
    for name, value in shown.items():
        click.echo(f"{click.style(name, bold=True)}{' ' * (width - len(name))}  {value}")


def remark(text: str) -> None:
    """Tell a person something that is no result."""
    click.echo(text, err=True)


def console(*, stderr: bool = False) -> Console:
    """Return a console that colours a terminal only and leaves text as it is (no markup, no emoji)."""
    from rich.console import Console  # noqa: PLC0415 - only a terminal pays for rich

    return Console(stderr=stderr, markup=False, emoji=False, highlight=False, soft_wrap=True)


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
