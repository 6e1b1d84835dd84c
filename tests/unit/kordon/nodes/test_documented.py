"""docs/command.md names every field of the JSON that scripts read."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from kordon.nodes.explanation import explanation_of, log_view
from kordon.nodes.held import Held
from kordon.nodes.listing import Listed
from kordon.nodes.log_reading import Kept, NodeLog
from kordon.nodes.node_state import NodeState, view_of
from kordon.nodes.recorded_order import RecordedOrder
from kordon.nodes.refold import Refolded
from schemas.timestamp import Timestamp

PAGE = (Path(__file__).parents[4] / "docs" / "command.md").read_text()


def section(command: str) -> set[str]:
    """The words in backticks of a command's section."""
    (_, text) = PAGE.split(f"### `{command}`\n")
    return set(re.findall(r"`([A-Za-z]+)`", re.split(r"\n##", text)[0]))


def fields(struct: type[msgspec.Struct]) -> set[str]:
    return {field.encode_name for field in msgspec.structs.fields(struct)}


def test_the_fields_of_lists_are_documented() -> None:
    assert fields(Listed) - section("node list") == set()
    assert fields(Held) - section("quarantine list") == set()


def test_the_fields_of_one_node_are_documented() -> None:
    nobody = NodeState("nobody", None, None, None, None)

    assert view_of(nobody, Timestamp(0)).keys() - section("node show") == set()
    assert explanation_of(nobody, {}).keys() - section("node explain") == set()


def test_the_fields_of_what_the_log_tells_are_documented() -> None:
    log = NodeLog((Kept("node.network.v1", 0, 0, 0, None),), RecordedOrder({}), {}, None, None)
    view = log_view(log, Refolded(None, (), 0, 0, 0, 0), None, 1)

    assert (view.keys() | view["kept"][0].keys()) - section("node explain") == set()
