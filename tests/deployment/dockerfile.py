"""The Dockerfile's instructions, and its build stage carried out on this machine.

hadolint holds that the file is well formed; here it is only cut into instructions.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.deployment.compose import ROOT

FILE = ROOT / "Dockerfile"
IGNORED = ROOT / ".dockerignore"
INSTALL_SECONDS = 300


@dataclass(frozen=True)
class Instruction:
    """A keyword in capitals and what follows it, lines joined."""

    keyword: str
    argument: str


def stages(file: Path = FILE) -> list[list[Instruction]]:
    """The instructions of each stage, beginning with its FROM; those before the first FROM are left out."""
    lines = [line for line in file.read_text().splitlines() if line.strip() and not line.lstrip().startswith("#")]
    found: list[list[Instruction]] = []
    for line in re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines():
        keyword, argument = line.split(None, 1)
        if keyword == "FROM":
            found.append([])
        if found:
            found[-1].append(Instruction(keyword, argument))
    return found


def values(stage: Sequence[Instruction], keyword: str) -> list[str]:
    """The arguments of each instruction of this keyword."""
    return [each.argument for each in stage if each.keyword == keyword]


def environment_of(stage: Sequence[Instruction]) -> dict[str, str]:
    """What its ENV instructions set."""
    pairs = [pair.split("=", 1) for argument in values(stage, "ENV") for pair in shlex.split(argument)]
    return dict(pairs)


def context(file: Path = IGNORED) -> list[str]:
    """What .dockerignore lets into the build: paths from the root. Nothing else is."""
    lines = [line for line in file.read_text().splitlines() if line and not line.startswith("#")]
    assert lines[0] == "*", "it is a list of what is let in, so that no key gets there by chance"
    return [line.removeprefix("!") for line in lines if line.startswith("!")]


def build(directory: Path) -> Path:
    """Carry out the build stage with /opt and /src in ``directory``; return the folder that stands for /opt/kordon."""
    moved = {"/opt/": f"{directory}/opt/", "/src": f"{directory}/src"}
    let_in = context()
    # The image has the python that makes the virtual environments; here it is the one that runs the tests.
    python = Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    (directory / "bin").mkdir(parents=True)
    (directory / "bin" / "python").symlink_to(python)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("KORDON_", "PYTHON"))}
    environment = inherited | {"PATH": f"{directory}/bin:/usr/bin:/bin"}
    working_directory = directory
    for each in stages()[0]:
        match each.keyword:
            case "ENV":
                # Here the cache is the machine's own, and spares a download.
                set_here = environment_of([each]).items()
                environment |= {name: value for name, value in set_here if name != "PIP_NO_CACHE_DIR"}
            case "WORKDIR":
                working_directory = Path(relocated(each.argument, moved))
                working_directory.mkdir(parents=True, exist_ok=True)
            case "COPY":
                *sources, target = each.argument.split()
                for source in sources:
                    _copy(source.rstrip("/"), working_directory / target, let_in)
            case "RUN":
                _run(relocated(each.argument, moved), working_directory, environment)
    return directory / "opt" / "kordon"


def relocated(text: str, places: Mapping[str, str]) -> str:
    """The text with each path of a container replaced by the one that stands for it here."""
    for path, here in places.items():
        text = text.replace(path, here)
    return text


def _copy(source: str, target: Path, let_in: Sequence[str]) -> None:
    assert source in let_in, f"COPY {source}: .dockerignore keeps it out"
    if (ROOT / source).is_dir():
        shutil.copytree(ROOT / source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(ROOT / source, target / source if target.is_dir() else target)


def _run(command: str, directory: Path, environment: Mapping[str, str]) -> None:
    ran = subprocess.run(
        ["/bin/sh", "-c", command],
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=INSTALL_SECONDS,
    )
    assert ran.returncode == 0, f"RUN {command}\n{ran.stdout[-4_000:]}{ran.stderr[-4_000:]}"
