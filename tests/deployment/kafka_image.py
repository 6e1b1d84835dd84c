"""What the image apache/kafka does with its environment, done with Apache Kafka's jars.

The image starts `kafka.docker.KafkaDockerWrapper`, which is in those jars: it turns `KAFKA_…` variables into
server.properties and formats the storage. So the translation tested here is the image's own.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from kordon.supervisor import tethered
from tests.brokers.apache_kafka import JVM, START_SECONDS, STARTED, STOP_SECONDS
from tests.brokers.kafka_jars import jars, java

CONFIGURATION_FILES = ("server.properties", "log4j2.yaml", "tools-log4j2.yaml")


class KafkaImage:
    """A broker in ``directory`` that is configured by the variables of the image alone."""

    def __init__(self, directory: Path, environment: Mapping[str, str]) -> None:
        self.properties = directory / "config" / "server.properties"
        self._directory = directory
        self._log = directory / "broker.log"
        self._environment = {"PATH": os.environ["PATH"], **environment}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Configure, format and start it; raises BrokerUnavailable without Java, Maven or jars."""
        defaults, mounted, final = (self._directory / name for name in ("defaults", "mounted", "config"))
        for folder in (defaults, mounted, final):
            folder.mkdir(parents=True)
        for name in CONFIGURATION_FILES:
            (defaults / name).touch()
        setup = ("setup", "-D", str(defaults), "-M", str(mounted), "-F", str(final))
        command = self._command("kafka.docker.KafkaDockerWrapper", *setup)
        done = subprocess.run(command, env=self._environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                tethered(self._command("kafka.Kafka", str(self.properties))),
                env=self._environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS
        while STARTED not in self._log.read_text(errors="replace"):
            if self._process.poll() is not None or time.monotonic() >= deadline:
                self.stop()
                raise RuntimeError(f"Apache Kafka did not start:\n{self._log.read_text(errors='replace')[-4_000:]}")
            time.sleep(0.05)

    def stop(self) -> None:
        """End it as `docker compose stop` does: SIGTERM, and SIGKILL where that is not enough."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def configured(self) -> dict[str, str]:
        """The settings that the image's translation came to."""
        lines = [line for line in self.properties.read_text().splitlines() if "=" in line]
        return dict(line.split("=", 1) for line in lines)

    def _command(self, main_class: str, *arguments: str) -> list[str]:
        return [java(), *JVM, "-cp", f"{jars()}/*", main_class, *arguments]
