"""Time and energy of sending recordings, raw and coded: Table III of AMSER on stated links.

Lu et al., *AMSER*, V.C.2 and Table III: 22,366 files sent raw in 406.58 s with 0.0056 kWh, and
compressed to 6.25 % in 180.75 s with 0.0025 kWh, reported as "2.24 times" and "55.35 %". The client
was a Redmi Note 12 Pro; the link, its rate, the file sizes and the measurement of energy are not
given.

Here the recordings of RAVDESS, EmoDB and TESS are sent repeatedly until the number is the same.
*Raw* is a WAV file of 16-bit PCM at 16 kHz, 256 kbit/s: of that, 12.5 % of a float16 spectrogram of
80 mels per 10 ms, 16 kbit/s, is the paper's 6.25 %. The device sends one file after another and
waits for each answer; messages are prefixed with their length in 4 bytes. Connections: one kept
open for all files, or one per file. The link is that of `shaped_link.py`: the kernel's TCP, cubic,
no loss.

Where sending all files would take long, an even selection over file sizes is sent and its totals
are scaled; the result holds both, and the accuracy of scaling where all files were sent.

Energy is modelled, not measured: `bytes up * J/byte + seconds * W`, with TCP/IP headers, from the
first send to the last answer, while the radio stays on. Receiving costs no more than waiting.
`LINKS` and `serkit.serving.client.energy` have the sources. Coding costs its CPU seconds, measured
on this machine, at `CPU_WATTS`.

Needs RAVDESS, EmoDB and TESS, and what `shaped_link.py` needs; about 18 minutes on two cores:
SERKIT_CORPORA=/folder python benchmarks/transmission.py
"""

from __future__ import annotations

import io
import os
import socket
import struct
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray
from rich.progress import track

from serkit.codec import (
    DEFAULT_QUALITY,
    N_QUALITIES,
    encode_basis,
    encode_low_rank,
    shipped_basis,
)
from serkit.corpora import Utterance, load
from serkit.serving.client.energy import CPU_WATTS, RADIOS, Radio
from serkit.training import read_utterance, worker_pool

from harness import machine, versions, write_result
from shaped_link import Link, over

Array = NDArray[np.float32]

CORPORA = ("ravdess", "emodb", "tess")
RATE = 16_000
SENDS = 22_366
PAPER = {
    "files": SENDS,
    "raw_s": 406.58,
    "coded_s": 180.75,
    "raw_kwh": 0.0056,
    "coded_kwh": 0.0025,
    "times": 2.24,
    "energy_saved": 0.5535,
}
RATIO = 0.125
NEAR_KBPS = 2.0
ANSWER = b'{"emotion": "neutral", "confidence": 0.87}'
MAX_BYTES = 1 << 24


@dataclass(frozen=True)
class Setting:
    """A link, its radio, their source, and the number of files sent.

    Attributes:
        name: Name of the link.
        link: Rates and delay.
        radio: Energy model.
        source: Source of the figures.
        sends: Files sent per coding and kind of connection.
        in_full: Codings whose files are all sent on a kept connection.
    """

    name: str
    link: Link
    radio: Radio
    source: str
    sends: int
    in_full: tuple[str, ...] = ()


LINKS = (
    Setting(
        "Wi-Fi",
        Link(up=54e6, down=54e6, delay=0.002),
        RADIOS["wifi"],
        "54 Mbit/s (802.11g's top rate), 2 ms one way (assumed: a server nearby); power of an "
        "802.11n card with one antenna, Halperin et al., Demystifying 802.11n Power Consumption, "
        "2010",
        sends=1398,
        in_full=("raw", "svd", "basis"),
    ),
    Setting(
        "LTE",
        Link(up=5.64e6, down=12.74e6, delay=0.035),
        RADIOS["lte"],
        "5.64 Mbit/s up, 12.74 down, 70 ms there and back (medians of users) and power, both from "
        "Huang et al., A Close Examination of Performance and Power Characteristics of 4G LTE "
        "Networks, 2012",
        sends=48,
    ),
    Setting(
        "LTE-M",
        Link(up=375e3, down=300e3, delay=0.050),
        RADIOS["lte-m"],
        "375 kbit/s up, 300 down (category M1, half duplex, 3GPP release 13), 50 ms one way "
        "(assumed); power of 3GPP TR 45.820, 2015",
        sends=16,
    ),
)


@dataclass(frozen=True)
class Coding:
    """How a recording is coded before it is sent."""

    name: str
    setting: str
    encode: Callable[[Array], bytes]


@dataclass(frozen=True)
class Coded:
    """A coded recording and the CPU seconds of coding it."""

    content: bytes
    cpu_s: float


def frame(content: bytes) -> bytes:
    """A message prefixed with its length as a 32-bit big-endian integer."""
    return struct.pack(">I", len(content)) + content


def read_frame(connection: socket.socket) -> bytes | None:
    """Read the next message; None if the connection ended between messages.

    Raises:
        ConnectionError: The connection ended within a message.
        ValueError: The length exceeds `MAX_BYTES`.
    """
    head = _read(connection, 4)
    if not head:
        return None
    (length,) = struct.unpack(">I", head)
    if length > MAX_BYTES:
        raise ValueError(f"a message claims {length} bytes; expected at most {MAX_BYTES}")
    content = _read(connection, length)
    if length and not content:
        raise ConnectionError(f"the connection ended before a message of {length} bytes")
    return content


def _read(connection: socket.socket, length: int) -> bytes:
    parts: list[bytes] = []
    missing = length
    while missing:
        part = connection.recv(min(missing, 1 << 16))
        if not part and not parts:
            return b""
        if not part:
            raise ConnectionError(f"the connection ended {missing} bytes too early")
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)


def serve(listener: socket.socket) -> None:
    """Answer every file of every connection, one connection at a time."""
    while True:
        connection, _ = listener.accept()
        with connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while read_frame(connection) is not None:
                connection.sendall(frame(ANSWER))


def send(
    files: Sequence[bytes], kept: bool, connect: Callable[[], socket.socket]
) -> tuple[float, list[float]]:
    """Send files one after another, each when the previous one is answered.

    Args:
        files: Files to send.
        kept: Use one connection for all files instead of one per file.
        connect: Opens a connection.

    Returns:
        Seconds to open the kept connection (0 with one connection per file), and seconds from
        each send to its answer.

    Raises:
        ConnectionError: The server's answer is wrong, or the connection ended.
    """
    start = time.perf_counter()
    connection = connect() if kept else None
    opened = time.perf_counter() - start if kept else 0.0
    seconds = []
    for content in files:
        start = time.perf_counter()
        current = connection or connect()
        current.sendall(frame(content))
        if read_frame(current) != ANSWER:
            raise ConnectionError("the server's answer is not the one expected")
        seconds.append(time.perf_counter() - start)
        if not kept:
            current.close()
    if connection:
        connection.close()
    return opened, seconds


def even(sizes: Sequence[int], n: int) -> list[int]:
    """Indices of `n` items spread evenly over sizes, from the median up, then from the least."""
    order = np.argsort(sizes, kind="stable")
    places = ((np.arange(n) + 0.5) * len(sizes) / n).astype(int)
    return [int(place) for place in np.roll(order[places], -(n // 2))]


def scaled(seconds: Sequence[float], n: int, kept: bool) -> float:
    """Seconds of `n` sends, estimated from a sample.

    The first send on a kept connection includes TCP's slow start; it counts once.
    """
    first = seconds[:1] if kept else []
    rest = seconds[len(first) :]
    return sum(first) + (n - len(first)) * sum(rest) / len(rest)


def straightness(sizes: Sequence[int], seconds: Sequence[float]) -> float:
    """R² of a linear regression of seconds on sizes."""
    return float(np.corrcoef(sizes, seconds)[0, 1] ** 2)


def wav(samples: Array) -> bytes:
    """A WAV file of 16-bit PCM."""
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, RATE, format="WAV", subtype="PCM_16")
    return buffer.getvalue()


def codings(near: int) -> list[Coding]:
    """All codings; `near` is the quality with a rate near `NEAR_KBPS`."""
    return [
        Coding("raw", "16-bit WAV", wav),
        Coding("svd", f"r/k {100 * RATIO:g} %", partial(encode_low_rank, ratio=RATIO)),
        *(
            Coding(name, f"quality {quality}", partial(encode_basis, quality=quality))
            for name, quality in (
                ("basis", DEFAULT_QUALITY),
                (f"basis near {NEAR_KBPS:g} kbit/s", near),
            )
        ),
    ]


def coded(near: int, utterance: Utterance) -> tuple[int, dict[str, Coded]]:
    """Number of samples of a recording, and the recording in every coding."""
    samples = read_utterance(utterance)
    shipped_basis()  # loads it before the clock starts
    contents = {}
    for coding in codings(near):
        start = time.process_time()
        content = coding.encode(samples)
        # The device already has the recording; writing it to a file is free.
        cpu_s = 0.0 if coding.name == "raw" else time.process_time() - start
        contents[coding.name] = Coded(content, cpu_s)
    return len(samples), contents


def quality_near(kbps: float, recordings: Sequence[Array]) -> int:
    """The quality with the nearest mean rate over recordings."""
    seconds = sum(map(len, recordings)) / RATE
    rates = [
        8e-3 * sum(len(encode_basis(samples, quality)) for samples in recordings) / seconds
        for quality in range(N_QUALITIES)
    ]
    return int(np.argmin(np.abs(np.array(rates) - kbps)))


def measured(setting: Setting, name: str, files: Sequence[bytes], kept: bool) -> dict[str, Any]:
    """Send files over a link; time and energy of all files, scaled from those sent."""
    whole = kept and name in setting.in_full
    sizes = [len(content) for content in files]
    sample = even(sizes, setting.sends)
    chosen = list(range(len(files))) if whole else sample
    (opened, seconds), carried = over(
        setting.link, serve, partial(send, [files[i] for i in chosen], kept)
    )
    share = len(files) / len(chosen)
    total = opened + scaled(seconds, len(files), kept)
    by_sample = scaled([seconds[i] for i in sample], len(files), False) if whole else None
    row = {
        "coding": name,
        "kept": kept,
        "sent": len(chosen),
        "measured_s": opened + sum(seconds),
        "median_ms": 1e3 * float(np.median(seconds)),
        # without the first send, which has the slow start
        "straightness": straightness([sizes[i] for i in chosen[1:]], seconds[1:]),
        "bytes_of_sample": share * sum(sizes[i] for i in chosen) / sum(sizes),
        "by_sample": by_sample and by_sample / total,
        "packets_dropped": carried.dropped,
        "packets_late_ms": 1e3 * carried.late,
        "s": total,
        "bytes_up": share * carried.bytes_up,
        "joules": setting.radio.joules(share * carried.bytes_up, total),
    }
    print(setting.name, row, flush=True)
    return row


def main() -> None:
    """Code every recording once and send the files over every link."""
    os.environ["OMP_NUM_THREADS"] = "1"  # for the workers, before they import NumPy
    utterances = [u for corpus in CORPORA for u in load(corpus).utterances]
    near = quality_near(NEAR_KBPS, [read_utterance(u) for u in utterances[::100]])
    with worker_pool(os.cpu_count() or 1) as pool:
        every = list(
            track(
                pool.map(partial(coded, near), utterances, chunksize=16),
                "Coding",
                len(utterances),
            )
        )
    sends = [every[i % len(every)] for i in range(SENDS)]
    seconds = sum(n for n, _ in sends) / RATE
    files = {
        coding.name: [contents[coding.name].content for _, contents in sends]
        for coding in codings(near)
    }
    write_result(
        "transmission",
        {
            "machine": machine(),
            "versions": versions(["serkit", "numpy", "soundfile"]),
            "paper": PAPER,
            "shaping": "IP packets between two network namespaces, carried by the benchmark",
            "congestion_control": "cubic",
            "corpora": CORPORA,
            "recordings": len(every),
            "sends": SENDS,
            "audio_s": seconds,
            "cpu_watts": CPU_WATTS,
            "near_kbps": NEAR_KBPS,
            "codings": [
                {
                    "name": coding.name,
                    "setting": coding.setting,
                    "bytes": sum(map(len, files[coding.name])),
                    "kbps": 8e-3 * sum(map(len, files[coding.name])) / seconds,
                    "cpu_s": sum(contents[coding.name].cpu_s for _, contents in sends),
                }
                for coding in codings(near)
            ],
            "links": [
                {
                    "name": setting.name,
                    "link": asdict(setting.link),
                    "radio": asdict(setting.radio),
                    "source": setting.source,
                    "rows": [
                        measured(setting, name, contents, kept)
                        for kept in (True, False)
                        for name, contents in files.items()
                    ],
                }
                for setting in LINKS
            ],
        },
    )


if __name__ == "__main__":
    main()
