"""The reference of every command, as docs/command.md shows it: written from the commands themselves."""

from __future__ import annotations

from collections.abc import Iterator
from inspect import cleandoc
from typing import Any

import click

from kordon.command_line import COMMANDS, kordon
from kordon.contracts.pages import markdown_table


def every_command() -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Yield every command with its path below ``kordon``, groups before what is in them, in the order of the help."""
    context = click.Context(kordon, info_name="kordon")
    for name in COMMANDS:
        command = kordon.get_command(context, name)
        assert command is not None, "it is in the list"
        yield from _walk(command, (name,))


def reference() -> str:
    """Return the reference in Markdown: a heading, the usage, what it does and a table of options for each command."""
    return "\n".join(_section(path, command) for path, command in every_command())


def _walk(command: click.Command, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command, info_name=path[-1])
        for name in command.list_commands(context):
            each = command.get_command(context, name)
            assert each is not None, "it is in the list"
            yield from _walk(each, (*path, name))


def _section(path: tuple[str, ...], command: click.Command) -> str:
    name = " ".join(("kordon", *path))
    context = click.Context(command, info_name=name)
    lines = [f"### `{name}`", "", f"`{' '.join((name, *command.collect_usage_pieces(context)))}`", ""]
    lines.append(_paragraphs(command.help or ""))
    options = [param for param in command.params if isinstance(param, click.Option) and not param.hidden]
    if options:
        rows = [_row(option, context) for option in options]
        lines += ["", markdown_table(("option", "value", "meaning"), rows).rstrip("\n")]
    return "\n".join([*lines, ""])


def _row(option: click.Option, context: click.Context) -> tuple[str, str, str]:
    names = ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
    value = "" if option.is_flag or option.count else f"`{option.make_metavar(context).replace(' RANGE', '')}`"
    return names, value, " ".join(filter(None, (_paragraphs(option.help or ""), _bounds(option), _default(option))))


def _bounds(option: click.Option) -> str:
    if not isinstance(option.type, (click.IntRange, click.FloatRange)):
        return ""
    low, high = option.type.min, option.type.max
    return f"{'' if low is None else f'{low:g}'} to {high:g}." if high is not None else f"At least {low:g}."


def _default(option: click.Option) -> str:
    default: Any = option.default
    if option.required:
        return "Required."
    return f"Default: `{default}`." if option.show_default and not callable(default) else ""


def _paragraphs(text: str) -> str:
    """Return a help text with each paragraph on one line."""
    return "\n\n".join(" ".join(each.split()) for each in cleandoc(text).replace("\b", "").split("\n\n"))
