"""`serkit encode`, `serkit decode` and `serkit codec info`: speech in about 2 kbit/s."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from serkit.errors import AudioError, PacketError

app = typer.Typer(help="Look at coded speech.", no_args_is_help=True)


class ModeName(StrEnum):
    """How speech is coded."""

    basis = "basis"
    svd = "svd"
    svdq = "svdq"


@app.callback()
def _codec() -> None:
    """Look at coded speech."""


def encode(
    audio: Annotated[Path, typer.Argument(metavar="AUDIO", help="A recording.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="F.smel", help="The coded speech.")],
    mode: Annotated[
        ModeName,
        typer.Option(help="basis: the product; svd: AMSER's; svdq: the same, entropy-coded."),
    ] = ModeName.basis,
    rank_ratio: Annotated[
        float | None, typer.Option(metavar="R", help="Of svd: r/k, 0.125 if not given.")
    ] = None,
    kbps: Annotated[
        float | None, typer.Option(metavar="K", help="Of basis: the rate kept to, if one can.")
    ] = None,
    quality: Annotated[
        float | None,
        typer.Option(
            metavar="Q", help="Of basis: 0 to 15, 5 if not given. Of svdq: the error aimed at."
        ),
    ] = None,
    blocks: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Of basis: blocks of 320 ms in a packet; 16 if not given, 1 as live streams have.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print figures as JSON.")] = False,
) -> None:
    """Turn a recording into packets of log-mel that a server decodes."""
    from serkit.audio import SAMPLE_RATE, read
    from serkit.codec import decode as decode_stream
    from serkit.codec import log_mel_of, normalised
    from serkit.files import refuse_unwritable, write_atomically

    refuse_unwritable(out, source=audio)
    with _named(audio, AudioError):
        samples = read(audio)
        stream = _encoded(samples, mode, rank_ratio, kbps, quality, blocks)
    write_atomically(out, stream)
    wanted = normalised(log_mel_of(samples))
    error = decode_stream(stream).log_mel - wanted
    duration_s = len(samples) / SAMPLE_RATE
    values = {
        "bytes": len(stream),
        "duration_s": duration_s,
        "kbps": 8e-3 * len(stream) / duration_s,
        "rmse": float((error * error).mean(dtype=float) ** 0.5),
    }
    if kbps is not None and values["kbps"] > kbps:
        typer.echo(f"serkit: {audio} takes {values['kbps']:.2f} kbit/s at the least", err=True)
    if as_json:
        typer.echo(json.dumps(values, indent=2))
        return
    typer.echo(
        f"{out}: {len(stream)} bytes for {duration_s:.2f} s, {values['kbps']:.2f} kbit/s, "
        f"RMSE {values['rmse']:.3f} of the normalised log-mel"
    )


def _encoded(
    samples: Any,
    mode: ModeName,
    rank_ratio: float | None,
    kbps: float | None,
    quality: float | None,
    blocks: int | None,
) -> bytes:
    from serkit.codec import (
        BLOCKS_PER_PACKET,
        DEFAULT_QUALITY,
        RATIOS,
        encode_at_rate,
        encode_basis,
        encode_low_rank,
    )

    given = {
        "--rank-ratio": rank_ratio, "--kbps": kbps, "--quality": quality, "--blocks": blocks
    }  # fmt: skip
    allowed = {
        ModeName.basis: ("--kbps", "--quality", "--blocks"),
        ModeName.svd: ("--rank-ratio",),
        ModeName.svdq: ("--quality",),
    }[mode]
    for option, value in given.items():
        if value is not None and option not in allowed:
            raise PacketError(f"{option} is not for --mode {mode}; it takes {', '.join(allowed)}")
    if kbps is not None and quality is not None:
        raise PacketError("--kbps and --quality say the same thing twice; give one of them")
    if mode is ModeName.svd:
        return encode_low_rank(samples, ratio=RATIOS[0] if rank_ratio is None else rank_ratio)
    if mode is ModeName.svdq:
        return encode_low_rank(samples, rmse=0.1 if quality is None else quality)
    size = BLOCKS_PER_PACKET if blocks is None else blocks
    if kbps is not None:
        return encode_at_rate(samples, kbps, blocks_per_packet=size)
    chosen = DEFAULT_QUALITY if quality is None else quality
    return encode_basis(samples, chosen, blocks_per_packet=size)


def decode(
    coded: Annotated[Path, typer.Argument(metavar="F.smel", help="Coded speech.")],
    npy: Annotated[
        Path | None,
        typer.Option(metavar="F", help="Write the log-mel: float32 [80, n_frames], as Whisper's."),
    ] = None,
    png: Annotated[Path | None, typer.Option(metavar="F", help="Draw it.")] = None,
    preview: Annotated[
        Path | None, typer.Option(metavar="F.wav", help="Guess a voice from it (Griffin-Lim).")
    ] = None,
) -> None:
    """Turn packets back into log-mel."""
    import io

    import numpy as np

    from serkit.codec import decode as decode_stream
    from serkit.codec import griffin_lim
    from serkit.files import refuse_unwritable, write_atomically
    from serkit.runtime.png import png as drawn

    refuse_unwritable(npy, png, preview, source=coded)
    with _named(coded, PacketError):
        found = decode_stream(_content(coded))
    if npy is not None:
        buffer = io.BytesIO()
        np.save(buffer, found.log_mel)
        write_atomically(npy, buffer.getvalue())
    if png is not None:
        write_atomically(png, drawn(found.log_mel))
    if preview is not None:
        import soundfile

        buffer = io.BytesIO()
        soundfile.write(buffer, griffin_lim(found.log_mel), 16_000, format="WAV")
        write_atomically(preview, buffer.getvalue())
    n_frames = found.log_mel.shape[1]
    missing = f", {found.concealed} frames missing" if found.concealed else ""
    if found.first_frame:
        missing += f", begins at {found.first_frame / 100:.2f} s"
    typer.echo(f"{coded}: {found.packets} packets, {n_frames / 100:.2f} s{missing}")


@app.command()
def info(
    coded: Annotated[Path, typer.Argument(metavar="F.smel", help="Coded speech.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the packets of coded speech."""
    with _named(coded, PacketError):
        rows = list(_rows(_content(coded)))
    if as_json:
        typer.echo(json.dumps(rows, indent=1))
        return
    typer.echo(f"{'number':>6}  {'mode':<6}{'start':>8}{'frames':>8}{'bytes':>8}{'payload':>9}")
    for row in rows:
        start = "" if row["start_s"] is None else f"{row['start_s']:.2f} s"
        typer.echo(
            f"{row['sequence']:>6}  {row['mode']:<6}{start:>8}{row['frames'] or 32:>8}"
            f"{row['bytes']:>8}{row['payload_bytes']:>9}"
        )


def _rows(stream: bytes) -> Iterator[dict[str, Any]]:
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


def _content(coded: Path) -> bytes:
    if coded.exists() and not coded.is_file() and not coded.is_dir():
        # A pipe could block for ever, and a device never end.
        raise PacketError("is a pipe or a device; expected a file")
    return coded.read_bytes()


@contextmanager
def _named(path: Path, kind: type[AudioError | PacketError]) -> Iterator[None]:
    """Say which file an error is about."""
    try:
        yield
    except kind as error:
        raise kind(f"{path}: {error}") from error
