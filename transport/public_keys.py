"""Public keys from the wire: which of the 2^256 strings of 32 bytes may stand for a key.

Ed25519 (RFC 8032): an encoding must be canonical (y below the field's prime, and no sign on x = 0) and
not be one of the eight points of small order, under which anybody's signature may verify. X25519 (RFC 7748): a
point of low order makes every shared secret zero; with it a seal would be open to all.
"""

from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from transport.compact_jws import MalformedJwsError, decode_base64url

_KEY_BYTES: Final = 32
_PRIME: Final = 2**255 - 19
_Y_BITS: Final = 2**255 - 1
_D: Final = -121665 * pow(121666, -1, _PRIME) % _PRIME
_ORDER_8_Y: Final = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7
_SMALL_ORDER_Y: Final = frozenset({0, 1, _PRIME - 1, _ORDER_8_Y, _PRIME - _ORDER_8_Y})
"""The y coordinates of the eight points whose order divides 8."""


class InvalidPublicKeyError(ValueError):
    """32 bytes that must not be used as a public key, or no 32 bytes. The text says why."""


def ed25519_public_key(text: str) -> Ed25519PublicKey:
    """Read a credential's or a trusted key's ``publicKey``; cheap enough for a registry of many nodes.

    A point off the curve passes: no signature verifies under it. Where a person hands a key in,
    :func:`check_on_curve` tells so at once.

    Raises:
        InvalidPublicKeyError: not 32 bytes in canonical base64url, not canonical, or of small order.
    """
    encoded = _raw_key(text)
    y = int.from_bytes(encoded, "little") & _Y_BITS
    if y >= _PRIME:
        raise InvalidPublicKeyError("not the canonical encoding of an Ed25519 key")
    if y in _SMALL_ORDER_Y:
        raise InvalidPublicKeyError("an Ed25519 point of small order")
    return Ed25519PublicKey.from_public_bytes(encoded)


def check_on_curve(key: Ed25519PublicKey) -> None:
    """Refuse a key that is no point of the curve, which a mistyped one is with probability one half.

    Raises:
        InvalidPublicKeyError: x^2 = (y^2 - 1) / (d y^2 + 1) is no square (RFC 8032 section 5.1.3).
    """
    y = int.from_bytes(key.public_bytes_raw(), "little") & _Y_BITS
    x_squared = (y * y - 1) * pow(_D * y * y + 1, -1, _PRIME) % _PRIME
    if pow(x_squared, (_PRIME - 1) // 2, _PRIME) != 1:
        raise InvalidPublicKeyError("not a point of the Ed25519 curve")


def x25519_public_key(text: str) -> X25519PublicKey:
    """Read a ``sealTo`` or a sealing key.

    Raises:
        InvalidPublicKeyError: not 32 bytes in canonical base64url, or a point of low order (RFC 7748 section 6.1).
    """
    key = X25519PublicKey.from_public_bytes(_raw_key(text))
    try:
        _PROBE.exchange(key)
    except ValueError:
        raise InvalidPublicKeyError("an X25519 point of low order") from None
    return key


def _raw_key(text: str) -> bytes:
    try:
        raw = decode_base64url(text.encode("ascii"))
    except (MalformedJwsError, UnicodeEncodeError):
        raise InvalidPublicKeyError("not base64url without padding") from None
    if len(raw) != _KEY_BYTES:
        raise InvalidPublicKeyError("not 32 bytes")
    return raw


_PROBE: Final = X25519PrivateKey.from_private_bytes(bytes(range(32)))
"""Any scalar does: clamping makes it a multiple of 8, so exactly the low-order points give zero, which is refused."""
