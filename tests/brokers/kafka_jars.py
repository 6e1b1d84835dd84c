"""The jars of Apache Kafka: from Maven Central, once per user and version."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.brokers.broker import BrokerUnavailable
from tests.brokers.maven import kept, made_once

POM = Path(__file__).with_name("pom.xml")
OLDEST_JAVA = 17


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
    return kept() / f"apache-kafka-{hashlib.sha256(POM.read_bytes()).hexdigest()[:16]}"


def jars() -> Path:
    """Directory with the jars, downloaded by Maven where they are not there yet."""
    arguments = ["dependency:copy-dependencies", "-DoutputDirectory=jars"]
    return made_once(jars_directory(), "Apache Kafka", arguments, sources=[POM], result="jars")


def main() -> None:
    """Fetch the jars before the tests begin, with a word about it; the tests that need them say it if that fails."""
    if not jars_directory().is_dir() and shutil.which("mvn"):
        sys.stdout.write("Fetching Apache Kafka by Maven, once for this user (about half a minute).\n")
        sys.stdout.flush()
        with contextlib.suppress(BrokerUnavailable):
            jars()


if __name__ == "__main__":
    main()
