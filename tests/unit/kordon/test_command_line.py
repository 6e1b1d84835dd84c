"""Claims about the ``kordon`` command: quick to help, honest in its exit status, plain in a pipe."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import click
import msgspec
import pytest
from click.shell_completion import ShellComplete

from kordon import command_line
from kordon.command_line import COMMANDS, run
from kordon.failures import ExitStatus

HEAVY = {"faust", "mode", "aiokafka", "rich", "cryptography", "pydantic", "streams", "issuer", "structlog"}


def kordon(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("KORDON_")}
    return subprocess.run(
        [sys.executable, "-m", "kordon", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=clean | environment,
        timeout=60,
    )


def loaded_by(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command line; stderr then names every module that was imported."""
    program = "import sys; from kordon.command_line import run; run(sys.argv[1:]); print(*sys.modules, file=sys.stderr)"
    return subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True)


def walk(command: click.Command, path: tuple[str, ...]) -> list[tuple[tuple[str, ...], click.Command]]:
    found = [(path, command)]
    if isinstance(command, click.Group):
        for name, each in command.commands.items():
            found += walk(each, (*path, name))
    return found


def every_command() -> list[tuple[tuple[str, ...], click.Command]]:
    found = []
    for name, (where, _) in COMMANDS.items():
        module, _, attribute = where.partition(":")
        found += walk(getattr(import_module(module), attribute), (name,))
    return found


def test_help_imports_no_library_but_click() -> None:
    ended = loaded_by("--help")

    assert "click" in ended.stderr.split()
    assert HEAVY & set(ended.stderr.split()) == set()


@pytest.mark.parametrize("path", [path for path, _ in every_command()], ids=" ".join)
def test_every_command_has_help_that_costs_no_kafka_client(path: tuple[str, ...]) -> None:
    ended = loaded_by(*path, "--help")

    assert ended.stdout.startswith("Usage: kordon ")
    assert {"faust", "aiokafka"} & set(ended.stderr.split()) == set()


def test_every_leaf_command_teaches_by_an_example() -> None:
    for path, command in every_command():
        if not isinstance(command, click.Group):
            assert "kordon " + " ".join(path) in (command.epilog or ""), path


def test_the_module_and_the_entry_point_are_one_command() -> None:
    script = Path(sys.executable).with_name("kordon")
    if not script.exists():
        pytest.skip("kordon is not installed in this environment")
    entry = subprocess.run([script, "--help"], capture_output=True, text=True, check=True)

    assert entry.stdout == kordon("--help").stdout


def test_a_wrong_command_exits_with_usage() -> None:
    ended = kordon("nonsense")

    assert ended.returncode == ExitStatus.USAGE
    assert "No such command 'nonsense'" in ended.stderr


def test_a_wrong_setting_exits_with_configuration_and_names_the_setting_not_its_value() -> None:
    ended = kordon("config", KORDON_KAFKA_BOOTSTRAP_SERVERS="hunter2")

    assert ended.returncode == ExitStatus.CONFIGURATION
    assert "KORDON_KAFKA_BOOTSTRAP_SERVERS" in ended.stderr
    assert "hunter2" not in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_broker_that_is_not_there_exits_with_unavailable_and_says_what_to_set() -> None:
    ended = kordon("simulate", "--count", "1", KORDON_KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:1")

    assert ended.returncode == ExitStatus.UNAVAILABLE
    assert "Kafka cannot be reached" in ended.stderr
    assert "KORDON_KAFKA_BOOTSTRAP_SERVERS" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert "Unclosed" not in ended.stderr


def test_a_service_whose_settings_are_wrong_does_not_start() -> None:
    ended = kordon("worker", KORDON_KAFKA_BOOTSTRAP_SERVERS="no-port")

    assert ended.returncode == ExitStatus.CONFIGURATION


def test_config_says_where_each_value_comes_from(tmp_path: Path) -> None:
    file = tmp_path / "kordon.toml"
    file.write_text('[kafka]\nprefix = "berlin."\npartitions = 6\n')

    ended = kordon(
        "config",
        "--section",
        "kafka",
        "--json",
        KORDON_CONFIG_FILE=str(file),
        KORDON_KAFKA_PARTITIONS="24",
    )

    rows = {row["name"]: row for row in msgspec.json.decode(ended.stdout)}
    assert (rows["prefix"]["value"], rows["prefix"]["source"]) == ("berlin.", "file")
    assert (rows["partitions"]["value"], rows["partitions"]["source"]) == ("24", "environment")
    assert rows["client_id"]["source"] == "default"


def test_config_never_prints_a_secret(tmp_path: Path) -> None:
    for form in ((), ("--json",)):
        ended = kordon(
            "config",
            "--section",
            "kafka",
            *form,
            KORDON_KAFKA_SECURITY_PROTOCOL="SASL_SSL",
            KORDON_KAFKA_SASL_USERNAME="node",
            KORDON_KAFKA_SASL_PASSWORD="hunter2",
        )
        assert ended.returncode == ExitStatus.OK
        assert "KORDON_KAFKA_SASL_PASSWORD" in ended.stdout
        assert "hunter2" not in ended.stdout + ended.stderr


def test_config_shows_what_was_changed_alone_and_names_a_variable_that_is_no_setting() -> None:
    ended = kordon("config", "--changed", "--json", KORDON_KAFKA_PARTITIONS="6", KORDON_KAFKA_PREFX="berlin.")

    assert [row["variable"] for row in msgspec.json.decode(ended.stdout)] == ["KORDON_KAFKA_PARTITIONS"]
    assert "KORDON_KAFKA_PREFX is set and is no setting" in ended.stderr
    assert "berlin" not in ended.stderr


def completed(line: str) -> list[str]:
    """Return what a shell offers at the end of a line."""
    _, *arguments, incomplete = line.split(" ")
    completer = ShellComplete(command_line.kordon, {}, "kordon", "_KORDON_COMPLETE")
    return [offer.value for offer in completer.get_completions(arguments, incomplete)]


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("kordon no", ["node"]),
        ("kordon dlq s", ["show"]),
        ("kordon config --section ka", ["kafka"]),
        ("kordon dlq list node.c", ["node.commands.v1"]),
        ("kordon dlq replay --topic caps", ["capsule.requests.v1", "capsule.decisions.v1"]),
        ("kordon lag --wa", ["--watch"]),
        ("kordon --conf", ["--config-file"]),
    ],
)
def test_a_shell_completes_commands_options_and_values(line: str, offered: list[str]) -> None:
    assert completed(line) == offered


def test_completing_a_commands_name_imports_none_of_them() -> None:
    program = (
        "import sys\nfrom kordon.command_line import run\n"
        "try:\n    run([])\nfinally:\n    print(*sys.modules, file=sys.stderr)"
    )
    asked = {"_KORDON_COMPLETE": "bash_complete", "COMP_WORDS": "kordon ", "COMP_CWORD": "1"}
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=os.environ | asked
    )

    assert [offer.partition(",")[2] for offer in ended.stdout.splitlines()] == list(COMMANDS)
    assert HEAVY & set(ended.stderr.split()) == set()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_script_is_for_its_shell_and_asks_this_command(
    shell: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["completion", shell]) == ExitStatus.OK
    assert f"_KORDON_COMPLETE={shell}_complete" in capsys.readouterr().out
    assert run(["completion", "--help"]) == ExitStatus.OK
    assert f"kordon completion {shell} > " in capsys.readouterr().out


def test_bash_takes_the_completion_script_as_it_is() -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("there is no bash here")
    script = kordon("completion", "bash").stdout + "\ncomplete -p kordon\n"
    ended = subprocess.run([bash, "--norc", "-c", script], capture_output=True, text=True, check=False)

    assert (ended.returncode, ended.stderr) == (0, "")
    assert "_kordon_completion kordon" in ended.stdout


def test_a_doctor_without_a_broker_says_so_once_and_examines_the_files(tmp_path: Path) -> None:
    trust = tmp_path / "trust.json"
    trust.write_text("{}")
    trust.chmod(0o644)

    ended = kordon("doctor", "--json", KORDON_KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:1", KORDON_TRUST_FILE=str(trust))

    assert ended.returncode == ExitStatus.UNEXPECTED
    checks = {check["name"]: check for check in msgspec.json.decode(ended.stdout)["checks"]}
    assert checks["brokers"]["verdict"] == "failed"
    assert checks["brokers"]["found"] == "127.0.0.1:1 cannot be reached; what needs a broker was not examined"
    assert "chmod 600" in checks[f"trust.json {trust}"]["found"]
    assert not {"topics", "worker", "our clock"} & checks.keys()
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("dlq", "replay", "--yes"), "Say which letters"),
        (("dlq", "replay", "--offset", "1/2"), "exactly one --topic"),
        (("dlq", "replay", "--topic", "node.network.v1", "--offset", "1-2"), "PARTITION/OFFSET"),
        (("dlq", "list", "--since", "yesterday"), "RFC 3339"),
    ],
)
def test_letters_that_are_chosen_wrongly_are_a_usage_error_before_any_connection(
    arguments: tuple[str, ...], told: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KORDON_KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")

    assert run(arguments) == ExitStatus.USAGE
    assert told in capsys.readouterr().err


def test_output_in_a_pipe_has_no_colours_and_no_wrapped_lines() -> None:
    ended = kordon("config", "--section", "kafka")

    assert "\x1b" not in ended.stdout
    header, *rows = ended.stdout.splitlines()
    assert header.split() == ["variable", "value", "source", "description"]
    assert all(row.startswith("KORDON_KAFKA_") for row in rows)


def test_a_reader_that_leaves_early_is_no_failure_worth_a_traceback() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "kordon", "simulate", "--output", "-"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith('{"topic":')
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(timeout=60) == 141


def test_simulated_lines_are_the_same_in_a_file_and_in_a_pipe(tmp_path: Path) -> None:
    file = tmp_path / "lines"

    piped = kordon("simulate", "--count", "100", "--seed", "3", "--output", "-").stdout
    assert run(["simulate", "--count", "100", "--seed", "3", "--output", str(file)]) == ExitStatus.OK

    assert file.read_text() == piped
    assert len(piped.splitlines()) == 100


def test_a_start_that_is_no_time_is_a_usage_error() -> None:
    ended = kordon("simulate", "--output", "-", "--start", "yesterday")

    assert ended.returncode == ExitStatus.USAGE
    assert "RFC 3339" in ended.stderr
