"""What goes wrong at the client's own doing, or at the broker's, in one word each."""

from __future__ import annotations

from aiokafka.errors import KafkaTimeoutError


class NotOpenError(RuntimeError):
    """A client was used before it was opened, or after it was closed. Open a new one."""

    @classmethod
    def before(cls, form: str = "async with") -> NotOpenError:
        """It was not opened yet."""
        return cls(f"it is not open: use it inside `{form}`")

    @classmethod
    def after(cls) -> NotOpenError:
        """It was closed, perhaps while the call was under way."""
        return cls("it is closed: open a new one; whether a call that was under way took effect is not known")


class NotAcknowledgedError(KafkaTimeoutError):  # type: ignore[misc] # aiokafka ships no types
    """A record was not acknowledged in time. It may have been written all the same, or be written yet.

    Sending the same report or observation again is safe: it raises no signal that the first one did not raise.
    """

    def __init__(self, topic: str, timeout_seconds: float) -> None:
        super().__init__(f"no acknowledgement from {topic} within {timeout_seconds:g} s")
