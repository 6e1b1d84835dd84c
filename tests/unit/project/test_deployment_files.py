"""Dockerfile, .dockerignore and docker-compose.yml: what their linters say, and rules of this project's own."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deployment import compose, dockerfile
from tests.deployment.compose import ROOT, Service

SERVICES = compose.services({})
OURS = {name: each for name, each in SERVICES.items() if name != "kafka"}
LASTING = {name: each for name, each in SERVICES.items() if each.document.get("restart") == "unless-stopped"}

ENTITLED = {
    "kafka": {"kafka"},
    "keys": {"keys", "passphrase", "operator", "trust"},
    "topics": set(),
    "worker-1": {"trust"},
    "worker-2": {"trust"},
    "issuer": {"keys", "passphrase", "trust"},
    "ledger": {"trust", "ledger"},
    "simulator": set(),
    "kordon": {"operator", "trust", "nodes"},
}
"""Service → the volumes it may see. Only the issuer can open the key ring, only people can sign as operators."""

WRITTEN = {"kafka": {"kafka"}, "keys": ENTITLED["keys"], "ledger": {"ledger"}, "kordon": {"nodes"}}
"""Service → the volumes it may change; the others none."""


def lint(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name(program)), *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_compose_file_is_what_the_compose_specification_allows(tmp_path: Path) -> None:
    checked = lint("check-jsonschema", "--builtin-schema", "vendor.compose-spec", "docker-compose.yml")
    assert checked.returncode == 0, checked.stdout
    wrong = tmp_path / "docker-compose.yml"
    wrong.write_text(compose.FILE.read_text().replace("stop_grace_period:", "stop_grace_periods:"))
    assert lint("check-jsonschema", "--builtin-schema", "vendor.compose-spec", str(wrong)).returncode == 1


def test_the_dockerfile_is_what_its_linter_wants(tmp_path: Path) -> None:
    checked = lint("hadolint", "Dockerfile")
    assert checked.returncode == 0, checked.stdout
    wrong = tmp_path / "Dockerfile"
    wrong.write_text(dockerfile.FILE.read_text().replace("USER 10001:10001", "USER root"))
    assert "DL3002" in lint("hadolint", str(wrong)).stdout


@pytest.mark.parametrize("script", ["deploy/make-keys", "scripts/bootstrap", ".ci/run"])
def test_a_shell_script_is_what_its_linter_wants(script: str) -> None:
    checked = lint("shellcheck", script)
    assert checked.returncode == 0, checked.stdout


def test_the_image_runs_as_a_user_without_rights_and_installs_by_hash_alone() -> None:
    build, image = dockerfile.stages()
    assert dockerfile.values(image, "USER") == ["10001:10001"]
    assert image[-3].keyword == "USER"  # then ENTRYPOINT and CMD: nothing is done after it that needs root
    installs = re.findall(r"pip install [^&]+", " ".join(dockerfile.values(build, "RUN")))
    assert len(installs) == 3
    assert all("--require-hashes" in each or "--no-index" in each for each in installs)
    assert "pip" not in " ".join(dockerfile.values(image, "RUN"))


def test_what_the_image_is_built_from_is_let_in_and_nothing_else_is() -> None:
    copied = {
        source.rstrip("/")
        for stage in dockerfile.stages()
        for argument in dockerfile.values(stage, "COPY")
        if "--from=" not in argument
        for source in argument.split()[:-1]
        if not source.startswith("--")
    }
    assert copied == set(dockerfile.context())


def test_a_volume_is_mounted_where_the_image_has_a_folder_of_its_user() -> None:
    made = re.findall(
        rf"{re.escape('/var/lib/kordon')}/\w+", " ".join(dockerfile.values(dockerfile.stages()[1], "RUN"))
    )
    mounted = {path for each in OURS.values() for path in each.volumes}
    assert mounted == set(made)
    assert {path: volume for each in OURS.values() for path, volume in each.volumes.items()} == {
        path: Path(path).name for path in made
    }
    assert set(compose.document()["volumes"]) == {Path(path).name for path in made} | {"kafka"}


@pytest.mark.parametrize("service", SERVICES.values(), ids=list(SERVICES))
def test_a_service_sees_only_the_volumes_it_needs(service: Service) -> None:
    assert set(service.volumes.values()) == ENTITLED[service.name]
    writable = {volume for path, volume in service.volumes.items() if path not in service.read_only}
    assert writable == WRITTEN.get(service.name, set())


@pytest.mark.parametrize("service", OURS.values(), ids=list(OURS))
def test_a_service_has_no_right_it_does_not_need(service: Service) -> None:
    document = service.document
    assert document["read_only"]
    assert document["cap_drop"] == ["ALL"]
    assert document["security_opt"] == ["no-new-privileges:true"]
    assert "user" not in document  # the image's
    assert "ports" not in document
    assert not {"privileged", "cap_add", "pid", "ipc", "devices"} & set(document)


@pytest.mark.parametrize("service", LASTING.values(), ids=list(LASTING))
def test_a_service_that_lasts_says_whether_it_is_healthy_and_has_time_to_end(service: Service) -> None:
    assert service.health_check or service.name == "simulator"  # nothing waits for the simulator
    assert int(service.document["stop_grace_period"].removesuffix("s")) >= 30


def test_every_worker_and_issuer_is_a_static_member_by_a_name_of_its_own() -> None:
    names = [each.environment["KORDON_WORKER_INSTANCE_ID"] for each in OURS.values() if each.command[:1] == ["worker"]]
    assert len(names) == len(set(names)) == 2
    assert SERVICES["issuer"].environment["KORDON_ISSUER_INSTANCE_ID"]


def test_kafka_creates_no_topic_by_itself_and_listens_to_this_machine_alone() -> None:
    kafka = SERVICES["kafka"]
    assert kafka.environment["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"
    assert all(port.startswith("127.0.0.1:") for port in kafka.document["ports"])


def test_the_broker_is_the_version_that_the_tests_run_on() -> None:
    tested = re.search(r"<kafka.version>([^<]+)<", (ROOT / "tests" / "brokers" / "pom.xml").read_text())
    assert tested is not None
    assert SERVICES["kafka"].document["image"] == f"apache/kafka:{tested[1]}"


def test_no_secret_stands_in_the_file() -> None:
    variables = {name for each in SERVICES.values() for name in each.environment}
    assert not [
        name for name in variables if re.search(r"PASSWORD|PASSPHRASE|SECRET|TOKEN", name) and "_FILE" not in name
    ]


def test_every_service_is_explained() -> None:
    page = (ROOT / "docs" / "deploy.md").read_text()
    rows = set(re.findall(r"^\| `([\w-]+)` \|", page, re.MULTILINE))
    assert set(SERVICES) <= rows
    assert set(compose.document()["volumes"]) <= rows
    assert set(re.findall(r"\$\{(\w+)", compose.FILE.read_text())) <= rows


def test_a_variable_takes_the_place_of_its_default(tmp_path: Path) -> None:
    changed = tmp_path / "docker-compose.yml"
    shutil.copy(compose.FILE, changed)
    found = compose.services({"KAFKA_PORT": "19999", "KORDON_CLUSTER_ID": ""}, changed)
    assert found["kafka"].document["ports"] == ["127.0.0.1:19999:9092"]
    assert "HOST://localhost:19999" in found["kafka"].environment["KAFKA_ADVERTISED_LISTENERS"]
    assert found["keys"].command[0] == "local"
