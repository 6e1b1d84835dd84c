"""Settings: where they come from, what is refused, and that secrets stay out of sight."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from transport.settings import KafkaSettings
from transport.settings_file import CONFIG_FILE_VARIABLE, InvalidSettingsError

SECRET = "correct horse battery staple"


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(CONFIG_FILE_VARIABLE, raising=False)
    for field in KafkaSettings.model_fields:
        monkeypatch.delenv(KafkaSettings.variable(field), raising=False)


def config_file(path: Path, content: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_text(content)
    monkeypatch.setenv(CONFIG_FILE_VARIABLE, str(path))


def refusal(**overrides: object) -> str:
    with pytest.raises(InvalidSettingsError) as refused:
        KafkaSettings.load(**overrides)
    return str(refused.value)


def test_the_environment_wins_over_the_file_and_the_file_over_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config_file(tmp_path / "k.toml", "[kafka]\npartitions = 6\nprefix = 'a.'\n[worker]\nx = 1\n", monkeypatch)
    monkeypatch.setenv("KORDON_KAFKA_PREFIX", "b.")
    settings = KafkaSettings.load()
    assert (settings.prefix, settings.partitions, settings.transaction_timeout_ms) == ("b.", 6, 10_000)


def test_an_unknown_name_in_the_file_is_refused_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config_file(tmp_path / "k.toml", "[kafka]\npartitons = 6\n", monkeypatch)
    assert "partitons" in refusal()


@pytest.mark.parametrize("content", ["[kafka", "kafka = 3", "[kafka]\npartitions = 'many'"])
def test_a_file_that_cannot_be_used_is_refused(content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config_file(tmp_path / "k.toml", content, monkeypatch)
    refusal()


def test_a_file_that_is_not_there_is_refused_by_its_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CONFIG_FILE_VARIABLE, str(tmp_path / "gone.toml"))
    assert "gone.toml" in refusal()


def test_a_refusal_names_the_variable_and_the_entry_of_the_file() -> None:
    text = refusal(partitions=0)
    assert "KORDON_KAFKA_PARTITIONS" in text
    assert "[kafka]" in text


@pytest.mark.parametrize(
    "servers", ["", " , ", "kafka", "kafka:0", "kafka:65536", "kafka://kafka:9092", "kafka:9092;other:9092", "k b:1"]
)
def test_bootstrap_servers_that_no_client_could_use_are_refused(servers: str) -> None:
    assert "bootstrap_servers" in refusal(bootstrap_servers=servers)


def test_bootstrap_servers_are_a_comma_separated_list_without_spaces() -> None:
    assert KafkaSettings.load(bootstrap_servers="a:1, b:2,[::1]:3,").bootstrap_servers == "a:1,b:2,[::1]:3"


@pytest.mark.parametrize("prefix", ["kordon", "a b.", "k/.", "ü.", "x" * 64 + "."])
def test_a_prefix_that_would_run_into_the_name_or_is_no_topic_name_is_refused(prefix: str) -> None:
    assert "prefix" in refusal(prefix=prefix)


@pytest.mark.parametrize("prefix", ["", "kordon.", "demo-", "a.b_c."])
def test_a_prefix_covers_topics_groups_and_transactional_ids_verbatim(prefix: str) -> None:
    settings = KafkaSettings.load(prefix=prefix)
    assert settings.topic("node.risk.v1") == f"{prefix}node.risk.v1"
    assert settings.without_prefix(f"{prefix}node.risk.v1") == "node.risk.v1"
    assert settings.group_id("streams") == f"{prefix}streams"
    assert settings.transactional_id("streams", 3) == f"{prefix}streams-3"


def test_a_topic_of_another_prefix_has_no_name_here() -> None:
    with pytest.raises(ValueError, match="other"):
        KafkaSettings.load(prefix="kordon.").without_prefix("other.node.risk.v1")


def test_a_transaction_timeout_above_ten_seconds_is_refused() -> None:
    assert "transaction_timeout_ms" in refusal(transaction_timeout_ms=10_001)


@pytest.mark.parametrize(
    "overrides",
    [
        {"security_protocol": "SASL_SSL"},
        {"security_protocol": "SASL_SSL", "sasl_username": "u"},
        {"security_protocol": "SASL_SSL", "sasl_password": SECRET},
        {"sasl_username": "u", "sasl_password": SECRET},
        {"security_protocol": "SSL", "sasl_password": SECRET},
        {"security_protocol": "SASL_SSL", "sasl_username": "u", "sasl_password": SECRET, "sasl_mechanism": "GSSAPI"},
    ],
)
def test_credentials_that_are_missing_or_would_not_be_used_are_refused_without_showing_them(
    overrides: dict[str, object],
) -> None:
    assert SECRET not in refusal(**overrides)


def test_a_password_in_clear_over_an_open_network_is_refused() -> None:
    clear: dict[str, object] = {
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": "PLAIN",
        "sasl_username": "u",
        "sasl_password": SECRET,
    }
    assert "SASL_SSL" in refusal(**clear, bootstrap_servers="127.0.0.1:9092,kafka.example.org:9092")
    KafkaSettings.load(**clear, bootstrap_servers="127.0.0.1:9092,localhost:9093,[::1]:9094")
    KafkaSettings.load(**clear | {"sasl_mechanism": "SCRAM-SHA-256"}, bootstrap_servers="kafka.example.org:9092")


def test_tls_files_are_refused_where_tls_is_not_used_or_the_file_is_not_there(tmp_path: Path) -> None:
    cafile = tmp_path / "ca.pem"
    assert "ssl_cafile" in refusal(security_protocol="SSL", ssl_cafile=str(cafile))
    cafile.write_text("")
    assert "security_protocol" in refusal(ssl_cafile=str(cafile))
    KafkaSettings.load(security_protocol="SSL", ssl_cafile=str(cafile))


def test_a_private_key_without_its_certificate_is_refused(tmp_path: Path) -> None:
    keyfile = tmp_path / "key.pem"
    keyfile.touch(mode=0o600)
    assert "ssl_certfile" in refusal(security_protocol="SSL", ssl_keyfile=str(keyfile))


def test_a_password_file_is_read_without_its_newline_and_only_if_others_cannot_read_it(tmp_path: Path) -> None:
    password_file = tmp_path / "password"
    password_file.write_text(f"{SECRET}\n")
    sasl: dict[str, object] = {
        "security_protocol": "SASL_SSL",
        "sasl_username": "u",
        "sasl_password_file": str(password_file),
    }
    password_file.chmod(0o644)
    assert "chmod 600" in refusal(**sasl)
    password_file.chmod(0o600)
    assert KafkaSettings.load(**sasl).password == SecretStr(SECRET)
    assert "sasl_password" in refusal(**sasl, sasl_password="another")


def test_no_secret_shows_when_settings_are_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KORDON_KAFKA_SECURITY_PROTOCOL", "SASL_SSL")
    monkeypatch.setenv("KORDON_KAFKA_SASL_USERNAME", "u")
    monkeypatch.setenv("KORDON_KAFKA_SASL_PASSWORD", SECRET)
    settings = KafkaSettings.load()
    shown = f"{settings!r} {settings} {settings.redacted()} {settings.described()}"
    assert SECRET not in shown
    assert settings.redacted()["sasl_password"] == "**********"


def test_every_setting_says_what_it_is() -> None:
    assert [setting.name for setting in KafkaSettings.load().described() if not setting.description] == []
