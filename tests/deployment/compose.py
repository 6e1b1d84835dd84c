"""docker-compose.yml as Compose reads it: anchors resolved, variables interpolated."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docker-compose.yml"

COMPLETED = "service_completed_successfully"
HEALTHY = "service_healthy"

_VARIABLE = re.compile(r"\$(?:(?P<escaped>\$)|\{(?P<name>\w+):-(?P<default>[^}]*)\}|(?P<other>.))")


@dataclass(frozen=True)
class Service:
    """One service. ``volumes`` maps the path in the container to the volume's name; ``read_only`` names such paths."""

    name: str
    document: Mapping[str, Any]
    environment: Mapping[str, str]
    volumes: Mapping[str, str]
    read_only: frozenset[str]

    @property
    def command(self) -> list[str]:
        """The arguments of its entrypoint."""
        return [str(each) for each in self.document.get("command", [])]

    @property
    def health_check(self) -> list[str] | None:
        """The command that tells whether it is healthy, None if it has none."""
        if "healthcheck" not in self.document:
            return None
        kind, *command = self.document["healthcheck"]["test"]
        assert kind == "CMD"
        return [str(each) for each in command]

    @property
    def waits_for(self) -> dict[str, str]:
        """Service → the condition for which this one waits."""
        return {name: each["condition"] for name, each in self.document.get("depends_on", {}).items()}


def document(file: Path = FILE) -> dict[str, Any]:
    """The file's content, with variables as they are written."""
    content: dict[str, Any] = YAML(typ="safe", pure=True).load(file)
    return content


def services(environment: Mapping[str, str], file: Path = FILE) -> dict[str, Service]:
    """Every service, its variables taken from ``environment`` or their defaults, in the order of the file."""
    content = _interpolated(document(file), environment)
    return {name: _service(name, each) for name, each in content["services"].items()}


def in_starting_order(wanted: Mapping[str, Service]) -> Iterator[Service]:
    """Each service after those it waits for."""
    started: set[str] = set()
    while len(started) < len(wanted):
        ready = [each for each in wanted.values() if each.name not in started and set(each.waits_for) <= started]
        assert ready, f"these wait for each other, or for what is not started: {set(wanted) - started}"
        yield from ready
        started |= {each.name for each in ready}


def _service(name: str, each: Mapping[str, Any]) -> Service:
    mounts = [mount.split(":") for mount in each.get("volumes", [])]
    return Service(
        name,
        each,
        {key: str(value) for key, value in each.get("environment", {}).items()},
        {target: volume for volume, target, *_ in mounts},
        frozenset(target for _, target, *mode in mounts if mode == ["ro"]),
    )


def _interpolated(value: Any, environment: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _interpolated(each, environment) for key, each in value.items()}
    if isinstance(value, list):
        return [_interpolated(each, environment) for each in value]
    if isinstance(value, str):
        return _VARIABLE.sub(lambda found: _value(found, environment), value)
    return value


def _value(found: re.Match[str], environment: Mapping[str, str]) -> str:
    if found["escaped"]:
        return "$"
    assert found["name"], f"only ${{NAME:-default}} is used here, not {found[0]}"
    # Compose takes the default for an empty variable too.
    return environment.get(found["name"]) or found["default"]
