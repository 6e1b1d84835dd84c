"""The Kafka Streams peer: builds ``src/`` with Maven, once per user and content, and says how to start it.

:func:`engine_command` starts the application, :func:`fold_lines_command` its rules alone over stdin. What they read
from the environment stands in ``bench/peers/README.md``.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Final

from tests.brokers.kafka_jars import java
from tests.brokers.maven import kept, made_once

APPLICATION: Final = "kafka-streams"
"""The application id and consumer group, without prefix."""

ROWS: Final = f"{APPLICATION}-node.risk.v1-changelog"
"""The topic of its rows, without prefix: the changelog of its one store, which holds Kordon's RiskRow JSON."""

JVM: Final = (
    "-Xmx4g",
    # An eighth more records a second here than the default collector: a backlog asks for throughput, not short pauses.
    "-XX:+UseParallelGC",
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
    return kept() / f"peer-kafka-streams-{digest.hexdigest()[:16]}"


def classpath() -> str:
    """Return the class path, built first where it is not there yet (the first time about half a minute)."""
    arguments = ["compile", "dependency:copy-dependencies", "-DoutputDirectory=jars"]
    directory = made_once(build_directory(), "the Kafka Streams peer", arguments, sources=[_POM, _HERE / "src"])
    return os.pathsep.join((str(directory / "target" / "classes"), str(directory / "jars" / "*")))
