"""Reads docstrings for the site: what they say in reStructuredText's way is put into Markdown's."""

from __future__ import annotations

import re
from typing import Any, Final

import griffe

_ROLE: Final = re.compile(r":(?:class|meth|func|mod|attr|data):`([^`]+)`")
_LITERAL_BLOCK: Final = re.compile(r"::$", re.MULTILINE)
_ALONE: Final = re.compile(r"^::\n", re.MULTILINE)


def in_markdown(docstring: str) -> str:
    """Return a docstring with roles as code, and the colons before an example as one or none."""
    return _LITERAL_BLOCK.sub(":", _ALONE.sub("", _ROLE.sub(r"`\1`", docstring)))


class Docstrings(griffe.Extension):
    """Puts every docstring into Markdown's way before it is parsed."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Change the docstring of one module, class, function or attribute."""
        if obj.docstring is not None:
            obj.docstring.value = in_markdown(obj.docstring.value)
