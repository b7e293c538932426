"""Addresses and address blocks, parsed once and compared as integers."""

import ipaddress
import re
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Self

from app.domain.errors import InvalidCidrError


class AddressFamily(StrEnum):
    IPV4 = "ipv4"
    IPV6 = "ipv6"

    @property
    def bits(self) -> int:
        """Length of an address in bits."""
        return 32 if self == "ipv4" else 128  # as text: asked millions of times


def _text(family: AddressFamily, value: int) -> str:
    if family is AddressFamily.IPV4:
        return str(ipaddress.IPv4Address(value))
    return str(ipaddress.IPv6Address(value))


@dataclass(frozen=True, order=True)
class Block:
    """A CIDR block of one family; a single address is a block of full length.

    `first` is the numeric network address, without host bits.
    """

    family: AddressFamily
    first: int
    prefix_length: int

    def __post_init__(self) -> None:
        if not 0 <= self.prefix_length <= self.family.bits:
            msg = f"{self.prefix_length} is no prefix length of {self.family}"
            raise InvalidCidrError(msg)
        if self.first & (self.size - 1):
            msg = "an address block has host bits"
            raise InvalidCidrError(msg)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what a caller wrote: `address/length`, in canonical spelling, nothing else.

        Refused: host bits, masks in place of lengths, leading zeros, zones, IPv4 in IPv6
        clothes, and the ranges that are never a peer on an intranet (multicast, loopback,
        link-local, the shared 100.64.0.0/10 where the platform's own services live).

        Raises:
            InvalidCidrError: the text is not such a block.
        """
        if not re.fullmatch(r"[0-9a-f:.]+/(0|[1-9][0-9]{0,2})", text):
            raise InvalidCidrError("a block is written as address/length, IPv6 in lower case")
        try:
            network = ipaddress.ip_network(text)
        except ValueError as error:
            raise InvalidCidrError("the text is not an address block without host bits") from error
        if str(network) != text:
            raise InvalidCidrError(f"write the block in its canonical form, {network}")
        block = cls._of_network(network)
        if any(block.within(other) for other in NEVER_A_PEER):
            raise InvalidCidrError("the block is not a unicast range of an intranet")
        if block.family is AddressFamily.IPV6 and block.within(MAPPED_IPV4):
            raise InvalidCidrError("write an IPv4 block in its own form")
        return block

    @classmethod
    def parse_address(cls, text: str) -> Self:
        """Read a single bare address in canonical spelling.

        Raises:
            InvalidCidrError: the text is not such an address.
        """
        if "/" in text:
            raise InvalidCidrError("a single address has no length")
        return cls.parse(f"{text}/{128 if ':' in text else 32}")

    @classmethod
    def read(cls, text: str) -> Self:
        """Read what the cloud answered: host bits and any spelling are accepted.

        Source: ECS API, AuthorizeSecurityGroup (a bare address means /32, IPv6 /128).
        """
        try:
            return cls._of_network(ipaddress.ip_network(text, strict=False))
        except ValueError as error:
            raise InvalidCidrError(f"the cloud answered {text!r} as an address block") from error

    @classmethod
    def _of_network(cls, network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> Self:
        family = AddressFamily.IPV4 if network.version == 4 else AddressFamily.IPV6
        return cls(family, int(network.network_address), network.prefixlen)

    @property
    def size(self) -> int:
        """Number of addresses in the block."""
        return 1 << (self.family.bits - self.prefix_length)

    @cached_property
    def last(self) -> int:
        """The numerically last address of the block."""
        return self.first + self.size - 1

    @property
    def is_single(self) -> bool:
        return self.prefix_length == self.family.bits

    @property
    def address(self) -> str:
        """The network address without the length."""
        return _text(self.family, self.first)

    def within(self, other: "Block") -> bool:
        """Say whether every address of this block is in `other`."""
        return self.family is other.family and other.first <= self.first and self.last <= other.last

    def overlaps(self, other: "Block") -> bool:
        return self.family is other.family and self.first <= other.last and other.first <= self.last

    def __str__(self) -> str:
        return f"{self.address}/{self.prefix_length}"


def _blocks(*texts: str) -> tuple[Block, ...]:
    return tuple(Block.read(text) for text in texts)


MAPPED_IPV4 = Block.read("::ffff:0:0/96")
NEVER_A_PEER = _blocks(
    "0.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "::/127",
    "fe80::/10",
    "ff00::/8",
)


def subtract(block: Block, others: tuple[Block, ...]) -> tuple[Block, ...]:
    """Return the fewest blocks that cover `block` without `others`, in order."""
    cutting = [other for other in others if other.overlaps(block)]
    if not cutting:
        return (block,)
    if any(block.within(other) for other in cutting):
        return ()
    length = block.prefix_length + 1
    half = 1 << (block.family.bits - length)
    low = Block(block.family, block.first, length)
    high = Block(block.family, block.first + half, length)
    return subtract(low, tuple(cutting)) + subtract(high, tuple(cutting))
