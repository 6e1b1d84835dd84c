"""Command lines of ``kordon`` as documents, help texts and messages show them, and whether click would take them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Any

import click

from kordon.command_line import kordon

MORE = "…"
"""Stands for what a reader fills in: a value, or any further arguments."""

_FENCED = re.compile(r"^```[^\n]*\n(.*?)^```", re.DOTALL | re.MULTILINE)
_INLINE = re.compile(r"`(kordon [^`]+)`")
_GENERATED_REFERENCE = re.compile(r"<!-- generated: command-reference -->.*?<!-- end -->", re.DOTALL)
_ENVIRONMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=.*")
_BETWEEN = re.compile(r"[|&;<>()]+")
_CALL = re.compile(r"(^|[|&;(] *|\$ )([A-Z_]+=\S+ )*kordon ", re.MULTILINE)
_REMARK = re.compile(r"\s{3,}\S.*")
_PLACEHOLDER = re.compile(r"[A-Z_/<>]+|\$.*")


def in_document(text: str) -> Iterator[tuple[str, bool]]:
    """Yield the command lines of a Markdown page, and of each whether it claims to be whole."""
    text = _GENERATED_REFERENCE.sub("", text)
    for block in _FENCED.findall(text):
        for line in _joined(block.splitlines()):
            if _CALL.search(line):
                yield line, True
    for line in _INLINE.findall(_FENCED.sub("", text)):
        yield " ".join(line.split()), False


def in_help(text: str) -> Iterator[tuple[str, bool]]:
    """Yield the command lines of a help text: a line of their own, with a remark behind, or quoted in a sentence."""
    for line in text.splitlines():
        if re.match(r"\s*([A-Z_]+=\S+ )*kordon ", line):
            yield _REMARK.sub("", line.strip()), True
    for line in _INLINE.findall(text):
        yield " ".join(line.split()), False


def in_code(text: str) -> Iterator[tuple[str, bool]]:
    """Yield the command lines that messages in a program quote; what a format string fills in is left open."""
    for line in re.findall(r"`(kordon [^`\n\"']+)`", text):
        yield re.sub(r"\{[^}]*\}", MORE, line), False


def arguments_in(line: str) -> Iterator[list[str]]:
    """Yield the arguments of each call of ``kordon`` in a shell's line."""
    lexer = shlex.shlex(line.removeprefix("$ "), posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    lexer.commenters = "#"
    segment: list[str] = []
    for token in [*lexer, ";"]:
        if not _BETWEEN.fullmatch(token):
            segment.append(token)
            continue
        while segment and _ENVIRONMENT.fullmatch(segment[0]):
            segment.pop(0)
        if segment and segment[0] == "kordon":
            yield segment[1:]
        segment = []


def complaint(arguments: list[str], *, whole: bool) -> str | None:
    """Return what click would complain of in a call that is not run, None if nothing.

    Unless a line is ``whole`` it may name a command without its arguments.
    """
    if not whole:
        arguments = [*arguments, MORE]
    command: click.Command = kordon
    context = click.Context(command, info_name="kordon", **command.context_settings)
    try:
        while isinstance(command, click.Group):
            _, rest, _ = command.make_parser(context).parse_args(list(arguments))
            if not rest or rest[0] == MORE or _PLACEHOLDER.fullmatch(rest[0]):
                return None
            found = command.get_command(context, rest[0])
            if found is None:
                return f"there is no command {rest[0]!r}"
            command, arguments = found, rest[1:]
            context = click.Context(command, context, info_name=rest[0], **command.context_settings)
        return _complaint_of_leaf(command, context, arguments)
    except click.UsageError as error:
        return error.format_message()


def _complaint_of_leaf(command: click.Command, context: click.Context, arguments: list[str]) -> str | None:
    open_ended = MORE in arguments
    values, rest, _ = command.make_parser(context).parse_args(arguments)
    if any(each != MORE for each in rest):
        return f"there is one argument too many: {rest}"
    for param in command.get_params(context):
        given = [each for each in _as_list(values.get(param.name or "")) if isinstance(each, str)]
        if isinstance(param.type, (click.Choice, click.IntRange, click.FloatRange)):
            for each in given:
                if MORE not in each and not _PLACEHOLDER.fullmatch(each):
                    param.type.convert(each, param, context)
        if param.required and not given and not open_ended and "--help" not in arguments:
            return f"{param.name} is missing"
    return None


def _as_list(value: Any) -> list[Any]:
    if isinstance(value, (list, tuple)):
        return [each for part in value for each in _as_list(part)]
    return [value]


def _joined(lines: list[str]) -> Iterator[str]:
    """Join what a backslash, or an open quotation mark, continues."""
    whole = ""
    for line in lines:
        whole += line
        if whole.endswith("\\"):
            whole = whole[:-1]
            continue
        if "kordon " in whole and _is_open(whole):
            whole += "\n"
            continue
        yield whole
        whole = ""


def _is_open(text: str) -> bool:
    try:
        shlex.split(text, comments=True)
    except ValueError:
        return True
    return False
