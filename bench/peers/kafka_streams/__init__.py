"""The Kafka Streams peer: builds ``src/`` with Maven, once per user and content, and says how to start it.

:func:`engine_command` starts the application, :func:`fold_lines_command` its rules alone over stdin. What they read
from the environment stands in ``bench/peers/README.md``.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from tests.brokers.broker import BrokerUnavailable
from tests.brokers.kafka_jars import java

APPLICATION: Final = "kafka-streams"
"""The application id and consumer group, without prefix."""

ROWS: Final = f"{APPLICATION}-node.risk.v1-changelog"
"""The topic of its rows, without prefix: the changelog of its one store, which holds Kordon's RiskRow JSON."""

BUILD_SECONDS: Final = 600

JVM: Final = (
    "-Xmx4g",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
)

_HERE: Final = Path(__file__).parent
_POM: Final = _HERE / "pom.xml"


def engine_command() -> list[str]:
    """Return the command that runs the application; it prints READY and ends with status 0 at SIGTERM.

    Raises:
        BrokerUnavailable: this machine lacks Java or Maven, or Maven Central cannot be reached.
    """
    return [java(), *JVM, "-cp", classpath(), "kordon.peers.Engine"]


def fold_lines_command() -> list[str]:
    """Return the command that folds the lines of stdin, as ``kordon policy fold`` does.

    Raises:
        BrokerUnavailable: as :func:`engine_command`.
    """
    return [java(), "-XX:TieredStopAtLevel=1", "-cp", classpath(), "kordon.peers.FoldLines"]


def build_directory() -> Path:
    """Return where the classes and jars of these sources are kept for this user, there or not."""
    digest = hashlib.sha256()
    for source in [_POM, *sorted(_HERE.glob("src/**/*.java"))]:
        digest.update(source.read_bytes())
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kordon"
    return cache / f"peer-kafka-streams-{digest.hexdigest()[:16]}"


def classpath() -> str:
    """Return the class path, built first where it is not there yet (the first time about half a minute)."""
    directory = build_directory()
    if not directory.is_dir():
        _build(directory)
    return os.pathsep.join((str(directory / "target" / "classes"), str(directory / "jars" / "*")))


def _build(directory: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise BrokerUnavailable("no mvn on PATH, which builds the Kafka Streams peer; install Maven (Debian: maven)")
    directory.parent.mkdir(parents=True, exist_ok=True)
    # Built beside its final place, then renamed: an interrupted build is never taken for a whole one.
    with tempfile.TemporaryDirectory(dir=directory.parent) as scratch:
        build = Path(scratch, "build")
        build.mkdir()
        shutil.copy(_POM, build)
        shutil.copytree(_HERE / "src", build / "src")
        built = subprocess.run(
            [maven, "--quiet", "--batch-mode", "compile", "dependency:copy-dependencies", "-DoutputDirectory=jars"],
            cwd=build,
            capture_output=True,
            text=True,
            check=False,
            timeout=BUILD_SECONDS,
        )
        if built.returncode != 0:
            said = "\n".join(line for line in built.stdout.splitlines() if "ERROR" in line) or built.stderr
            if "COMPILATION ERROR" in built.stdout:
                raise RuntimeError(f"the Kafka Streams peer does not compile:\n{said[:2_000]}")
            raise BrokerUnavailable(f"mvn could not build the Kafka Streams peer:\n{said[:2_000]}")
        try:
            build.rename(directory)
        except OSError:
            if not directory.is_dir():  # else another run was faster, which is as good
                raise
