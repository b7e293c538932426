"""Addresses, blocks and port ranges in the one spelling in which the cloud answers them."""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache

_IPV4 = re.compile(r"\d{1,3}(\.\d{1,3}){3}(/\d{1,2})?", re.ASCII)
_IPV6 = re.compile(r"[0-9A-Fa-f:.]+(/\d{1,3})?", re.ASCII)
_PORTS = re.compile(r"(\d{1,5})/(\d{1,5})", re.ASCII)
HIGHEST_PORT = 65535
ANY_PORT = "-1/-1"


@lru_cache(maxsize=65536)
def ipv4_block(text: str) -> str:
    """Return an IPv4 address or block masked to its network, always with a length.

    Raises ValueError for anything else, netmask spellings included.
    Source: ECS API, AuthorizeSecurityGroup.
    """
    try:
        if _IPV4.fullmatch(text):
            return str(ipaddress.IPv4Network(text, strict=False))
    except ValueError:
        pass
    raise ValueError(f"{text!r} is not an IPv4 address or block")


@lru_cache(maxsize=65536)
def ipv6_block(text: str) -> str:
    """Return an IPv6 address or block masked, compressed and in lower case, with a length."""
    try:
        if _IPV6.fullmatch(text):
            return str(ipaddress.IPv6Network(text, strict=False))
    except ValueError:
        pass
    raise ValueError(f"{text!r} is not an IPv6 address or block")


def address(text: str) -> str:
    """Return one address, of either family, in canonical spelling; ValueError otherwise."""
    if "%" in text:
        raise ValueError(f"{text!r} carries a zone")
    return str(ipaddress.ip_address(text))


def is_ipv6(text: str) -> bool:
    """Tell the family of a canonical address or block."""
    return ":" in text


def ports(text: str) -> tuple[int, int]:
    """Return both ends of `a/b`; ValueError unless 1 <= a <= b <= 65535.

    Source: ECS API, AuthorizeSecurityGroup, PortRange.
    """
    match = _PORTS.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a port range")
    low, high = int(match[1]), int(match[2])
    if not 1 <= low <= high <= HIGHEST_PORT:
        raise ValueError(f"{text!r} is not a range within 1/{HIGHEST_PORT}")
    return low, high
