"""Real packets between the hosts of a stage: TCP connections, UDP datagrams, pings, GRE and more.

Many flows share one wait. What should arrive is waited for as long as it takes, so that a busy
machine is not taken for a drop; then a moment is left for what should not arrive.

A flow that was judged once is known to the kernel's connection tracking, and so is its answer:
neither is ever sent twice. A port on which a host listens is not one that it sends from.
"""

import errno
import select
import socket
import struct
import time
from collections.abc import Callable, Hashable, Iterable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field

from app.domain.addresses import AddressFamily
from app.domain.flows import Flow
from app.domain.rules import Protocol
from app.domain.world import InterfaceEnd
from tests.support.stage import NUMBERS, Stage

PATIENCE_SECONDS = 10.0
GRACE_SECONDS = 0.03
FAMILIES = {AddressFamily.IPV4: socket.AF_INET, AddressFamily.IPV6: socket.AF_INET6}
KINDS = {Protocol.TCP: socket.SOCK_STREAM, Protocol.UDP: socket.SOCK_DGRAM}
ECHO_REQUEST = {Protocol.ICMP: 8, Protocol.ICMPV6: 128}
ECHO_REPLY = {Protocol.ICMP: 0, Protocol.ICMPV6: 129}


@dataclass(frozen=True, slots=True)
class Shot:
    """A flow of one packet between two hosts, whether it should arrive, and its mark."""

    number: int
    flow: Flow
    source: InterfaceEnd
    target: InterfaceEnd
    passes: bool

    @property
    def protocol(self) -> Protocol:
        return self.flow.traffic.protocol

    @property
    def ports(self) -> tuple[int, int]:
        """Source port and port; zero without ports."""
        traffic = self.flow.traffic
        if not self.protocol.has_ports:
            return (0, 0)
        return (traffic.source_ports.first, traffic.ports.first)

    def track(self) -> Hashable:
        """Return what connection tracking knows both directions by; pings have numbers."""
        here = (self.source.block.address, self.ports[0])
        there = (self.target.block.address, self.ports[1])
        mark = self.number if self.protocol in ECHO_REQUEST else 0
        return (self.protocol, frozenset({here, there}), mark)

    def near(self) -> Hashable:
        """Return the place that it is sent from."""
        return (self.protocol, self.source.block, self.ports[0])

    def far(self) -> Hashable:
        """Return the place that it is sent to."""
        return (self.protocol, self.target.block, self.ports[1])


@dataclass(slots=True)
class Volley:
    """Shots that can be in the air together."""

    shots: list[Shot] = field(default_factory=list)
    near: set[Hashable] = field(default_factory=set)
    far: set[Hashable] = field(default_factory=set)

    def takes(self, shot: Shot) -> bool:
        if shot.protocol in KINDS:
            near, far = shot.near(), shot.far()
            if near in self.near or near in self.far or far in self.near:
                return False
            self.near.add(near)
            self.far.add(far)
        self.shots.append(shot)
        return True


def volleys(shots: Iterable[Shot]) -> list[Volley]:
    """Put shots together as far as they do not meet; what was shot before is left out."""
    found: list[Volley] = []
    tracked: set[Hashable] = set()
    for shot in shots:
        track = shot.track()
        if track in tracked:
            continue
        tracked.add(track)
        if not any(volley.takes(shot) for volley in found):
            found.append(Volley())
            found[-1].takes(shot)
    return found


def fire(stage: Stage, shots: Sequence[Shot]) -> set[int]:
    """Send all shots at once; return the numbers of those that arrived."""
    with ExitStack() as sockets:
        range_ = _Range(stage, sockets)
        for shot in shots:
            range_.open(shot)
        for shot in shots:
            range_.send(shot)
        range_.watch({shot.number for shot in shots if shot.passes})
        return range_.arrived


class _Range:
    """The open sockets of a volley, and what each of them says when something comes."""

    def __init__(self, stage: Stage, sockets: ExitStack) -> None:
        self._stage, self._sockets = stage, sockets
        self._poll = select.poll()
        self._heard: dict[int, Callable[[], None]] = {}
        self._open: dict[Hashable, socket.socket] = {}
        self.arrived: set[int] = set()

    # --- before -------------------------------------------------------------------

    def open(self, shot: Shot) -> None:
        """Listen where the shot goes to; one that was opened before listens already."""
        if shot.protocol in ECHO_REQUEST:
            key: Hashable = ("ping", shot.source.block)
            if key not in self._open:
                listener = self._open[key] = self._socket(shot, shot.source)
                listener.bind((shot.source.block.address, 0))
                self._listen(listener, lambda: self._take_pings(listener, shot.protocol))
            return
        key = shot.far()
        if key in self._open:
            return
        listener = self._open[key] = self._socket(shot, shot.target)
        listener.bind((shot.target.block.address, shot.ports[1]))
        if shot.protocol is Protocol.TCP:
            listener.listen(128)  # the kernel answers; who connects sees that it did
        else:
            self._listen(listener, lambda: self._take(listener, shot))

    def _socket(self, shot: Shot, end: InterfaceEnd) -> socket.socket:
        kind = KINDS.get(shot.protocol, socket.SOCK_RAW)
        number = 0 if shot.protocol in KINDS else NUMBERS[shot.protocol]
        with self._stage.hosts[end.eni.eni_id].entered():
            opened = socket.socket(FAMILIES[shot.flow.family], kind, number)
        opened.setblocking(False)
        self._sockets.callback(opened.close)
        return opened

    def _listen(self, listener: socket.socket, heard: Callable[[], None]) -> None:
        self._poll.register(listener, select.POLLIN)
        self._heard[listener.fileno()] = heard

    # --- sending ------------------------------------------------------------------

    def send(self, shot: Shot) -> None:
        """Send; the kernel says at once when the host's own rules drop it."""
        with suppress(PermissionError):
            if shot.protocol is Protocol.TCP:
                self._connect(shot)
            elif shot.protocol in ECHO_REQUEST:
                self._open["ping", shot.source.block].sendto(
                    _echo(shot), (shot.target.block.address, 0)
                )
            else:
                sender = self._socket(shot, shot.source)
                sender.bind((shot.source.block.address, shot.ports[0]))
                self._sending(sender, shot)

    def _sending(self, sender: socket.socket, shot: Shot) -> None:
        payload = struct.pack("!II", 0, shot.number)  # the first half is a GRE header without flags
        port = shot.ports[1] if shot.protocol is Protocol.UDP else 0
        sender.sendto(payload, (shot.target.block.address, port))

    def _connect(self, shot: Shot) -> None:
        client = self._socket(shot, shot.source)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.bind((shot.source.block.address, shot.ports[0]))
        said = client.connect_ex((shot.target.block.address, shot.ports[1]))
        if said == errno.EINPROGRESS:
            self._poll.register(client, select.POLLOUT)
            self._heard[client.fileno()] = lambda: self._connected(client, shot)
        elif said == 0:
            self.arrived.add(shot.number)
        elif said != errno.EPERM:
            raise OSError(said, f"cannot connect: {shot}")

    # --- after --------------------------------------------------------------------

    def watch(self, expected: set[int]) -> None:
        """Wait for what should arrive, and a moment longer for what should not."""
        until = time.monotonic() + PATIENCE_SECONDS
        while not expected <= self.arrived and time.monotonic() < until:
            self._hear(until)
        until = time.monotonic() + GRACE_SECONDS
        while time.monotonic() < until:
            self._hear(until)

    def _hear(self, until: float) -> None:
        left = max(0.0, until - time.monotonic())
        for number, _ in self._poll.poll(left * 1000):
            self._heard[number]()

    def _connected(self, client: socket.socket, shot: Shot) -> None:
        self._poll.unregister(client)
        if client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
            self.arrived.add(shot.number)

    def _take(self, listener: socket.socket, shot: Shot) -> None:
        payload, _ = listener.recvfrom(2048)
        if shot.flow.family is AddressFamily.IPV4 and shot.protocol not in KINDS:
            payload = _without_header(payload)
        self.arrived.add(struct.unpack("!II", payload[:8])[1])

    def _take_pings(self, listener: socket.socket, protocol: Protocol) -> None:
        payload, _ = listener.recvfrom(2048)
        if protocol is Protocol.ICMP:
            payload = _without_header(payload)
        kind, _, _, number, _ = struct.unpack("!BBHHH", payload[:8])
        if kind == ECHO_REPLY[protocol]:
            self.arrived.add(number)


def _echo(shot: Shot) -> bytes:
    """Return an echo request that carries the shot's number; over IPv6 the kernel sums it up."""
    kind = ECHO_REQUEST[shot.protocol]
    body = struct.pack("!BBHHH", kind, 0, 0, shot.number, 0)
    return struct.pack("!BBHHH", kind, 0, _checksum(body), shot.number, 0)


def _checksum(body: bytes) -> int:
    """Source: RFC 1071."""
    total: int = sum(struct.unpack(f"!{len(body) // 2}H", body))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def _without_header(datagram: bytes) -> bytes:
    """Take away the IPv4 header, which raw sockets show."""
    return datagram[(datagram[0] & 0x0F) * 4 :]
