"""docker-compose.yml, run without Docker: its commands and environments against Apache Kafka, until a capsule is out.

What only an engine can show is not claimed here: that images are pulled and built, that volumes get their owner, that
capabilities are dropped.
"""

from __future__ import annotations

import shlex
import stat
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.deployment import dockerfile
from tests.deployment.compose import ROOT, Service, in_starting_order, services
from tests.deployment.containers import Containers

INSTALLED = Path(sys.prefix)
"""Kordon as it is installed here stands for the image's where Kafka has no part."""


@pytest.fixture
def wanted() -> dict[str, Service]:
    """The services of the file, with few partitions so that it starts quickly."""
    return services({"KORDON_KAFKA_PARTITIONS": "3", "SIMULATED_NODES": "8", "SIMULATED_RATE": "100"})


@pytest.fixture
def containers(
    wanted: dict[str, Service],
    tmp_path: Path,
    unless_apache_kafka_is_unavailable: AbstractContextManager[None],
) -> Iterator[Containers]:
    """The services, run from what the Dockerfile's build stage makes; Kafka is up."""
    with Containers(tmp_path, wanted, tmp_path / "image" / "opt" / "kordon") as running:
        with unless_apache_kafka_is_unavailable:
            running.up(wanted["kafka"])
        dockerfile.build(tmp_path / "image")
        yield running


def test_the_file_brings_up_a_pipeline_that_quarantines_and_issues(
    containers: Containers, wanted: dict[str, Service]
) -> None:
    profiles = {name for name, each in wanted.items() if each.document.get("profiles")}
    plain = {name: each for name, each in wanted.items() if name not in profiles}

    for service in in_starting_order(plain):
        if service.name != "kafka":
            containers.up(service)
    for service in plain.values():
        if service.health_check and service.name != "kafka":
            containers.wait_until_healthy(service)

    # A fleet plays; then what docs/deploy.md tells a person to do.
    containers.up(wanted["simulator"])
    watch, make_key, enrol, request = commands_of_the_page()
    assert "quarantined" in said(containers, wanted["kordon"], watch)
    public_key = said(containers, wanted["kordon"], make_key).strip()
    assert "is enrolled" in said(
        containers, wanted["kordon"], [public_key if each == "PUBLIC_KEY" else each for each in enrol]
    )
    assert said(containers, wanted["kordon"], request).startswith("granted\n")

    # Both workers have had co-partitions; everything is still running, and ends in order.
    for worker in ("worker-1", "worker-2"):
        containers.wait_until_said(worker, "copartition.taken")
    services_running = [name for name, each in plain.items() if each.document.get("restart") and name != "kafka"]
    assert {"worker-1", "worker-2", "issuer"} <= set(services_running)
    assert [name for name in services_running if not containers.is_running(name)] == []
    assert [name for name in services_running if containers.made_by(plain[name])] == []
    assert set(containers.stop(*services_running).values()) == {0}
    assert not containers.healthy(wanted["worker-1"])


def test_keys_are_made_once_kept_private_and_shared_out(wanted: dict[str, Service], tmp_path: Path) -> None:
    containers = Containers(tmp_path, wanted, INSTALLED)

    assert containers.run(wanted["keys"])[0] == 0
    made = contents(containers.volumes)
    again = containers.run(wanted["keys"])

    assert again == (0, "The keys are there; nothing is changed.\n")
    assert contents(containers.volumes) == made
    assert {path.split("/", 1)[0] for path in made} == {"keys", "passphrase", "operator", "trust"}
    assert {"passphrase/passphrase", "operator/operator.json", "trust/trust.json"} <= set(made)
    assert len([path for path in made if path.startswith("keys/keys/")]) == 4
    files = [path for path in containers.volumes.rglob("*") if path.is_file()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


@pytest.mark.parametrize("step", ["passphrase", "operator", "trust"])
def test_making_keys_resumes_where_it_was_interrupted(step: str, wanted: dict[str, Service], tmp_path: Path) -> None:
    containers = Containers(tmp_path, wanted, INSTALLED)
    # What is handed over at this step cannot be written: its name leads nowhere.
    in_the_way = containers.volumes / step / ".unfinished"
    in_the_way.parent.mkdir(mode=0o700, parents=True)
    in_the_way.symlink_to(tmp_path / "nowhere" / "file")
    assert containers.run(wanted["keys"])[0] != 0
    before = contents(containers.volumes)
    assert "trust/trust.json" not in before

    in_the_way.unlink()
    assert containers.run(wanted["keys"])[0] == 0

    after = contents(containers.volumes)
    ring = {path.rsplit("/", 1)[1]: content for path, content in before.items() if path.endswith(".jwe")}
    assert {path.rsplit("/", 1)[1]: content for path, content in after.items() if path.endswith(".jwe")} == ring
    assert len(after) == 4 + 3
    assert containers.run(wanted["issuer"], "-c", OPENS_THE_RING, entrypoint=["python"]) == (0, "opened\n")


def test_a_key_ring_whose_trust_is_gone_is_not_replaced_in_silence(wanted: dict[str, Service], tmp_path: Path) -> None:
    containers = Containers(tmp_path, wanted, INSTALLED)
    assert containers.run(wanted["keys"])[0] == 0
    (containers.volumes / "trust" / "trust.json").unlink()
    made = contents(containers.volumes)

    status, out = containers.run(wanted["keys"])

    assert status == 78
    assert "from its backup" in out
    assert contents(containers.volumes) == made


OPENS_THE_RING = """
from issuer.settings import IssuerSettings
from issuer.key_ring import KeyRing
settings = IssuerSettings.load()
KeyRing.load(settings.keys_folder, settings.read_passphrase())
print("opened")
"""


def commands_of_the_page() -> list[list[str]]:
    """The arguments of each command in the first example of docs/deploy.md."""
    page = (ROOT / "docs" / "deploy.md").read_text()
    block = page.partition("<!-- example: first-capsule -->\n```console\n")[2].partition("```")[0]
    prompt = "$ docker compose run --rm kordon "
    lines = block.splitlines()
    assert lines
    assert all(line.startswith(prompt) for line in lines)
    return [shlex.split(line.removeprefix(prompt)) for line in lines]


def said(containers: Containers, service: Service, arguments: list[str]) -> str:
    """What a command printed; its failure is an error with what it and the services said."""
    status, out = containers.run(service, *arguments)
    assert status == 0, out + "".join(containers.log(name)[-3_000:] for name in ("worker-1", "worker-2", "issuer"))
    return out


def contents(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}
