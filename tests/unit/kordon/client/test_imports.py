"""The node's client is light: importing it imports no Faust, no command line, no key ring."""

from __future__ import annotations

import subprocess
import sys

import kordon.client

FORBIDDEN = {"faust", "mode", "click", "rich", "issuer", "streams", "policy", "structlog"}


def test_importing_the_client_imports_nothing_heavy() -> None:
    program = "import sys, kordon.client; print(*{name.partition('.')[0] for name in sys.modules})"

    loaded = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout.split()

    assert {"aiokafka", "schemas", "transport"} <= set(loaded)
    assert FORBIDDEN & set(loaded) == set()


def test_the_client_says_what_it_offers() -> None:
    assert all(hasattr(kordon.client, name) for name in kordon.client.__all__)
