"""How the command line fails: a status that scripts may rely on, what went wrong, what to do about it."""

from __future__ import annotations

from enum import IntEnum


class ExitStatus(IntEnum):
    """Exit statuses of ``kordon``. They are part of its interface: a number never changes its meaning.

    Where sysexits.h has a number for a case, that number is taken.
    """

    OK = 0
    UNEXPECTED = 1
    """The answer is no (an unknown node, an envelope that does not count), an outcome was not the expected one
    (``demo``), or Kordon has a fault."""
    USAGE = 2
    """The command line was not understood."""
    DENIED = 3
    """The issuer denied the capsule, by an answer that was verified."""
    REFUSED = 4
    """What was asked does not fit what is there, such as a node that is not enrolled."""
    UNAVAILABLE = 69
    """Kafka cannot be reached or refuses (EX_UNAVAILABLE)."""
    TIMED_OUT = 75
    """Nothing answered in time; the same command may be tried again (EX_TEMPFAIL)."""
    CONFIGURATION = 78
    """A setting, a key file or the trust file needs a person (EX_CONFIG)."""
    INTERRUPTED = 130
    """Ended by Ctrl-C (128 + SIGINT)."""


class CommandFailed(Exception):  # noqa: N818 - it reads as what happened, and it is no programming error
    """An expected failure: ``message`` says what went wrong, ``remedy`` what to do, ``status`` how to exit.

    Neither text holds a secret.
    """

    def __init__(self, status: ExitStatus, message: str, remedy: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.remedy = remedy
