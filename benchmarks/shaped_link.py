"""TCP over an emulated link of a given rate and delay, on one machine.

Two network namespaces have a TUN device each, and this process forwards the IP packets between
them at the link's rate and with its delay, as netem's `rate` and `delay` do. Many kernels lack
netem; this works on all of them. TCP is the kernel's own, so handshakes, slow start,
acknowledgements and headers take realistic time: the three packets of a new connection are delayed
like all others.

Needs Linux with /dev/net/tun, and root or user namespaces.
"""

from __future__ import annotations

import ctypes
import fcntl
import multiprocessing
import os
import select
import socket
import struct
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, TypeVar

T = TypeVar("T")

DEVICE, SERVER, PORT = "10.77.0.1", "10.77.0.2", 7070
MTU = 1500
QUEUE_BYTES = 1000 * MTU
"""Queue length per direction, netem's 1000 packets."""

_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
_SIOCSIFADDR, _SIOCSIFDSTADDR, _SIOCSIFFLAGS, _IFF_UP = 0x8916, 0x8918, 0x8914, 0x0001


class LinkError(RuntimeError):
    """The link cannot be set up on this machine, or the work over it failed."""


@dataclass(frozen=True)
class Link:
    """Rates in bit/s from device to server and back; one-way delay in s."""

    up: float
    down: float
    delay: float


@dataclass(frozen=True)
class Carried:
    """Traffic of a link, IP headers included.

    Attributes:
        bytes_up: Bytes of all packets from device to server.
        bytes_down: Bytes of all packets from server to device.
        dropped: Dropped packets, both directions.
        late: Mean delay of packets beyond the link's, in s, both directions.
    """

    bytes_up: int
    bytes_down: int
    dropped: int
    late: float


class Line:
    """One direction: packets leave in order at a rate and arrive after a delay.

    Args:
        rate: Rate in bit/s.
        delay: Delay in s.
    """

    def __init__(self, rate: float, delay: float) -> None:
        self.rate, self.delay = rate, delay
        self.waiting: deque[tuple[float, bytes]] = deque()
        self.packets = self.bytes = self.dropped = 0
        self.late = self._free = 0.0

    def enter(self, packet: bytes, now: float) -> None:
        """Queue a packet, or drop it if the queue is full."""
        start = max(now, self._free)
        if (start - now) * self.rate > 8 * QUEUE_BYTES:
            self.dropped += 1
            return
        self._free = start + 8 * len(packet) / self.rate
        self.waiting.append((self._free + self.delay, packet))
        self.packets += 1
        self.bytes += len(packet)

    def arrived(self, now: float) -> list[bytes]:
        """Packets that have arrived since the last call."""
        arrived = []
        while self.waiting and self.waiting[0][0] <= now:
            due, packet = self.waiting.popleft()
            self.late += now - due
            arrived.append(packet)
        return arrived


def over(
    link: Link,
    serve: Callable[[socket.socket], None],
    work: Callable[[Callable[[], socket.socket]], T],
) -> tuple[T, Carried]:
    """Run work on one end of a link and a server on the other.

    Args:
        link: The link.
        serve: Takes a listening socket; terminated when the work is done.
        work: Takes a function that connects to the server. Both run in child processes.

    Returns:
        The result of the work and the traffic of the link.

    Raises:
        LinkError: Namespaces or TUN devices are not permitted here, or the work failed.
    """
    context = multiprocessing.get_context("fork")  # shares the files to send without copies
    receiver, sender = context.Pipe()
    ends = [socket.socketpair(socket.AF_UNIX) for _ in range(2)]
    processes = [
        context.Process(target=_server, args=(ends[0][1], serve), daemon=True),
        context.Process(target=_device, args=(ends[1][1], work, sender), daemon=True),
    ]
    devices: list[int] = []
    try:
        for process, (end, _) in zip(processes, ends, strict=True):
            process.start()
            message, passed, _, _ = socket.recv_fds(end, 1000, 1)
            devices += passed
            if not passed:
                raise LinkError(message.decode())
        sender.close()
        up, down = Line(link.up, link.delay), Line(link.down, link.delay)
        ends[1][0].send(b"go")
        _carry({devices[1]: (up, devices[0]), devices[0]: (down, devices[1])}, receiver)
        try:
            result, failure = receiver.recv()
        except EOFError:
            raise LinkError("the device's process ended without a result") from None
        if failure:
            raise LinkError(f"the device's work failed: {failure}")
        late = (up.late + down.late) / (up.packets + down.packets)
        return result, Carried(up.bytes, down.bytes, up.dropped + down.dropped, late)
    finally:
        for process in processes:
            if process.pid:
                process.terminate()
                process.join()
        for device in devices:
            os.close(device)
        for pair in ends:
            for end in pair:
                end.close()
        receiver.close()


def _carry(lines: dict[int, tuple[Line, int]], until: Connection) -> None:
    """Forward packets between the devices until `until` is readable."""
    for device in lines:
        os.set_blocking(device, False)
    while True:
        due = [line.waiting[0][0] for line, _ in lines.values() if line.waiting]
        wait = max(0.0, min(due) - time.monotonic()) if due else None
        ready, _, _ = select.select([*lines, until.fileno()], [], [], wait)
        if until.fileno() in ready:
            return
        for device in ready:
            line, _ = lines[device]
            try:
                while packet := os.read(device, MTU):
                    if packet[0] >> 4 == 4:  # skips the kernel's IPv6 router solicitations
                        line.enter(packet, time.monotonic())
            except BlockingIOError:
                pass
        now = time.monotonic()
        for line, other in lines.values():
            for packet in line.arrived(now):
                os.write(other, packet)


def _server(end: socket.socket, serve: Callable[[socket.socket], None]) -> None:
    device = _own_network(end, SERVER, DEVICE)
    with socket.create_server((SERVER, PORT)) as listener:
        socket.send_fds(end, [b"ready"], [device])
        serve(listener)


def _device(
    end: socket.socket, work: Callable[[Callable[[], socket.socket]], T], result: Connection
) -> None:
    device = _own_network(end, DEVICE, SERVER)
    socket.socket = _Cubic  # type: ignore[misc]  # of every library in this process
    socket.send_fds(end, [b"ready"], [device])
    end.recv(2)
    try:
        result.send((work(_connect), None))
    except Exception as error:
        result.send((None, f"{type(error).__name__}: {error}"))


class _Cubic(socket.socket):
    """A socket with cubic, the default congestion control of Linux and Android, for TCP."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        if self.family == socket.AF_INET and self.type == socket.SOCK_STREAM:
            self.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"cubic")


def _connect() -> socket.socket:
    """Connect to the server."""
    connection = socket.socket()
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.connect((SERVER, PORT))
    return connection


def _own_network(end: socket.socket, address: str, peer: str) -> int:
    """Move this process to a new network namespace with one TUN device, and return the device."""
    try:
        flags = _CLONE_NEWNET | (_CLONE_NEWUSER if os.geteuid() else 0)
        if ctypes.CDLL(None, use_errno=True).unshare(flags):
            raise OSError(ctypes.get_errno(), "unshare")
        device = os.open("/dev/net/tun", os.O_RDWR)
        name = b"link"
        fcntl.ioctl(device, _TUNSETIFF, struct.pack("16sH22x", name, _IFF_TUN | _IFF_NO_PI))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
            for request, value in ((_SIOCSIFADDR, address), (_SIOCSIFDSTADDR, peer)):
                packed = struct.pack("HH4s8x", socket.AF_INET, 0, socket.inet_aton(value))
                fcntl.ioctl(control, request, struct.pack("16s16s8x", name, packed))
            fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sH22x", name, _IFF_UP))
    except OSError as error:
        end.send(
            f"no network of its own for {address} ({error}); run as root, or where user "
            "namespaces and /dev/net/tun are permitted".encode()
        )
        raise SystemExit(1) from None
    return device
