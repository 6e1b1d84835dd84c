"""Instants on the wire: RFC 3339 text outside, integer milliseconds inside."""

import re
from calendar import timegm
from datetime import UTC, datetime
from typing import ClassVar, Final, Self, TypeVar

_RFC_3339: Final = re.compile(
    # Hours end at 23: datetime.fromisoformat takes 24:00:00 for midnight since Python 3.14, RFC 3339 does not.
    r"(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2})[Tt](?P<clock>(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9])"
    r"(?:\.(?P<fraction>[0-9]+))?(?P<zone>[Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_SECOND_MILLIS: Final = 1000
_MINUTE_MILLIS: Final = 60 * _SECOND_MILLIS

# A fleet's records cluster in a few recent seconds, so both directions are table look-ups on the hot path; of a large
# fleet most instants have been read before, of another node.
_MILLIS_OF_SUFFIX: Final = {"Z": 0} | {f".{millis:03d}Z": millis for millis in range(1000)}
_SUFFIX_OF_MILLIS: Final = tuple(f".{millis:03d}Z" for millis in range(1000))
_CACHED: Final = 16_384
_CANONICAL_LENGTH: Final = len("2026-11-23T20:00:00.000Z")
_LONGEST_CACHED: Final = len("2026-11-23T20:00:00.000000000+00:00")
_second_of_text: dict[str, int] = {}
_text_of_second: dict[int, str] = {}
_instants: dict[str, tuple[int, str]] = {}


class Timestamp(int):
    """Milliseconds since 1970-01-01T00:00:00Z, between the years 1 and 9999 inclusive.

    Compares, adds and subtracts as the integer it is (the result of arithmetic is a plain ``int``).
    ``str()`` gives the wire form, ``2026-11-23T20:00:00.000Z``.
    """

    LATEST: ClassVar[int]
    """The last instant there is a wire form for, 9999-12-31T23:59:59.999Z."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read an RFC 3339 date-time; digits beyond milliseconds are cut off, never rounded.

        ``T`` and ``Z`` may be lower case (RFC 3339 section 5.6). A zone is required. Leap seconds (``:60``)
        are refused, as POSIX time cannot hold them.

        Raises:
            ValueError: the text is not such a time; the message says what is wrong and repeats no input.
        """
        return cls(read_instant(text)[0])

    def __str__(self) -> str:
        return canonical_text(self)

    def __repr__(self) -> str:
        return f"Timestamp.parse({str(self)!r})"


def canonical_text(millis: int) -> str:
    """Return the wire form of milliseconds since 1970: ``2026-11-23T20:00:00.000Z``.

    These texts are ordered as their instants are. Bounds are a :class:`Timestamp`'s; beyond them ValueError is raised.
    """
    second, rest = divmod(millis, _SECOND_MILLIS)
    try:
        return _text_of_second[second] + _SUFFIX_OF_MILLIS[rest]
    except KeyError:
        return _remember(_text_of_second, second, _format_second(second)) + _SUFFIX_OF_MILLIS[rest]


def read_instant(text: str) -> tuple[int, str]:
    """Return an RFC 3339 date-time as milliseconds since 1970 and in its canonical text (:func:`canonical_text`).

    Raises:
        ValueError: as :meth:`Timestamp.parse`.
    """
    # Not by an exception: on a small fleet with jittered clocks one in seven is new.
    known = _instants.get(text)
    if known is not None:
        return known
    instant = _read_instant(text)
    # RFC 3339 bounds no fraction, and a record may hold a megabyte of it: that many, kept, would fill any memory.
    return _remember(_instants, text, instant) if len(text) <= _LONGEST_CACHED else instant


def _read_instant(text: str) -> tuple[int, str]:
    try:
        instant = _second_of_text[text[:19]] + _MILLIS_OF_SUFFIX[text[19:]]
    except KeyError:
        instant = _parse(text)
        return instant, canonical_text(instant)
    return instant, text if len(text) == _CANONICAL_LENGTH else f"{text[:19]}.000Z"


def _parse(text: str) -> int:
    match = _RFC_3339.fullmatch(text)
    if match is None:
        raise ValueError("not an RFC 3339 date-time with a zone, such as 2026-11-23T20:00:00.000Z")
    naive = f"{match['date']}T{match['clock']}"
    try:
        second = timegm(datetime.fromisoformat(naive).timetuple()) * _SECOND_MILLIS
    except ValueError:
        raise ValueError("no such day or time of day") from None
    _remember(_second_of_text, naive, second)
    millis = second + int((match["fraction"] or "")[:3].ljust(3, "0")) - _zone_offset_millis(match["zone"])
    if not _EARLIEST_MILLIS <= millis <= _LATEST_MILLIS:
        raise ValueError("outside the years 1 to 9999 in UTC")
    return millis


def _zone_offset_millis(zone: str) -> int:
    if zone in "Zz":
        return 0
    hours, minutes = int(zone[1:3]), int(zone[4:6])
    if hours > 23 or minutes > 59:  # noqa: PLR2004 - the bounds of time-hour and time-minute, RFC 3339 section 5.6
        raise ValueError("no such zone offset")
    offset = (hours * 60 + minutes) * _MINUTE_MILLIS
    return -offset if zone[0] == "-" else offset


def _format_second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).replace(tzinfo=None).isoformat(timespec="seconds")


_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


def _remember(cache: dict[_Key, _Value], key: _Key, value: _Value) -> _Value:
    if len(cache) >= _CACHED:
        cache.clear()
    cache[key] = value
    return value


_EARLIEST_MILLIS: Final = timegm((1, 1, 1, 0, 0, 0)) * _SECOND_MILLIS
_LATEST_MILLIS: Final = timegm((9999, 12, 31, 23, 59, 59)) * _SECOND_MILLIS + 999
Timestamp.LATEST = _LATEST_MILLIS
