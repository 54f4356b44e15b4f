"""Which addresses are the public internet's: a table of our own, the same on every Python.

Whatever IANA's registries of special-purpose addresses list is no public address, nor is what has
not been given out to anybody; an address that wraps another is what that is, or no public one.
https://www.iana.org/assignments/iana-ipv4-special-registry, iana-ipv6-special-registry,
multicast-addresses and ipv6-address-space, as of December 2026.
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

_SPECIAL_V4: Final = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",  # this network (RFC 791)
            "10.0.0.0/8",  # private use (RFC 1918)
            "100.64.0.0/10",  # shared address space (RFC 6598)
            "127.0.0.0/8",  # loopback (RFC 1122)
            "169.254.0.0/16",  # link local, metadata of clouds among it (RFC 3927)
            "172.16.0.0/12",  # private use (RFC 1918)
            "192.0.0.0/24",  # IETF protocol assignments (RFC 6890)
            "192.0.2.0/24",  # documentation (RFC 5737)
            "192.31.196.0/24",  # AS112-v4 (RFC 7535)
            "192.52.193.0/24",  # AMT (RFC 7450)
            "192.88.99.0/24",  # 6to4 relay anycast, deprecated (RFC 7526)
            "192.168.0.0/16",  # private use (RFC 1918)
            "192.175.48.0/24",  # direct delegation AS112 service (RFC 7534)
            "198.18.0.0/15",  # benchmarking (RFC 2544)
            "198.51.100.0/24",  # documentation (RFC 5737)
            "203.0.113.0/24",  # documentation (RFC 5737)
            "224.0.0.0/4",  # multicast (RFC 5771)
            "240.0.0.0/4",  # reserved, limited broadcast among it (RFC 1112, RFC 8190)
        ),
    )
)
"""No server of anybody's is at one of these: AS112 and AMT are reachable, and only answer their
own protocols."""

_GLOBAL_V6: Final = IPv6Network("2000::/3")
"""All of IPv6 that is given out as global unicast; everything else is special or not given out."""

_SPECIAL_V6: Final = tuple(
    map(
        IPv6Network,
        (
            "2001::/23",  # IETF protocol assignments, Teredo and ORCHID among them (RFC 2928)
            "2001:db8::/32",  # documentation (RFC 3849)
            "2002::/16",  # 6to4: wraps an IPv4 address (RFC 3056)
            "2620:4f:8000::/48",  # direct delegation AS112 service (RFC 7534)
            "3fff::/20",  # documentation (RFC 9637)
        ),
    )
)

_NAT64: Final = IPv6Network("64:ff9b::/96")
"""Wraps an IPv4 address in its last 32 bits (RFC 6052); a network with NAT64 has no other way."""
_MAPPED: Final = IPv6Network("::ffff:0:0/96")
"""An IPv4 address, written as one of IPv6 (RFC 4291)."""


def public(address: str) -> bool:
    """Tell whether an address is one of the public internet, also when written as another's.

    What is no address is not public.
    """
    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(ip, IPv4Address):
        return not any(ip in network for network in _SPECIAL_V4)
    if ip in _MAPPED or ip in _NAT64:
        return public(str(_wrapped(ip)))
    return ip in _GLOBAL_V6 and not any(ip in network for network in _SPECIAL_V6)


def _wrapped(ip: IPv6Address) -> IPv4Address:
    return IPv4Address(int(ip) & 0xFFFFFFFF)
