"""The services of docker-compose.yml as processes of this machine, each with its own view of the volumes.

What a container would bring is stood in for and nothing else: the image's programs come from the Dockerfile's own
build stage, a volume is a folder that a service sees only if it mounts it, and ports that all containers may have
alike become free ones. Command line, environment and health check are the file's.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

from kordon.supervisor import tethered
from tests.brokers.apache_kafka import free_ports
from tests.deployment.compose import COMPLETED, HEALTHY, ROOT, Service
from tests.deployment.dockerfile import environment_of, relocated, stages
from tests.deployment.kafka_image import KafkaImage

STATE = "/var/lib/kordon"
KAFKA_DATA = "/var/lib/kafka/data"
METRICS_PORT = "9464"
READY_SECONDS = 90.0
COMMAND_SECONDS = 60.0
STOP_SECONDS = 30.0


class Containers:
    """Services that run in ``directory``; use it as a context manager, so that none is left over.

    ``installed`` stands for /opt/kordon.
    """

    def __init__(self, directory: Path, services: Mapping[str, Service], installed: Path) -> None:
        self.services = services
        self.volumes = directory / "volumes"
        self.statuses: dict[str, int] = {}
        self._directory = directory
        self._installed = installed
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        # For the three listeners of kafka, then one for each service's metrics.
        ports = free_ports(3 + len(services))
        self._kafka_ports, self._metrics_ports = ports[:3], dict(zip(services, ports[3:], strict=True))
        self._kafka: KafkaImage | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def up(self, service: Service) -> None:
        """Start a service, once what it waits for has come true."""
        for name, condition in service.waits_for.items():
            if condition == COMPLETED:
                assert self.statuses.get(name) == 0, f"{service.name} waits for {name}: {self.statuses.get(name)}"
            else:
                assert condition == HEALTHY
        if service.name == "kafka":
            self._kafka = KafkaImage(self._directory / "kafka", self._of_kafka(service.environment))
            self._kafka.start()
        elif service.document.get("restart"):
            self._start(service)
        else:
            self.statuses[service.name], said = self.run(service)
            assert self.statuses[service.name] == 0, said

    def run(self, service: Service, *arguments: str, entrypoint: Sequence[str] | None = None) -> tuple[int, str]:
        """Run one command to its end, as `docker compose run` does; return its exit status and what it printed."""
        command = self._command(service, list(arguments) or service.command, entrypoint)
        ended = subprocess.run(
            command,
            env=self.environment(service),
            cwd=self._root(service) / STATE[1:],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=COMMAND_SECONDS,
        )
        return ended.returncode, ended.stdout + (ended.stderr if ended.returncode else "")

    def healthy(self, service: Service) -> bool:
        """Whether the service's health check ends with status 0."""
        assert service.health_check is not None, service.name
        return self.run(service, *service.health_check[1:], entrypoint=service.health_check[:1])[0] == 0

    def wait_until_healthy(self, service: Service) -> None:
        """Wait until the service is healthy; an end of it, or of patience, is an error with what it said."""
        self._wait(service.name, "healthy", lambda: self.healthy(service))

    def wait_until_said(self, name: str, words: str) -> None:
        """Wait until these words are in what a service says; as above."""
        self._wait(name, f"saying {words!r}", lambda: words in self.log(name))

    def is_running(self, name: str) -> bool:
        """Whether a service that was started has not ended."""
        return self._running[name].poll() is None

    def log(self, name: str) -> str:
        """What a service has said so far."""
        return self._log_file(name).read_text(errors="replace")

    def stop(self, *names: str) -> dict[str, int]:
        """End these services (none: all, and Kafka last) by SIGTERM; return their exit statuses."""
        ended = {name: self._running.pop(name) for name in names or list(self._running)}
        for process in ended.values():
            process.terminate()
        try:
            return {name: process.wait(STOP_SECONDS) for name, process in ended.items()}
        finally:
            for process in ended.values():
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
            if not names and self._kafka is not None:
                self._kafka.stop()

    def environment(self, service: Service) -> dict[str, str]:
        """What the service finds in its environment: the image's and the file's variables, and no other."""
        image = environment_of(stages()[-1]) | {"HOME": str(self._directory / "nonexistent")}
        variables = {**image, **service.environment}
        return {name: self._here(service, value) for name, value in variables.items()}

    def made_by(self, service: Service) -> set[str]:
        """What lies beside the service's volumes in its working directory: nothing should, the image is read-only."""
        mounted = {Path(path).name for path in service.volumes}
        return {path.name for path in (self._root(service) / STATE[1:]).iterdir()} - mounted

    def _wait(self, name: str, what: str, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not condition():
            assert self.is_running(name), f"{name} ended:\n{self.log(name)}"
            assert time.monotonic() < deadline, f"{name} is not {what}:\n{self.log(name)}"
            time.sleep(0.2)

    def _start(self, service: Service) -> None:
        with self._log_file(service.name).open("wb") as log:
            self._running[service.name] = subprocess.Popen(
                tethered(self._command(service, service.command, None)),
                env=self.environment(service),
                cwd=self._root(service) / STATE[1:],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _command(self, service: Service, arguments: Sequence[str], entrypoint: Sequence[str] | None) -> list[str]:
        program, *first = entrypoint or service.document.get("entrypoint", ["kordon"])
        found = shutil.which(program, path=f"{self._installed}/bin:{ROOT}/deploy")
        assert found is not None, program
        return [found, *first, *(self._here(service, each) for each in arguments)]

    def _here(self, service: Service, text: str) -> str:
        internal = self._kafka_ports[1]
        return relocated(
            text,
            {
                STATE: f"{self._root(service)}{STATE}",
                "/opt/kordon": str(self._installed),
                "kafka:19092": f"127.0.0.1:{internal}",
                METRICS_PORT: str(self._metrics_ports[service.name]),
            },
        )

    def _of_kafka(self, environment: Mapping[str, str]) -> dict[str, str]:
        controller, internal, host = self._kafka_ports
        places = {
            "kafka:9093": f"127.0.0.1:{controller}",
            "CONTROLLER://:9093": f"CONTROLLER://127.0.0.1:{controller}",
            "INTERNAL://:19092": f"INTERNAL://127.0.0.1:{internal}",
            "kafka:19092": f"127.0.0.1:{internal}",
            "HOST://:9092": f"HOST://127.0.0.1:{host}",
            "localhost:9092": f"127.0.0.1:{host}",
            KAFKA_DATA: str(self._directory / "kafka-data"),
        }
        return {name: relocated(value, places) for name, value in environment.items()}

    def _root(self, service: Service) -> Path:
        """The folder that stands for the service's `/`: in it are the volumes that the service mounts, no others."""
        root = self._directory / "services" / service.name
        if not root.exists():
            (root / STATE[1:]).mkdir(parents=True)
            for path, volume in service.volumes.items():
                (self.volumes / volume).mkdir(mode=0o700, parents=True, exist_ok=True)
                (root / path[1:]).symlink_to(self.volumes / volume)
        return root

    def _log_file(self, name: str) -> Path:
        return self._directory / f"{name}.log"
