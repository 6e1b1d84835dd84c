"""Makes ``.venv-peers`` hold, by hash, what ``bench/peers/requirements.txt`` names; does nothing when it already does.

Peers that Kordon itself does not need have an environment of their own, so that their pins are not Kordon's.
"""

from __future__ import annotations

import subprocess
import sys
import venv
from typing import Final

from bench.engines import PEERS, PEERS_PYTHON
from kordon.output import remark

REQUIREMENTS: Final = PEERS / "requirements.txt"


def install() -> None:
    """Install the peers' requirements.

    Raises:
        RuntimeError: pip could not; the text has its last words.
    """
    directory = PEERS_PYTHON.parents[1]
    stamp = directory / ".installed"
    wanted = REQUIREMENTS.read_text()
    if stamp.exists() and stamp.read_text() == wanted:
        return
    remark("Installing the peers' requirements into .venv-peers, by hash (first time: about a minute).")
    venv.create(directory, clear=True, with_pip=False)
    # pip of the environment that runs this: a system's Python need not bring one.
    command = [sys.executable, "-m", "pip", "--python", str(PEERS_PYTHON), "install", "--quiet", "--require-hashes"]
    installed = subprocess.run([*command, "-r", str(REQUIREMENTS)], capture_output=True, text=True, check=False)
    if installed.returncode != 0:
        raise RuntimeError(f"installing {REQUIREMENTS.name} failed:\n{installed.stderr[-2_000:]}")
    stamp.write_text(wanted)
