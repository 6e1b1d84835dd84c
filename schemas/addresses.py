"""IP addresses in the one spelling that may be compared."""

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

_OCTETS: Final = frozenset(str(octet) for octet in range(256))
_OCTETS_OF_IPV4: Final = 4


def canonical_ip(text: str) -> str:
    """Return the canonical text of an IPv4 or IPv6 address (RFC 5952); an IPv4-mapped address is IPv4.

    Raises:
        ValueError: no address, or one with a zone (``fe80::1%eth0`` names an interface of the sender, not a place).
    """
    octets = text.split(".")
    if len(octets) == _OCTETS_OF_IPV4 and _OCTETS.issuperset(octets):
        # Nearly every address is one; the ipaddress module takes ten times as long, of a million restored rows twice.
        return text
    return _canonical_ip(text)


@lru_cache(maxsize=65_536)
def _canonical_ip(text: str) -> str:
    try:
        address: IPv4Address | IPv6Address = ip_address(text)
    except ValueError:
        raise ValueError("not an IPv4 or IPv6 address") from None
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            raise ValueError("an address with a zone is not accepted")
        address = address.ipv4_mapped or address
    return str(address)
