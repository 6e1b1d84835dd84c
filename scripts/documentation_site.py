"""Hooks of the site's build (mkdocs.yml): pages from beside docs/, and links out of the site.

The pages are written to be read in the repository. In the site, README.md, CONTRIBUTING.md and CHANGELOG.md are pages
as the others; a link to any other file of the repository becomes its text alone. That such a file is there is
tested (tests/unit/project/test_documents.py); a link within the site that leads nowhere fails the strict build.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any, Final

from properdocs.structure.files import File

ROOT: Final = Path(__file__).resolve().parents[1]
BESIDE: Final = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")
"""Pages of the site that are not in docs/."""

_LINK: Final = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s#]+)(#[^)]*)?\)")


def on_files(files: Any, config: Any) -> Any:
    """Add the pages beside docs/."""
    for name in BESIDE:
        files.append(File.generated(config, name, content=(ROOT / name).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, page: Any, files: Any, **_: Any) -> str:
    """Point links to where the pages are in the site."""
    return adapted(markdown, page.file.src_uri, {file.src_uri for file in files})


def adapted(markdown: str, page: str, pages: set[str]) -> str:
    """Return a page's text with the links of the repository made those of the site.

    ``page`` and ``pages`` are paths within the site. Links to other addresses and within the page stay.
    """
    here = posixpath.dirname(page)
    in_repository = "" if page in BESIDE else posixpath.join("docs", here)

    def link(found: re.Match[str]) -> str:
        image, text, target, anchor = found[1], found[2], found[3], found[4] or ""
        if "://" in target or target.startswith("mailto:"):
            return found[0]
        path = posixpath.normpath(posixpath.join(in_repository, target))
        if (ROOT / path / "README.md").is_file() and path.startswith("docs/"):
            path += "/README.md"
        if path in BESIDE:
            site = path
        elif path.startswith("docs/") and path.removeprefix("docs/") in pages:
            site = path.removeprefix("docs/")
        elif (ROOT / path).exists():
            return f"![{text}]({target})" if image else text
        else:
            return found[0]
        return f"{image}[{text}]({posixpath.relpath(site, here or '.')}{anchor})"

    return _LINK.sub(link, markdown)
