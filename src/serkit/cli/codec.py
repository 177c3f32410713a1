"""`serkit encode`, `serkit decode` and `serkit codec info`: speech at about 2 kbit/s."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

import typer

from serkit.cli.progress import bar
from serkit.cli.streams import complain, say
from serkit.errors import AudioError, PacketError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from serkit.codec import Coded, Content, Recording

app = typer.Typer(help="Inspect coded speech.", no_args_is_help=True)

# About the error of `basis` at its default quality (benchmarks/rate_distortion.py).
_DEFAULT_RMSE = 0.1
# Chosen by hand: a preview is held in memory as a whole; wider pictures gain nothing on a screen.
_MAX_PREVIEW_MINUTES = 15
_MAX_COLUMNS = 6000


class ModeName(StrEnum):
    """Coding modes."""

    basis = "basis"
    svd = "svd"
    svdq = "svdq"


@app.callback()
def _codec() -> None:
    """Inspect coded speech."""


def encode(
    audio: Annotated[Path, typer.Argument(metavar="AUDIO", help="Recording.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="F.smel", help="Coded speech.")],
    mode: Annotated[
        ModeName,
        typer.Option(
            help="basis: learned basis; svd: AMSER's truncated SVD; svdq: svd, entropy-coded."
        ),
    ] = ModeName.basis,
    quality: Annotated[
        int | None, typer.Option(metavar="Q", help="basis: quality, 0 to 15. [default: 5]")
    ] = None,
    kbps: Annotated[
        float | None,
        typer.Option(metavar="K", help="basis: highest quality within this rate in kbit/s."),
    ] = None,
    blocks: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="basis: blocks of 320 ms per packet, 1 to 93. [default: 16]"
        ),
    ] = None,
    rank_ratio: Annotated[
        float | None, typer.Option(metavar="R", help="svd: rank ratio r/k. [default: 0.125]")
    ] = None,
    rmse: Annotated[
        float | None,
        typer.Option(metavar="E", help="svdq: RMSE of the normalised log-mel. [default: 0.1]"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print figures as JSON.")] = False,
) -> None:
    """Code a recording as packets of log-mel.

    Beyond 5.5 minutes, --kbps estimates the quality from packets spread over the recording.
    """
    from serkit.audio import SAMPLE_RATE
    from serkit.codec import StoredBytes
    from serkit.codec import rmse as rmse_of
    from serkit.files import open_atomically, refuse_unwritable

    refuse_unwritable(out, sources=[audio])
    write = _writer(
        mode, quality=quality, kbps=kbps, blocks=blocks, rank_ratio=rank_ratio, rmse=rmse
    )
    with _named(audio, AudioError), open_atomically(out) as file:
        coded = write(file, _recording(audio, "Coding"))
        error = rmse_of(_recording(audio, "Comparing"), coded, StoredBytes(file))
    duration_s = coded.n_samples / SAMPLE_RATE
    values = {
        "bytes": coded.n_bytes,
        "duration_s": duration_s,
        "kbps": 8e-3 * coded.n_bytes / duration_s,
        "rmse": error,
    }
    if kbps is not None and values["kbps"] > kbps:
        # At quality 0, or because the quality of a long recording is only estimated.
        remedy = f"try --quality {coded.quality - 1}" if coded.quality else "the lowest possible"
        complain(
            f"{audio}: the rate is {values['kbps']:.2f} kbit/s, above --kbps {kbps:g}; {remedy}"
        )
    if as_json:
        typer.echo(json.dumps(values, indent=2))
        return
    say(
        f"{out}: {coded.n_bytes} bytes for {duration_s:.2f} s, {values['kbps']:.2f} kbit/s, "
        f"RMSE {error:.3f} of the normalised log-mel"
    )


def _writer(
    mode: ModeName,
    *,
    quality: int | None,
    kbps: float | None,
    blocks: int | None,
    rank_ratio: float | None,
    rmse: float | None,
) -> Callable[[BinaryIO, Recording], Coded]:
    """The function that codes a recording with these options."""
    from serkit.codec import (
        BLOCKS_PER_PACKET,
        DEFAULT_QUALITY,
        RATIOS,
        write_at_rate,
        write_basis,
        write_low_rank,
    )

    options: dict[ModeName, dict[str, object]] = {
        ModeName.basis: {"--quality": quality, "--kbps": kbps, "--blocks": blocks},
        ModeName.svd: {"--rank-ratio": rank_ratio},
        ModeName.svdq: {"--rmse": rmse},
    }
    for owner, values in options.items():
        for option, value in values.items():
            if value is not None and owner is not mode:
                raise PacketError(
                    f"{option} does not apply to --mode {mode}; expected {', '.join(options[mode])}"
                )
    if kbps is not None and quality is not None:
        raise PacketError("--kbps and --quality exclude each other; give one of them")
    if mode is ModeName.svd:
        return partial(write_low_rank, ratio=RATIOS[0] if rank_ratio is None else rank_ratio)
    if mode is ModeName.svdq:
        return partial(write_low_rank, rmse=_DEFAULT_RMSE if rmse is None else rmse)
    size = BLOCKS_PER_PACKET if blocks is None else blocks
    if kbps is not None:
        return partial(write_at_rate, kbps=kbps, blocks_per_packet=size)
    index = DEFAULT_QUALITY if quality is None else quality
    return partial(write_basis, quality=index, blocks_per_packet=size)


def _recording(audio: Path, verb: str) -> Recording:
    """A file that can be read repeatedly, block by block, behind a progress bar."""
    from serkit.audio import SAMPLE_RATE, stream

    def blocks() -> Iterator[NDArray[np.float32]]:
        with bar(f"{verb} {audio.name}: seconds") as on_seconds:
            for block in stream(audio):
                yield block
                on_seconds(len(block) / SAMPLE_RATE)

    return blocks


def decode(
    coded: Annotated[Path, typer.Argument(metavar="F.smel", help="Coded speech.")],
    npy: Annotated[
        Path | None,
        typer.Option(
            metavar="F.npy", help="Normalised log-mel, float32 [80, n_frames]; up to 6 hours."
        ),
    ] = None,
    png: Annotated[
        Path | None,
        typer.Option(metavar="F.png", help="Picture of the log-mel, pooled beyond a minute."),
    ] = None,
    preview: Annotated[
        Path | None,
        typer.Option(metavar="F.wav", help="Voice estimated by Griffin-Lim; up to 15 minutes."),
    ] = None,
) -> None:
    """Decode packets to log-mel."""
    import numpy as np

    from serkit.codec import MAX_HOURS, Decoding, StoredBytes, griffin_lim
    from serkit.files import open_atomically, open_file, refuse_unwritable, write_atomically
    from serkit.runtime.png import png as png_of
    from serkit.runtime.pooling import Pooled

    refuse_unwritable(npy, png, preview, sources=[coded])
    picture, kept, n_frames = Pooled(_MAX_COLUMNS), [], 0
    with ExitStack() as opened:
        opened.enter_context(_named(coded, PacketError))
        decoding = Decoding(StoredBytes(opened.enter_context(open_file(coded))))
        array = opened.enter_context(open_atomically(npy)) if npy is not None else None
        if array is not None:
            _write_npy_header(array, 0)
        on_bytes = opened.enter_context(bar(f"Decoding {coded.name}", coded.stat().st_size))
        for block in decoding.blocks(on_bytes):
            n_frames += block.shape[1]
            if array is not None:
                _refuse_beyond(n_frames, MAX_HOURS * 60, "--npy")
                array.write(np.ascontiguousarray(block.T, "<f4").tobytes())
            if png is not None:
                picture.push(block)
            if preview is not None:
                _refuse_beyond(n_frames, _MAX_PREVIEW_MINUTES, "--preview")
                kept.append(block)
        if array is not None:
            _write_npy_header(array, n_frames)
    if png is not None:
        write_atomically(png, png_of(picture.columns / picture.widths))
    if preview is not None:
        import soundfile

        with open_atomically(preview) as file:
            sound = griffin_lim(np.concatenate(kept, axis=1))
            soundfile.write(file, sound, 16_000, format="WAV")
    missing = f", {decoding.concealed} frames missing" if decoding.concealed else ""
    if decoding.first_frame:
        missing += f", begins at {decoding.first_frame / 100:.2f} s"
    say(f"{coded}: {decoding.n_packets} packets, {n_frames / 100:.2f} s{missing}")


def _refuse_beyond(n_frames: int, minutes: int, option: str) -> None:
    if n_frames > minutes * 6000:
        raise PacketError(
            f"the stream lasts longer than {minutes} minutes, the limit of {option}; omit it, or "
            "decode block by block with serkit.codec.Decoding"
        )


def _write_npy_header(file: BinaryIO, n_frames: int) -> None:
    """Write a header of constant length, so that it can be rewritten when the size is known."""
    from numpy.lib.format import write_array_header_1_0

    file.seek(0)
    header = {"descr": "<f4", "fortran_order": True, "shape": (80, n_frames)}
    write_array_header_1_0(file, header)


@app.command()
def info(
    coded: Annotated[Path, typer.Argument(metavar="F.smel", help="Coded speech.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the packets of coded speech."""
    from serkit.codec import StoredBytes
    from serkit.files import open_file

    with _named(coded, PacketError), open_file(coded) as file:
        rows = list(_rows(StoredBytes(file)))
    if as_json:
        typer.echo(json.dumps(rows, indent=1))
        return
    say(f"{'number':>6}  {'mode':<6}{'start':>8}{'frames':>8}{'bytes':>8}{'payload':>9}")
    for row in rows:
        start = "" if row["start_s"] is None else f"{row['start_s']:.2f} s"
        say(
            f"{row['sequence']:>6}  {row['mode']:<6}{start:>8}{row['frames'] or 32:>8}"
            f"{row['bytes']:>8}{row['payload_bytes']:>9}"
        )


def _rows(stream: Content) -> Iterator[dict[str, Any]]:
    from serkit.codec import read_packet, split

    for content in split(stream):
        packet = read_packet(content)
        yield {
            "sequence": packet.sequence,
            "mode": packet.mode.name.lower(),
            "start_s": packet.start_s,
            "frames": packet.n_frames,
            "bytes": len(content),
            "payload_bytes": len(packet.payload),
            "basis": packet.basis.hex() or None,
            "last": packet.peak is not None,
        }


@contextmanager
def _named(path: Path, kind: type[AudioError | PacketError]) -> Iterator[None]:
    """Prefix an error with the file it concerns."""
    try:
        yield
    except kind as error:
        raise kind(f"{path}: {error}") from error
