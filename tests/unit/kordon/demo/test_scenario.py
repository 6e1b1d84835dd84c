"""Claims about kordon/demo/scenario.py: the story is told without the code that decides."""

from __future__ import annotations

import itertools
import subprocess
import sys

from kordon.demo.narration import sentence_of
from kordon.demo.scenario import DENIALS, FLEET, PARTITIONS, SCENARIO, Asks, Registration, Trick
from kordon.kcat_lines import lines_of
from kordon.policy_fold import LineFold
from kordon.simulator import simulate
from policy.policy_file import load_policy
from schemas.decisions import DenialReason
from schemas.timestamp import Timestamp

STEPS = [step for act in SCENARIO for step in act.steps]


def test_the_scenario_imports_nothing_that_decides() -> None:
    program = "import sys, kordon.demo.scenario; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout.split()

    assert "kordon.demo.scenario" in loaded
    ours = {name.partition(".")[0] for name in loaded} & {"policy", "schemas", "streams", "issuer", "transport"}
    assert ours == set()


def test_the_story_meets_every_denial_there_is() -> None:
    met = {step.expect.partition(",")[0] for step in STEPS if isinstance(step, Asks)}

    assert {reason.value for reason in DenialReason} == DENIALS
    assert met >= DENIALS


def test_the_story_meets_every_trick() -> None:
    assert {step.trick for step in STEPS if isinstance(step, Asks)} == set(Trick)


def test_a_node_is_scored_quarantined_and_released() -> None:
    expectations = [step.expect for step in STEPS]

    held = expectations.index("quarantined at 90 by policy")
    assert "active 20" in expectations[:held]
    assert "active 0" in expectations[held:]


def test_every_step_is_a_sentence_of_its_own_act() -> None:
    for act in SCENARIO:
        sentences = [sentence_of(step) for step in act.steps]
        assert all(sentences)
    assert Registration.REVOKE.value in " ".join(sentence_of(step) for step in STEPS)


def test_what_must_come_of_the_fleet_is_what_a_plain_fold_of_its_records_gives() -> None:
    records = list(
        itertools.islice(
            simulate(FLEET.nodes, FLEET.rate, FLEET.seed, Timestamp.parse("2026-11-24T00:00:00Z"), PARTITIONS),
            FLEET.count,
        )
    )
    fold = LineFold(load_policy(None))
    fold.fold(lines_of(records))
    result = fold.summary()

    assert len(result.rows) == FLEET.rows
    assert sum(row[0] == "quarantined" for row in result.rows.values()) == FLEET.quarantined
    assert result.rejected == FLEET.dead_letters
    assert sum(record.misplaced for record in records) == FLEET.forwarded
