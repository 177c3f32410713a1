"""Latency, memory, size and rounding of DistilHuBERT as an imported model, one thread.

Claims: in int8 it takes at most 24 MB, at most a quarter of the time of torch and half of that of
ONNX Runtime in float32; the mean difference of its probabilities to float32 is at most 0.02. With
the bits of each weight searched, it takes at most 16 MB.

Method: the architecture of `ntu-spml/distilhubert` with a classifier of four emotions and random
weights, on which time and size do not depend; windows of 8 s of speech. Every system runs in a
process of its own, in turn in every round; times are processor time, medians of all windows of all
rounds. Systems: `torch` as transformers runs it; `fp32` as `serkit import` exports it; `static
int8` by `onnxruntime.quantization` (QDQ of Conv, MatMul and Gemm, unsigned activations, signed
weights per channel); `int8` as `serkit import --int8`; the same with 5 bits per weight; and with
the bits of each weight by their importance (Shinde et al., 2024, equation 4), searched with a score
of 1 less the total variation of the probabilities on clips of actors 03 to 06 of RAVDESS. `log-mel`
is the network in fp32 and int8 with a log-mel spectrogram of 80 bands and a linear layer instead of
the seven convolutions. Rounding is measured on clips of CREMA-D, which nothing was chosen or
calibrated on.

SERKIT_CORPORA=/folder python benchmarks/speech_latency.py [--search]
Without `--search`, the bits found before are used again.
"""

from __future__ import annotations

import os

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_variable] = "1"

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from serkit.audio import SAMPLE_RATE, read

from harness import RESULTS, machine, versions, write_result

Array = NDArray[np.float32]

LABELS = ("angry", "happy", "neutral", "sad")
WINDOW_S = 8.0
ROUNDS, WINDOWS = 3, 7
CALIBRATION, SCORED, TESTED = 16, 24, 120
MARGIN = 0.01
"""Largest loss of score, for a weight of importance 1."""

PAPER_MB = 23.0
"""Ismail, III.C: size after 8-bit quantisation."""


def corpora() -> Path:
    """The folder of the corpora."""
    return Path(os.environ["SERKIT_CORPORA"])


def clips(folder: str, pattern: str, n: int) -> list[Array]:
    """Recordings of a corpus, evenly chosen."""
    paths = sorted((corpora() / folder).glob(pattern))
    return [read(path) for path in paths[:: max(1, len(paths) // n)][:n]]


def windows(sounds: list[Array]) -> list[Array]:
    """Windows of the full length, of one recording after the other."""
    size = round(WINDOW_S * SAMPLE_RATE)
    joined = np.concatenate(sounds)
    return [joined[i : i + size] for i in range(0, len(joined) - size, size)]


def make_folder(folder: Path) -> None:
    """DistilHuBERT with a classifier, random weights, as a hub lays it out."""
    import torch
    from transformers import HubertConfig, HubertForSequenceClassification, Wav2Vec2FeatureExtractor

    torch.manual_seed(0)
    names = dict(enumerate(LABELS))
    config = HubertConfig(
        num_hidden_layers=2,
        id2label=names,
        label2id={name: i for i, name in names.items()},
        apply_spec_augment=False,
    )
    HubertForSequenceClassification(config).save_pretrained(folder, safe_serialization=True)
    Wav2Vec2FeatureExtractor(do_normalize=True).save_pretrained(folder)


def log_mel_frames(width: int) -> Any:
    """A module from samples `[n, n_samples]` to `[n, width, n_frames]`, 50 frames a second."""
    import torch
    from torch import nn

    from serkit.features.mel import mel_filter_bank

    class Frames(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            phases = 2.0 * np.pi * np.outer(np.arange(201), np.arange(400)) / 400.0
            parts = np.concatenate((np.cos(phases), np.sin(phases))) * np.hanning(400)
            self.register_buffer("parts", torch.tensor(parts[:, None], dtype=torch.float32))
            self.register_buffer("bank", torch.tensor(np.array(mel_filter_bank(80, n_fft=400))))
            self.linear = nn.Linear(80, width)

        def forward(self, samples: Any) -> Any:
            found = nn.functional.conv1d(samples[:, None], self.parts, stride=320)
            real, imaginary = found.chunk(2, dim=1)
            mel = torch.log10(torch.clamp(self.bank @ (real**2 + imaginary**2), min=1e-10))
            return self.linear(mel.transpose(1, 2)).transpose(1, 2)

    return Frames()


def export(folder: Path, path: Path, *, log_mel: bool = False, **options: Any) -> dict[str, Any]:
    """Export as `serkit import` does; size and differences."""
    from serkit.compression.classifier_export import export_classifier, save_classifier
    from serkit.compression.imported_card import card_of, named
    from serkit.training.pretrained_audio import load_audio

    pretrained = load_audio(str(folder))
    if log_mel:
        pretrained.network.hubert.feature_extractor = log_mel_frames(512)
    naming = named(pretrained.labels, {})
    card = card_of(pretrained, naming, name="distilhubert", window_s=WINDOW_S)
    exported = export_classifier(pretrained, card, **options)
    return {"bytes": save_classifier(exported, card, path)}


def static_int8(fp32: Path, path: Path, sounds: list[Array]) -> dict[str, Any]:
    """The quantiser of ONNX Runtime."""
    from onnxruntime.quantization import (
        CalibrationDataReader,
        QuantFormat,
        QuantType,
        quantize_static,
    )
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self._left = iter([{"samples": sound[None]} for sound in sounds])

        def get_next(self) -> dict[str, Array] | None:
            return next(self._left, None)

    prepared = path.with_suffix(".prepared.onnx")
    quant_pre_process(str(fp32), str(prepared), skip_symbolic_shape=True)
    quantize_static(
        str(prepared),
        str(path),
        Reader(),
        quant_format=QuantFormat.QDQ,
        op_types_to_quantize=["Conv", "MatMul", "Gemm"],
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )
    return {"bytes": path.stat().st_size}


def runner(path: Path) -> Callable[[Array], Array]:
    """A function from samples to logits: torch for a folder, else ONNX Runtime."""
    if path.is_dir():
        import torch
        from transformers import AutoFeatureExtractor, AutoModelForAudioClassification

        torch.set_num_threads(1)
        extractor = AutoFeatureExtractor.from_pretrained(path)
        model = AutoModelForAudioClassification.from_pretrained(path).eval()

        def by_torch(samples: Array) -> Array:
            rows = extractor(samples, sampling_rate=SAMPLE_RATE, return_tensors="pt")
            with torch.no_grad():
                found: Array = model(**rows).logits[0].numpy()
            return found

        return by_torch
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda samples: session.run(None, {"samples": samples[None]})[0][0]


def child(path: Path, sound: Path) -> None:
    """Time a system, and print its figures."""
    samples = np.load(sound)
    start = time.process_time()
    run = runner(path)
    run(samples[0])
    load_s = time.process_time() - start
    seconds = []
    for one in samples:
        start = time.process_time()
        run(one)
        seconds.append(time.process_time() - start)
    status = Path("/proc/self/status").read_text().splitlines()
    kilobytes = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
    print(json.dumps({"load_s": load_s, "seconds": seconds, "peak_mb": kilobytes * 1024 / 1e6}))


def timed(systems: Mapping[str, Path], sound: Path) -> dict[str, dict[str, float]]:
    """Every system in turn in every round."""
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in systems}
    for _ in track(range(ROUNDS), "Rounds"):
        for name, path in systems.items():
            command = [sys.executable, __file__, "--child", str(path), str(sound)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            runs[name].append(json.loads(done.stdout.splitlines()[-1]))
    medians = {name: [statistics.median(one["seconds"]) for one in runs[name]] for name in runs}

    def ratio(name: str, other: str) -> float:
        pairs = zip(medians[other], medians[name], strict=True)
        return statistics.median(theirs / ours for theirs, ours in pairs)

    return {
        name: {
            "seconds": statistics.median(s for one in runs[name] for s in one["seconds"]),
            "load_s": statistics.median(one["load_s"] for one in runs[name]),
            "peak_mb": max(one["peak_mb"] for one in runs[name]),
            "faster_than_torch": ratio(name, "torch"),
            "faster_than_fp32": ratio(name, "fp32"),
        }
        for name in runs
    }


def softmax(logits: Array) -> Array:
    """Probabilities."""
    powers: Array = np.exp(logits - logits.max())
    return powers / powers.sum()


def rounding(path: Path, expected: list[Array], sounds: list[Array]) -> dict[str, float]:
    """Difference of the probabilities to those of float32."""
    run = runner(path)
    found = [softmax(run(sound)) for sound in sounds]
    pairs = list(zip(found, expected, strict=True))
    return {
        "mean_difference": float(np.mean([np.abs(a - b).mean() for a, b in pairs])),
        "largest_difference": float(np.max([np.abs(a - b).max() for a, b in pairs])),
        "same_label": float(np.mean([a.argmax() == b.argmax() for a, b in pairs])),
    }


def searched(graph: bytes, examples: Any) -> Any:
    """Weights of the bits that the search finds."""
    from serkit.compression.onnx_integers import search_by_agreement

    sounds = [one[: 3 * SAMPLE_RATE] for one in clips("ravdess", "Actor_0[3-6]/*.flac", SCORED)]
    return search_by_agreement(graph, [{"samples": one[None]} for one in sounds], margin=MARGIN)


def main() -> None:
    """Export, time and compare all systems."""
    if "--child" in sys.argv[1:]:
        child(*map(Path, sys.argv[2:4]))
        return
    from serkit.compression.onnx_integers import in_bits, matrices
    from serkit.compression.quantizer import quantize_matrix

    before = RESULTS / "speech_latency.json"
    bits: dict[str, int] = {}
    if "--search" not in sys.argv[1:] and before.exists():
        bits = json.loads(before.read_text())["bits"]

    def by_importance(graph: bytes, examples: Any) -> Any:
        if bits:
            full = matrices(graph)
            return {name: quantize_matrix(full[name], b) for name, b in bits.items() if b < 8}
        found = searched(graph, examples)
        names = matrices(graph)
        bits.update({name: found[name].bits if name in found else 8 for name in names})
        return found

    speech = clips("ravdess", "Actor_0[12]/*.flac", CALIBRATION)
    tested = clips("crema_d", "AudioWAV/*.opus", TESTED)
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        folder = root / "distilhubert"
        make_folder(folder)
        int8 = {"int8": True, "sounds": speech}
        systems: dict[str, Path] = {"torch": folder}
        facts: dict[str, dict[str, Any]] = {
            "torch": {"bytes": (folder / "model.safetensors").stat().st_size}
        }

        def add(name: str, make: Callable[[Path], dict[str, Any]]) -> None:
            systems[name] = root / f"{len(systems)}.onnx"
            facts[name] = make(systems[name])

        add("fp32", lambda path: export(folder, path))
        calibration = windows(speech)
        add("static int8", lambda path: static_int8(systems["fp32"], path, calibration))
        add("int8", lambda path: export(folder, path, **int8))
        five = {"packed": lambda graph, _: in_bits(graph, 5)}
        add("int8, 5 bits", lambda path: export(folder, path, **int8, **five))
        searched_bits = {"packed": by_importance}
        add("int8, bits searched", lambda path: export(folder, path, **int8, **searched_bits))
        add("log-mel, fp32", lambda path: export(folder, path, log_mel=True))
        add("log-mel, int8", lambda path: export(folder, path, log_mel=True, **int8))
        sound = root / "windows.npy"
        np.save(sound, np.stack(windows(tested)[:WINDOWS]))
        figures = timed(systems, sound)
        reference = runner(systems["fp32"])
        expected = [softmax(reference(one)) for one in tested]
        rows = []
        for name, path in systems.items():
            row = {"system": name, **facts[name], **figures[name]}
            if not name.startswith("log-mel"):
                row |= rounding(path, expected, tested)
            rows.append(row)
            print(row)
    write_result(
        "speech_latency",
        {
            "machine": machine(),
            "versions": versions(["serkit", "torch", "transformers", "onnxruntime"]),
            "instructions": instructions(),
            "threads": 1,
            "window_s": WINDOW_S,
            "rounds": ROUNDS,
            "windows": WINDOWS,
            "clips": len(tested),
            "margin": MARGIN,
            "bits": bits,
            "paper_mb": PAPER_MB,
            "rows": rows,
        },
    )


def instructions() -> list[str]:
    """Integer instructions of the processor."""
    text = Path("/proc/cpuinfo").read_text()
    flags = next((line for line in text.splitlines() if line.startswith("flags")), "").split()
    return [name for name in ("avx2", "avx_vnni", "avx512_vnni", "amx_int8") if name in flags]


if __name__ == "__main__":
    main()
