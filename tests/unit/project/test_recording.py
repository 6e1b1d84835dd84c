"""The recording of the demo in docs/ is one of the demo as it is: made anew by ``make recording`` when it changes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from xml.etree import ElementTree as ET

from kordon.demo.scenario import SCENARIO

ROOT = Path(__file__).parents[3]
CAST = ROOT / "docs" / "demo.cast"
PICTURE = ROOT / "docs" / "demo.svg"
SVG = "{http://www.w3.org/2000/svg}"
LARGEST_BYTES = 200_000


def recorded() -> str:
    """What the recording shows, without colours."""
    header, *events = (json.loads(line) for line in CAST.read_text().splitlines())
    assert header["version"] == 2
    assert all(kind == "o" for _, kind, _ in events)
    times = [at for at, _, _ in events]
    assert times == sorted(times)
    return re.sub(r"\x1b\[[0-9;]*m", "", "".join(text for _, _, text in events)).replace("\r\n", "\n")


def pictured() -> str:
    """The text of the picture, line by line, in which spaces are no-break spaces."""
    drawn = [(float(text.attrib["y"]), text.text or "") for text in ET.parse(PICTURE).iter(f"{SVG}text")]
    return "\n".join(text.replace("\xa0", " ") for _, text in drawn)


def test_the_recording_plays_every_act_and_ends_well() -> None:
    text = recorded()
    for number, act in enumerate(SCENARIO, 1):
        assert f"\n{number}  {act.title}\n" in text
    outcomes = re.search(r"^All (\d+) outcomes were as expected", text, re.MULTILINE)
    assert outcomes is not None
    fleet_in_the_background = 1
    steps = sum(len(act.steps) for act in SCENARIO) + fleet_in_the_background
    assert text.count("✓") == int(outcomes[1]) == steps


def test_the_picture_shows_what_the_recording_plays() -> None:
    picture = pictured()
    for act in SCENARIO:
        assert act.title in picture
    assert picture.count("✓") == recorded().count("✓")
    assert PICTURE.stat().st_size < LARGEST_BYTES
