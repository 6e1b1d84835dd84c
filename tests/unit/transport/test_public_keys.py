"""Keys under which anybody could sign, or to which nobody could seal, are refused."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from transport.compact_jws import encode_base64url
from transport.public_keys import InvalidPublicKeyError, check_on_curve, ed25519_public_key, x25519_public_key

P = 2**255 - 19
D = -121665 * pow(121666, -1, P) % P
Point = tuple[int, int]


def add(a: Point, b: Point) -> Point:
    """The affine twisted Edwards addition law, RFC 8032 section 5.1.4 in its plain form."""
    k = D * a[0] * b[0] * a[1] * b[1]
    x = (a[0] * b[1] + a[1] * b[0]) * pow(1 + k, -1, P) % P
    y = (a[1] * b[1] + a[0] * b[0]) * pow(1 - k, -1, P) % P
    return x, y


def square_root(a: int) -> int | None:
    root = pow(a, (P + 3) // 8, P)
    for candidate in (root, root * pow(2, (P - 1) // 4, P) % P):
        if candidate * candidate % P == a % P:
            return candidate
    return None


def times(n: int, point: Point) -> Point:
    result: Point = (0, 1)
    while n:
        if n & 1:
            result = add(result, point)
        point, n = add(point, point), n >> 1
    return result


def torsion_points() -> set[Point]:
    """All points of small order, found from the curve: L times any point has an order that divides 8."""
    order = 2**252 + 27742317777372353535851937790883648493
    y = 2
    while True:
        x = square_root((y * y - 1) * pow(D * y * y + 1, -1, P))
        if x is not None:
            torsion = times(order, (x, y))
            multiples = {times(n, torsion) for n in range(8)}
            if len(multiples) == 8:
                return multiples
        y += 1


def encode(y: int, sign: int) -> str:
    return encode_base64url((y | sign << 255).to_bytes(32, "little"))


def test_every_point_of_small_order_is_refused() -> None:
    points = torsion_points()
    assert len(points) == 8
    for x, y in points:
        with pytest.raises(InvalidPublicKeyError, match="small order"):
            ed25519_public_key(encode(y, x & 1))
        # A sign on x = 0 is no canonical encoding; the same y, so it is refused just the same.
        with pytest.raises(InvalidPublicKeyError):
            ed25519_public_key(encode(y, 1 - (x & 1)))


@pytest.mark.parametrize("y", [P, P + 1, P + 2, P + 18, 2**255 - 1])
@pytest.mark.parametrize("sign", [0, 1])
def test_an_encoding_that_is_not_canonical_is_refused(y: int, sign: int) -> None:
    with pytest.raises(InvalidPublicKeyError, match="canonical"):
        ed25519_public_key(encode(y, sign))


def test_a_small_order_key_would_indeed_verify_a_forgery() -> None:
    """Why the refusal matters: under the neutral element, R = S·B with any S verifies for every message."""
    signature = (1).to_bytes(32, "little") + bytes(32)
    Ed25519PublicKey.from_public_bytes((1).to_bytes(32, "little")).verify(signature, b"whatever was never signed")


def test_ordinary_keys_are_accepted_and_on_the_curve() -> None:
    for number in range(20):
        raw = Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32).public_key().public_bytes_raw()
        key = ed25519_public_key(encode_base64url(raw))
        assert key.public_bytes_raw() == raw
        check_on_curve(key)


def test_a_point_off_the_curve_is_told_to_whoever_hands_it_in() -> None:
    off = [y for y in range(2, 30) if square_root((y * y - 1) * pow(D * y * y + 1, -1, P)) is None]
    assert off
    for y in off:
        with pytest.raises(InvalidPublicKeyError, match="curve"):
            check_on_curve(ed25519_public_key(encode(y, 0)))


# RFC 7748 section 6.1 and section 7: the points whose order divides 8, on the curve and its twist, and their
# non-canonical spellings, as listed in the security considerations of curve25519 implementations.
LOW_ORDER_U = (
    0,
    1,
    325606250916557431795983626356110631294008115727848805560023387167927233504,
    39382357235489614581723060781553021112529911719440698176882885853963445705823,
    P - 1,
    P,
    P + 1,
)


@pytest.mark.parametrize("u", LOW_ORDER_U)
@pytest.mark.parametrize("top", [0, 1])
def test_every_low_order_x25519_point_is_refused(u: int, top: int) -> None:
    with pytest.raises(InvalidPublicKeyError, match="low order"):
        x25519_public_key(encode_base64url((u | top << 255).to_bytes(32, "little")))


def test_an_ordinary_x25519_key_is_accepted() -> None:
    raw = X25519PrivateKey.generate().public_key().public_bytes_raw()
    assert x25519_public_key(encode_base64url(raw)).public_bytes_raw() == raw


@pytest.mark.parametrize(
    "text", ["", "AA", "A" * 42, "A" * 44, "A" * 43 + "=", "é" * 43, " " + "A" * 42, "A" * 42 + "B", "+" * 43]
)
def test_what_is_not_32_bytes_in_base64url_is_refused(text: str) -> None:
    with pytest.raises(InvalidPublicKeyError):
        ed25519_public_key(text)
    with pytest.raises(InvalidPublicKeyError):
        x25519_public_key(text)
