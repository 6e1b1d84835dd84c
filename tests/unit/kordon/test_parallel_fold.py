import json
from itertools import chain
from pathlib import Path

import msgspec
import pytest

from kordon.command_line import run
from kordon.failures import ExitStatus
from kordon.parallel_fold import fold_in_processes, fold_share, useful_processes
from kordon.policy_fold import LineFold, Share, UnreadableLineError, UnsplittableError, joined
from policy.policy_file import default_policy

POLICY = default_policy()


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fold") / "fleet.jsonl"
    arguments = ["--nodes", "40", "--rate", "200", "--count", "6000", "--seed", "7", "--output", str(path)]
    assert run(["simulate", *arguments]) == ExitStatus.OK
    return path


def in_one(path: Path) -> bytes:
    fold = LineFold(POLICY)
    fold.fold(path.read_bytes().splitlines(keepends=True))
    return msgspec.json.encode((fold.summary(), fold.skipped))


def in_shares(path: Path, shares: int) -> bytes:
    return msgspec.json.encode(joined(fold_share(path, POLICY, "", Share(number, shares)) for number in range(shares)))


@pytest.mark.parametrize("shares", [2, 3, 7])
def test_the_shares_together_come_to_what_one_fold_comes_to_byte_for_byte(fleet: Path, shares: int) -> None:
    whole = in_one(fleet)
    assert b'"quarantined"' in whole
    assert in_shares(fleet, shares) == whole


def test_processes_come_to_what_one_fold_comes_to_and_each_line_is_told_of_once(fleet: Path) -> None:
    told: list[int] = []
    assert msgspec.json.encode(fold_in_processes(fleet, POLICY, "", 2, told.append)) == in_one(fleet)
    assert sum(told) == 6000


def test_the_command_prints_the_same_for_any_number_of_processes(
    fleet: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    printed = []
    for processes in ("1", "2"):
        assert run(["policy", "fold", "--processes", processes, str(fleet)]) == ExitStatus.OK
        printed.append(capfd.readouterr().out)
    assert printed[0] == printed[1]
    assert len(json.loads(printed[0])["rows"]) == 40


def line_of(**fields: object) -> str:
    return json.dumps({"topic": "node.network.v1", "partition": 0, "offset": 0, "ts": 0, "payload": "{}"} | fields)


@pytest.mark.parametrize(
    "spelling",
    [
        line_of(key="n1").replace('"n1"', '"\\u006e1"'),
        line_of(key="n1").replace('"key": "n1"', '"key": "n7", "key": "n1"'),
        line_of(key="n1").replace('"key"', '"k\\u0065y"'),
    ],
    ids=["an escaped key", "two keys", "an escaped name"],
)
def test_a_key_that_cannot_be_told_from_the_bytes_is_never_folded_in_the_wrong_share(
    spelling: str, tmp_path: Path
) -> None:
    path = tmp_path / "odd.jsonl"
    path.write_text(spelling + "\n")
    # With many shares no two of these keys fall into one by chance.
    with pytest.raises(UnsplittableError):
        in_shares(path, 1009)


def test_the_command_folds_odd_spellings_in_one_piece(fleet: Path, tmp_path: Path) -> None:
    path = tmp_path / "odd.jsonl"
    path.write_bytes(fleet.read_bytes() + line_of(key="n1").replace('"key"', '"k\\u0065y"').encode())
    assert run(["policy", "fold", "--processes", "5", str(path)]) == ExitStatus.OK


def test_the_first_line_that_is_no_record_is_named_whichever_share_meets_it(fleet: Path, tmp_path: Path) -> None:
    lines = fleet.read_bytes().splitlines()[:50]
    bad = [b"{", *(b'{"key":"n%d", "topic": 1}' % number for number in range(8))]
    path = tmp_path / "bad.jsonl"
    path.write_bytes(b"\n".join(chain(lines, reversed(bad), lines)))
    with pytest.raises(UnreadableLineError, match="line 51:"):
        fold_in_processes(path, POLICY, "", 3, lambda _: None)


def test_blanks_around_the_key_do_not_change_its_share(tmp_path: Path) -> None:
    path = tmp_path / "blanks.jsonl"
    observed = json.dumps({"nodeId": "n1", "observedAt": "1970-01-01T00:00:00Z", "asn": 64500})
    plain = line_of(key="n1", payload=observed)
    path.write_text("\n".join([plain, plain.replace('"key": ', '"key"  :  '), plain.replace(": ", ":"), ""]))
    assert in_shares(path, 5) == in_one(path)
    assert b'"n1":["active",0,[],null,3]' in in_one(path)


def test_a_small_file_is_folded_in_one_process() -> None:
    assert useful_processes(1) == 1
    assert useful_processes(15_999_999) == 1
