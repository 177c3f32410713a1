import hashlib
import socket
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shaped_link import PORT, QUEUE_BYTES, SERVER, Line, Link, LinkError, over

pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


def test_a_packet_takes_its_time_on_the_wire_and_the_delay():
    line = Line(rate=8000.0, delay=0.5)  # 1 ms a byte
    line.enter(b"a" * 100, 0.0)
    line.enter(b"b" * 100, 0.0)
    assert line.arrived(0.599) == []
    assert line.arrived(0.601) == [b"a" * 100]
    assert line.arrived(0.699) == []
    line.enter(b"c" * 200, 1.0)
    assert line.arrived(1.0) == [b"b" * 100]
    assert line.arrived(1.699) == []
    assert line.arrived(1.7) == [b"c" * 200]
    assert (line.packets, line.bytes, line.dropped) == (3, 400, 0)
    assert line.late == pytest.approx(0.001 + 0.3 + 0.0)


def test_a_full_queue_drops():
    line = Line(rate=8000.0, delay=0.0)
    for _ in range(3):
        line.enter(b"a" * QUEUE_BYTES, 0.0)
    assert (line.packets, line.dropped) == (2, 1)


@given(
    st.lists(st.tuples(st.floats(0.0, 0.1), st.integers(1, 1500)), min_size=1, max_size=50),
    st.floats(1e4, 1e8),
    st.floats(0.0, 1.0),
)
def test_no_stretch_of_time_has_more_than_the_rate(packets, rate, delay):
    line, now = Line(rate, delay), 0.0
    entered = []
    for wait, size in packets:
        now += wait
        line.enter(bytes(size), now)
        entered.append(now)
    arrivals = [at for at, _ in line.waiting]
    sizes = [size for _, size in packets]
    assert arrivals == sorted(arrivals)
    for first in range(len(arrivals)):
        on_the_wire = 8 * sum(sizes[first:]) / rate
        assert arrivals[-1] >= entered[first] + on_the_wire + delay - 1e-9


def digests(listener):
    """Answers everything up to the end of a direction with its SHA-256."""
    while True:
        connection, _ = listener.accept()
        with connection, connection.makefile("rb") as file:
            connection.sendall(hashlib.sha256(file.read()).digest())


def carried_over(link, work):
    """`over`, where the machine permits it."""
    try:
        return over(link, digests, work)
    except LinkError as error:
        if "no network of its own" in str(error):
            pytest.skip(str(error))
        raise


def test_a_link_carries_tcp_whole_and_a_connection_waits_for_its_handshake():
    content = bytes(range(256)) * 400

    def work(connect):
        start = time.perf_counter()
        with connect() as connection:
            connected = time.perf_counter() - start
            connection.sendall(content)
            connection.shutdown(socket.SHUT_WR)
            return connected, connection.recv(100), time.perf_counter() - start

    link = Link(up=8e6, down=8e6, delay=0.02)
    (connected, digest, seconds), carried = carried_over(link, work)
    assert digest == hashlib.sha256(content).digest()
    assert connected >= 2 * link.delay
    assert seconds >= 4 * link.delay + 8 * len(content) / link.up
    assert carried.dropped == 0
    # At least 40 bytes of headers in a packet of 1500; on a busy machine some are sent twice.
    assert len(content) * 1500 / 1460 < carried.bytes_up < len(content) * 2
    # The answer, and acknowledgements of 40 to 60 bytes.
    assert len(digest) + 40 < carried.bytes_down < len(content) / 10


def test_every_library_on_the_device_sends_with_cubic():
    def work(connect):
        with socket.create_connection((SERVER, PORT)) as connection:
            found = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16)
            connection.shutdown(socket.SHUT_WR)
            return found, len(connection.recv(100))

    found, _ = carried_over(Link(up=8e6, down=8e6, delay=0.0), work)
    assert found == (b"cubic".ljust(16, b"\0"), 32)


def test_work_that_fails_is_told():
    def work(connect):
        raise ValueError("no such file")

    with pytest.raises(LinkError, match="the device's work failed: ValueError: no such file"):
        carried_over(Link(up=1e6, down=1e6, delay=0.0), work)


def test_without_permission_it_says_what_is_needed(monkeypatch):
    def denied(path, flags):
        raise PermissionError(1, "Operation not permitted", path)

    monkeypatch.setattr("shaped_link.os.open", denied)
    with pytest.raises(LinkError, match=r"no network of its own .* run as root, or where user"):
        over(Link(up=1e6, down=1e6, delay=0.0), digests, lambda connect: None)
