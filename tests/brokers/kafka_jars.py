"""The jars of Apache Kafka: from Maven Central, once per user and version."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.brokers.broker import BrokerUnavailable

POM = Path(__file__).with_name("pom.xml")
OLDEST_JAVA = 17
DOWNLOAD_SECONDS = 600


def java() -> str:
    """Path of a Java of version 17 or later (``JAVA_HOME`` first, then ``PATH``)."""
    home = os.environ.get("JAVA_HOME")
    program = shutil.which("java", path=f"{home}/bin") if home else None
    program = program or shutil.which("java")
    if program is None:
        raise BrokerUnavailable(
            f"no java on PATH; install Java {OLDEST_JAVA} or later (Debian: openjdk-17-jre-headless)"
        )
    said = subprocess.run([program, "-version"], capture_output=True, text=True, check=False)
    version = re.search(r'version "(\d+)', said.stderr)
    if version is None or int(version[1]) < OLDEST_JAVA:
        found = said.stderr.split("\n", 1)[0]
        raise BrokerUnavailable(
            f"{program} is no Java {OLDEST_JAVA} or later ({found}); install one (Debian: openjdk-17-jre-headless)"
        )
    return program


def jars_directory() -> Path:
    """Where the jars that ``pom.xml`` names are kept for this user, there or not."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kordon"
    return cache / f"apache-kafka-{hashlib.sha256(POM.read_bytes()).hexdigest()[:16]}"


def jars() -> Path:
    """Directory with the jars, downloaded by Maven where they are not there yet."""
    directory = jars_directory()
    if not directory.is_dir():
        _download(directory)
    return directory


def _download(directory: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise BrokerUnavailable("no mvn on PATH, which fetches Apache Kafka; install Maven (Debian: maven)")
    directory.parent.mkdir(parents=True, exist_ok=True)
    # Filled beside its final place, then renamed: an interrupted download is never taken for a whole one.
    with tempfile.TemporaryDirectory(dir=directory.parent) as scratch:
        shutil.copy(POM, scratch)
        fetched = subprocess.run(
            [maven, "--quiet", "--batch-mode", "dependency:copy-dependencies", f"-DoutputDirectory={scratch}/jars"],
            cwd=scratch,
            capture_output=True,
            text=True,
            check=False,
            timeout=DOWNLOAD_SECONDS,
        )
        if fetched.returncode != 0:
            said = fetched.stdout.strip().split("\n")[0] or fetched.stderr.strip().split("\n")[0]
            raise BrokerUnavailable(f"mvn could not fetch Apache Kafka ({said}); is Maven Central reachable from here?")
        try:
            Path(scratch, "jars").rename(directory)
        except OSError:
            if not directory.is_dir():  # else another run was faster, which is as good
                raise


def main() -> None:
    """Fetch the jars before the tests begin, with a word about it; the tests that need them say it if that fails."""
    if not jars_directory().is_dir() and shutil.which("mvn"):
        sys.stdout.write("Fetching Apache Kafka by Maven, once for this user (about half a minute).\n")
        sys.stdout.flush()
        with contextlib.suppress(BrokerUnavailable):
            jars()


if __name__ == "__main__":
    main()
