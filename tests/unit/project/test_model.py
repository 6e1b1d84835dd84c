"""The model's actions are the steps that the code numbers, by name, and docs/model/README.md maps all of them."""

from __future__ import annotations

import re
from pathlib import Path

from tests.model.configurations import BROKEN, INVARIANTS
from transport.writer import Step

ROOT = Path(__file__).parents[3]
README = (ROOT / "docs" / "model" / "README.md").read_text()
MODEL = (ROOT / "docs" / "model" / "Copartition.tla").read_text()


def in_capitals(action: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", action).upper()


def actions() -> set[str]:
    """Names in the model's next-state relation."""
    (relation,) = re.findall(r"^Next ==$(.*?)^Spec ==", MODEL, re.MULTILINE | re.DOTALL)
    return set(re.findall(r"\b[A-Z][a-z]\w+", relation)) - {"Workers", "Ids", "Finished"}


def mapped() -> dict[str, tuple[str, str]]:
    """Action → (step in the code, where), as the README's table has them."""
    (table,) = re.findall(r"^## Which step is which$(.*?)^## ", README, re.MULTILINE | re.DOTALL)
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \| (.+?) \|$", table, re.MULTILINE)
    return {action: (step, where.strip("`")) for action, step, where in rows}


def test_every_action_is_mapped_and_nothing_else() -> None:
    assert mapped().keys() == actions()


def test_a_numbered_step_has_its_actions_name_and_this_number_in_the_file_named() -> None:
    numbered = 0
    for action, (step, where) in mapped().items():
        found = re.match(r"(\d)\. `([A-Z_]+)`", step)
        if found is None:
            continue
        numbered += 1
        number, name = found.groups()
        assert name == in_capitals(action)
        text = (ROOT / where).read_text()
        assert f"{number}. {name}" in text or f"{name} = {number}\n" in text, (action, where)
    assert numbered == 16


def test_every_step_of_a_commit_is_an_action() -> None:
    assert {step.name for step in Step} <= {in_capitals(action) for action in mapped()}


def test_what_a_file_is_said_to_hold_by_name_it_holds() -> None:
    for step, where in mapped().values():
        for name in re.findall(r"`([A-Z][A-Z_]+)`", step):
            assert name in (ROOT / where).read_text(), (name, where)


def test_every_bug_and_invariant_of_the_configurations_is_in_the_model_and_explained() -> None:
    for bug in {bug for configuration in BROKEN for bug in configuration.bugs}:
        assert f'Has("{bug}")' in MODEL
        assert f"`{bug}`" in README
    assert set(re.findall(r'Has\("(\w+)"\)', MODEL)) == {bug for one in BROKEN for bug in one.bugs}
    broken = {configuration.breaks for configuration in BROKEN}
    for invariant in {*INVARIANTS, *broken}:
        assert re.search(rf"^{invariant} ==", MODEL, re.MULTILINE)
        assert f"`{invariant}`" in README
    assert set(INVARIANTS) <= broken  # else nothing shows that it can fail
