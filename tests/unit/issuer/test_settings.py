"""The issuer's settings name their units, hide their secret and refuse what cannot work."""

from __future__ import annotations

from pathlib import Path

import pytest

from issuer.settings import IssuerSettings
from transport.private_files import PrivateFileError
from transport.settings_file import InvalidSettingsError


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KORDON_CONFIG_FILE", raising=False)


def test_a_passphrase_comes_from_its_file_without_its_newline(tmp_path: Path) -> None:
    file = tmp_path / "passphrase"
    for content in (b"a pass phrase", b"a pass phrase\n", b"a pass phrase\r\n"):
        file.write_bytes(content)
        file.chmod(0o600)
        assert IssuerSettings.load(passphrase_file=file).read_passphrase() == b"a pass phrase"


def test_a_passphrase_that_others_may_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "passphrase"
    file.write_bytes(b"a pass phrase")
    file.chmod(0o644)
    with pytest.raises(PrivateFileError, match="chmod 600"):
        IssuerSettings.load(passphrase_file=file).read_passphrase()


def test_a_passphrase_from_the_environment_wins_and_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KORDON_ISSUER_PASSPHRASE", "a very secret phrase")
    settings = IssuerSettings.load()
    assert settings.read_passphrase() == b"a very secret phrase"
    assert "very secret" not in f"{settings!r} {settings.redacted()} {settings.described()}"


def test_the_limits_are_the_designs_by_default() -> None:
    limits = IssuerSettings.load().limits
    assert (limits.clock_skew_millis, limits.progress_age_millis, limits.lag_millis) == (300_000, 30_000, 30_000)
    assert limits.lifetime_seconds == 86_400


@pytest.mark.parametrize(
    "values",
    [
        {"capsule_lifetime_seconds": 86_401},
        {"capsule_lifetime_seconds": 599},
        {"clock_skew_seconds": 301},
        {"heartbeat_interval_ms": 5_000},
        {"passphrase_file": None},
        {"reply_topics": ["a topic"]},
        {"refusals_per_second": 0},
    ],
)
def test_what_cannot_work_is_refused(values: dict[str, object]) -> None:
    with pytest.raises(InvalidSettingsError):
        IssuerSettings.load(**values)


def test_every_time_says_its_unit() -> None:
    for setting in IssuerSettings.load().described():
        if setting.name.endswith(("_ms", "_seconds", "_second")):
            assert "second" in setting.description.lower(), setting.name
