from pathlib import Path

import pytest

from policy.policy_file import PolicyError, default_policy, load_policy, parse_policy

TEXT = """
version = 2
threshold = 90
abruptStopWindowSeconds = 60
[points]
ipChanged = 1
asnChanged = 2
regionChanged = 3
abruptStop = 4
"""


def test_the_default_policy_is_the_designs() -> None:
    policy = default_policy()
    assert (policy.version, policy.threshold, policy.abruptStopWindowSeconds) == (1, 80, 300)
    points = policy.points
    assert (points.ipChanged, points.asnChanged, points.regionChanged, points.abruptStop) == (20, 40, 50, 80)


def test_a_policy_file_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(TEXT)
    policy = load_policy(path)
    assert (policy.version, policy.threshold, policy.points.abruptStop) == (2, 90, 4)
    assert load_policy(None) is default_policy()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("threshold = 90", ""),
        ("threshold = 90", "threshold = 0"),
        ("threshold = 90", 'threshold = "90"'),
        ("threshold = 90", "treshold = 90"),
        ("threshold = 90", "threshold = 90\nthresold = 80"),
        ("version = 2", "version = 0"),
        ("ipChanged = 1", "ipChanged = -1"),
        ("[points]", "[score]"),
        ("version = 2", "version ="),
    ],
)
def test_a_policy_that_is_not_wholly_understood_is_refused(tmp_path: Path, old: str, new: str) -> None:
    path = tmp_path / "strict.toml"
    path.write_text(TEXT.replace(old, new))
    with pytest.raises(PolicyError, match=r"strict\.toml"):
        load_policy(path)


def test_a_missing_or_unreadable_file_is_a_policy_error_not_the_default(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="cannot be read"):
        load_policy(tmp_path / "none.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff")
    with pytest.raises(PolicyError, match="cannot be read"):
        load_policy(tmp_path / "binary.toml")
    with pytest.raises(PolicyError):
        parse_policy("")
