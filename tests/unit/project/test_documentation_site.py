"""What the site makes of the pages and docstrings; that it builds at all is said by ``make check``, strictly."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scripts.documentation_docstrings import in_markdown
from scripts.documentation_site import adapted

ROOT = Path(__file__).parents[3]
PAGES = {"README.md", "CHANGELOG.md", "CONTRIBUTING.md", "design.md", "adr/README.md", "demo.svg"}


@pytest.mark.parametrize(
    ("page", "written", "in_the_site"),
    [
        ("README.md", "[design](docs/design.md)", "[design](design.md)"),
        ("README.md", "[so](docs/design.md#3-topics)", "[so](design.md#3-topics)"),
        ("README.md", "[`schemas/`](schemas)", "`schemas/`"),
        ("README.md", "![the demo](docs/demo.svg)", "![the demo](demo.svg)"),
        ("design.md", "[read on](../README.md#topics)", "[read on](README.md#topics)"),
        ("design.md", "[why](adr/README.md)", "[why](adr/README.md)"),
        ("design.md", "[a file](../docker-compose.yml)", "a file"),
        ("adr/README.md", "[x](../design.md), [y](../../CHANGELOG.md)", "[x](../design.md), [y](../CHANGELOG.md)"),
        ("design.md", "[x](https://example.org/a.md), [y](#top)", "[x](https://example.org/a.md), [y](#top)"),
        ("README.md", "[decisions](docs/adr)", "[decisions](adr/README.md)"),
        ("design.md", "[nowhere](nowhere.md)", "[nowhere](nowhere.md)"),
    ],
)  # fmt: skip
def test_a_link_of_the_repository_leads_to_the_same_place_in_the_site(
    page: str, written: str, in_the_site: str
) -> None:
    assert adapted(written, page, PAGES) == in_the_site


def test_docstrings_are_put_into_markdowns_way() -> None:
    assert in_markdown("See :class:`a.B`.\n\n::\n\n    code()\n\nSo::\n\n    more()") == (
        "See `a.B`.\n\n\n    code()\n\nSo:\n\n    more()"
    )


def test_the_examples_on_the_clients_page_are_the_ones_that_are_run() -> None:
    shown = dict(
        re.findall(r"<!-- file: (\S+) -->\n```python\n(.*?)```", (ROOT / "docs/client.md").read_text(), re.DOTALL)
    )

    assert shown.keys() == {str(path.relative_to(ROOT)) for path in ROOT.glob("examples/client/*.py")}
    for name, text in shown.items():
        assert (ROOT / name).read_text() == text
