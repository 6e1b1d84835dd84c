"""The policy: how many points a signal has, where the line is drawn, what counts as recent."""

from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import msgspec

Points = Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]


class PolicyError(ValueError):
    """A policy file that cannot be used; the message names the file and the field."""


class SignalPoints(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Points of each signal while it is raised; 0 switches one off."""

    ipChanged: Points
    asnChanged: Points
    regionChanged: Points
    abruptStop: Points


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A versioned policy.

    ``threshold``: a score at or above it quarantines. ``abruptStopWindowSeconds``: an unclean boot is recent while
    record timestamp - observedAt is below it (exclusive).
    """

    version: Annotated[int, msgspec.Meta(ge=1)]
    threshold: Annotated[int, msgspec.Meta(ge=1)]
    abruptStopWindowSeconds: Annotated[int, msgspec.Meta(ge=0)]
    points: SignalPoints


def parse_policy(text: str, name: str = "policy") -> Policy:
    """Read a policy from TOML text.

    Every field is required and no other is allowed: a misspelt field must not leave a default in force unseen.

    Raises:
        PolicyError: the text is no such policy; ``name`` says in the message which one.
    """
    try:
        return msgspec.toml.decode(text, type=Policy)
    except msgspec.DecodeError as error:
        raise PolicyError(f"{name}: {error}") from error


def load_policy(path: Path | None) -> Policy:
    """Read the policy file at ``path``, or the default policy for ``None``.

    Raises:
        PolicyError: the file cannot be read or is no policy.
    """
    if path is None:
        return default_policy()
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PolicyError(f"{path}: cannot be read: {error}") from error
    return parse_policy(text, str(path))


@cache
def default_policy() -> Policy:
    """Return the policy that ships with Kordon (``policy/default.toml``)."""
    return parse_policy(files("policy").joinpath("default.toml").read_text(encoding="utf-8"), "default.toml")
