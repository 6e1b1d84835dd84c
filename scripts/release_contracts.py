"""Keeps the contracts of the version that is being released, for later ones to be compared with.

    python scripts/release_contracts.py              copy schemas/generated to schemas/released/<version>
    python scripts/release_contracts.py --replace    as above, where the folder is there: a version nobody has yet

It refuses (status 1) where the contracts break a promise of the release before.
"""

from __future__ import annotations

import shutil
import sys
import tomllib
from pathlib import Path

from kordon.contracts.files import GENERATED
from kordon.contracts.releases import RELEASED, breaks_between, versions

ROOT = Path(__file__).resolve().parents[1]


def main(arguments: list[str]) -> int:
    """Copy the contracts; returns the exit status."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    target = ROOT / RELEASED / version
    if target.exists() and arguments != ["--replace"]:
        sys.stderr.write(
            f"{target.relative_to(ROOT)} is there: raise the version, or give --replace before it is out\n"
        )
        return 1
    target.parent.mkdir(exist_ok=True)
    before = [each for each in versions(ROOT) if each != version]
    if before:
        broken = breaks_between(ROOT / RELEASED / before[-1], ROOT / GENERATED)
        sys.stderr.writelines(f"{place}: {reason}\n" for place, reason in broken)
        if broken:
            sys.stderr.write(f"These break the promises of {before[-1]}: docs/compatibility.md\n")
            return 1
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(ROOT / GENERATED, target)
    sys.stdout.write(f"{target.relative_to(ROOT)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
