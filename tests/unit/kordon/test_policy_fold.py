import json
from pathlib import Path

import pytest

from kordon.command_line import run
from kordon.failures import ExitStatus
from kordon.policy_fold import LineFold, UnreadableLineError, in_chunks
from policy.policy_file import default_policy

CASE = Path(__file__).parents[2] / "cases" / "risk" / "asn-and-region-quarantine-at-90.json"


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    path = tmp_path / "records.jsonl"
    path.write_text("\n".join(json.dumps(record) for record in json.loads(CASE.read_text())["records"]) + "\n")
    return path


def test_the_command_prints_one_json_object_as_the_case_expects(lines: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["policy", "fold", str(lines)]) == ExitStatus.OK
    assert json.loads(capfd.readouterr().out) == json.loads(CASE.read_text())["expect"]


def test_a_stricter_policy_is_taken_from_a_file(lines: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    policy = tmp_path / "lenient.toml"
    default = Path(__file__).parents[3] / "policy" / "default.toml"
    policy.write_text(default.read_text().replace("threshold = 80", "threshold = 91"))
    assert run(["policy", "fold", "--policy", str(policy), str(lines)]) == ExitStatus.OK
    assert json.loads(capfd.readouterr().out)["transitions"] == []
    policy.write_text("threshold = 91")
    assert run(["policy", "fold", "--policy", str(policy), str(lines)]) == ExitStatus.CONFIGURATION
    assert "lenient.toml" in capfd.readouterr().err


def test_a_line_that_is_no_record_is_an_error_that_names_it(lines: Path, capfd: pytest.CaptureFixture[str]) -> None:
    lines.write_text(lines.read_text() + '\n{"topic": 1}\n')
    assert run(["policy", "fold", str(lines)]) == ExitStatus.USAGE
    assert "line 4" in capfd.readouterr().err


@pytest.mark.parametrize(
    "line", [b"{", b"[]", b"\xff", b'{"partition": 0}', b'{"topic": "t", "payload": {}}', b"[" * 9999]
)
def test_no_line_raises_anything_but_the_named_error(line: bytes) -> None:
    with pytest.raises(UnreadableLineError, match="line 1"):
        LineFold(default_policy()).fold([line])


def test_bad_records_in_good_lines_are_counted_and_the_fold_goes_on() -> None:
    fold = LineFold(default_policy())
    topic = "node.network.v1"
    fold.fold(
        [
            json.dumps({"topic": topic, "partition": 0, "offset": 0, "ts": 0, "key": "n1", "payload": None}).encode(),
            json.dumps({"topic": topic, "ts": None, "key": None, "payload": "{}"}).encode(),
            json.dumps({"topic": topic, "ts": 0, "key": "\ud800", "payload": "\ud800"}).encode(),
            b"\n",
        ]
    )
    assert fold.summary().rejected == 3


def test_other_topics_are_passed_over_and_a_prefix_is_cut_off() -> None:
    fold = LineFold(default_policy(), prefix="kordon.")
    line = {"ts": 0, "key": "n1", "payload": '{"nodeId":"n1","observedAt":"1970-01-01T00:00:00Z","asn":1}'}
    fold.fold([json.dumps({"topic": "kordon.node.network.v1"} | line).encode()])
    fold.fold([json.dumps({"topic": "kordon.node.risk.v1"} | line).encode()])
    assert (fold.skipped, list(fold.summary().rows)) == (1, ["n1"])


def test_chunks_are_all_lines_in_order() -> None:
    lines = [str(number).encode() for number in range(10_000)]
    assert [line for chunk in in_chunks(lines) for line in chunk] == lines
