"""Runs ``kordon`` commands in the test's own process: many of them, without an interpreter's start for each."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from click.testing import CliRunner

from kordon.command_line import run
from tests.commands.process import Ended


async def kordon_here(environment: Mapping[str, str], *arguments: str, given: bytes = b"") -> Ended:
    """Run a command to its end, with ``given`` on its stdin. Only one at a time: it has stdout and the environment."""

    def invoke() -> Ended:
        with CliRunner().isolation(input=given, env=environment) as (out, err, _):
            status = run(arguments)
            return Ended(status, out.getvalue().decode(), err.getvalue().decode())

    return await asyncio.to_thread(invoke)
