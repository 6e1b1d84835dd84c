"""How many answers a co-partition gives to those who proved nothing: a token bucket, so that a flood costs little."""

from collections.abc import Callable


class RefusalRate:
    """Allows ``per_second`` refusals a second on average and as many at once.

    ``clock`` gives monotonic seconds.
    """

    def __init__(self, per_second: int, clock: Callable[[], float]) -> None:
        self._per_second = per_second
        self._clock = clock
        self._left = float(per_second)
        self._last = clock()

    def allows(self) -> bool:
        """Take one if one is left."""
        now = self._clock()
        self._left = min(float(self._per_second), self._left + (now - self._last) * self._per_second)
        self._last = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
