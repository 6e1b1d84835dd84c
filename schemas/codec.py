"""Bytes ↔ message. The only place that knows the wire is JSON."""

import re
from functools import cache
from typing import Any, Final, TypeVar

import msgspec

from schemas.network import InvalidFieldError
from schemas.timestamp import Timestamp

Message = TypeVar("Message", bound=msgspec.Struct)

_PATH: Final = re.compile(r" - at `(?P<path>.*)`$", re.DOTALL)
_QUOTING: Final = re.compile(r"Invalid enum value ")
"""Of all of msgspec's errors the one that repeats what it was given."""
_MISSING: Final = re.compile(r"Object missing required field `(?P<field>[^`]*)`")


class DecodeError(ValueError):
    """A value that is not the message its topic carries.

    ``topic`` is the topic's name as given, ``field`` the wire path of the offending field (``$`` for the whole value),
    ``reason`` says what is wrong, for the producer's author.
    """

    def __init__(self, topic: str, field: str, reason: str) -> None:
        super().__init__(f"{topic}: {field}: {reason}")
        self.topic = topic
        self.field = field
        self.reason = reason


def encode(message: msgspec.Struct) -> bytes:
    """Return the wire form: compact JSON, fields in declaration order, absent fields left out."""
    return _ENCODER.encode(message)


def decode(message_type: type[Message], value: bytes | None, topic: str) -> Message:
    """Read a message of the given type.

    Raises:
        DecodeError: for any value that is not one, whatever it holds.
    """
    if value is None:
        raise DecodeError(topic, "$", "the record has no value")
    try:
        message: Message = decoder_of(message_type).decode(value)
    except msgspec.ValidationError as error:
        raise _named(topic, error) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DecodeError(topic, "$", str(error)) from error
    except RecursionError:
        raise DecodeError(topic, "$", "nested too deeply") from None
    return message


@cache
def decoder_of(message_type: type[Message]) -> msgspec.json.Decoder[Message]:
    """Return the decoder of a message type, for a hot path that handles msgspec's own errors by :func:`decode`."""
    return msgspec.json.Decoder(message_type, dec_hook=_decode_custom)


def _decode_custom(custom_type: type, value: Any) -> Any:
    if custom_type is Timestamp:
        if not isinstance(value, str):
            raise ValueError(f"Expected `str`, got `{type(value).__name__}`")
        return Timestamp.parse(value)
    raise NotImplementedError(custom_type)


def _encode_custom(value: Any) -> Any:
    if isinstance(value, Timestamp):
        return str(value)
    raise NotImplementedError(type(value))


def _named(topic: str, error: msgspec.ValidationError) -> DecodeError:
    text = str(error)
    path = _PATH.search(text)
    field = path["path"] if path else "$"
    reason = text[: path.start()] if path else text
    if isinstance(error.__cause__, InvalidFieldError):
        field = f"{field}.{error.__cause__.field}"
    elif missing := _MISSING.match(reason):
        field = f"{field}.{missing['field']}"
        reason = "required, but missing"
    elif _QUOTING.match(reason):
        # It goes into dead letters and logs, where nothing of a value may appear.
        reason = "none of the values that it may have"
    return DecodeError(topic, field.removeprefix("$."), reason)


_ENCODER: Final = msgspec.json.Encoder(enc_hook=_encode_custom)
