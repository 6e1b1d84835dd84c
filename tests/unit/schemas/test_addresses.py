from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.addresses import canonical_ip


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("192.0.2.10", "192.0.2.10"),
        ("2001:DB8:0:0:0:0:0:1", "2001:db8::1"),
        ("2001:db8::0001", "2001:db8::1"),
        ("::ffff:192.0.2.10", "192.0.2.10"),
        ("::FFFF:C000:020A", "192.0.2.10"),
    ],
)
def test_one_place_has_one_spelling(text: str, canonical: str) -> None:
    assert canonical_ip(text) == canonical


@pytest.mark.parametrize(
    "text", ["", "300.1.1.1", "192.0.2", "192.0.2.010", " 192.0.2.1", "fe80::1%eth0", "192.0.2.1/32", "localhost", "1"]
)
def test_what_is_no_address_or_has_a_zone_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="address"):
        canonical_ip(text)


OCTETS = st.integers(0, 300).map(str) | st.sampled_from(["", "00", "01", "1 ", "+1", "\u0661", "x"])


@given(st.lists(OCTETS, min_size=3, max_size=5).map(".".join))
def test_what_looks_like_ipv4_is_accepted_and_spelled_as_the_standard_library_has_it(text: str) -> None:
    try:
        expected = str(ip_address(text))
    except ValueError:
        with pytest.raises(ValueError, match="address"):
            canonical_ip(text)
    else:
        assert canonical_ip(text) == expected
