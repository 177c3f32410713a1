"""Both Whisper backends against their libraries, fed with the waveform."""

import json
import os
import shutil

import numpy as np
import pytest
import torch
from faster_whisper import WhisperModel
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from transformers import WhisperFeatureExtractor, WhisperForConditionalGeneration

from serkit.errors import AudioError, ModelError, TranscriptionError
from serkit.features import whisper_log_mel
from serkit.serving.asr import load_asr

N_TEXT = 50_257


@pytest.fixture(scope="module")
def faster(converted):
    return load_asr(f"faster-whisper={converted}")


@pytest.fixture(scope="module")
def plain(whisper):
    return load_asr(f"transformers={whisper}")


@pytest.fixture(scope="module", params=["short", "two windows"])
def sound(request, speech):
    return speech if request.param == "short" else np.tile(speech, 13)


def said_by_faster_whisper(folder, sound, language):
    model = WhisperModel(str(folder), device="cpu", cpu_threads=1, local_files_only=True)
    segments, info = model.transcribe(
        sound, language=language, temperature=0.0, condition_on_previous_text=False
    )
    return list(segments), info.language


@pytest.mark.parametrize("language", [None, "en"])
def test_faster_whisper_says_the_same_of_features_as_of_sound(faster, converted, sound, language):
    segments, detected = said_by_faster_whisper(converted, sound, language)
    assert segments
    transcript = faster.transcribe(whisper_log_mel(sound), language=language)
    assert transcript.text == "".join(part.text for part in segments).strip()
    assert transcript.language == detected
    duration_s = len(sound) // 160 / 100
    expected = [
        (min(part.start, duration_s), min(part.end, duration_s), part.text.strip())
        for part in segments
    ]
    found = [(part.start_s, part.end_s, part.text) for part in transcript.segments]
    assert [text for _, _, text in found] == [text for _, _, text in expected]
    np.testing.assert_allclose(
        [times for *times, _ in found], [times for *times, _ in expected], atol=6e-4
    )


@pytest.mark.parametrize("language", [None, "en"])
def test_transformers_says_the_same_of_features_as_of_sound(plain, whisper, sound, language):
    long = len(sound) > 480_000
    batch = WhisperFeatureExtractor()(
        sound,
        sampling_rate=16_000,
        return_tensors="pt",
        truncation=not long,
        padding="longest" if long else "max_length",
    )
    model = WhisperForConditionalGeneration.from_pretrained(whisper)
    answer = model.generate(
        batch.input_features,
        language=language,
        task="transcribe",
        num_beams=1,
        return_timestamps=True,
        return_segments=True,
    )
    tokens = [int(t) for part in answer["segments"][0] for t in part["tokens"] if t < N_TEXT]
    tokenizer = Tokenizer.from_file(str(whisper / "tokenizer.json"))
    transcript = plain.transcribe(whisper_log_mel(sound), language=language)
    assert tokens
    assert tokenizer.decode(tokens).split() == transcript.text.split()
    starts = [
        float(part["start"])
        for part in answer["segments"][0]
        if tokenizer.decode([t for t in part["tokens"].tolist() if t < N_TEXT]).strip()
    ]
    assert [part.start_s for part in transcript.segments] == pytest.approx(
        [min(start, len(sound) // 160 / 100) for start in starts], abs=1e-3
    )


def test_both_detect_the_same_language(faster, plain, speech, converted):
    log_mel = whisper_log_mel(speech, duration_s=30.0)
    window = torch.from_numpy(log_mel)[None]
    language, probability = plain._detected(window)
    model = WhisperModel(str(converted), device="cpu", cpu_threads=1, local_files_only=True)
    theirs, of_theirs, _ = model.detect_language(features=log_mel)
    assert language == theirs
    assert probability == pytest.approx(of_theirs, abs=1e-3)
    assert any(f"may not be {language}" in line for line in plain.transcribe(log_mel).warnings)
    assert len(plain.languages) == 99 and set(plain.languages) <= set(faster.languages)


@pytest.mark.parametrize("name", ["faster", "plain"])
def test_what_a_recogniser_takes(name, request):
    asr = request.getfixturevalue(name)
    empty = asr.transcribe(np.zeros((80, 0), np.float32))
    assert (empty.text, empty.segments) == ("", ())
    with pytest.raises(AudioError, match=r"shape \[128, 10\]; expected float32 of shape \[80"):
        asr.transcribe(np.zeros((128, 10), np.float32))
    with pytest.raises(AudioError, match="not finite"):
        asr.transcribe(np.full((80, 10), np.nan, np.float32))
    with pytest.raises(AudioError, match="lasts 3601 s; expected at most 3600 s"):
        asr.transcribe(np.broadcast_to(np.float32(0), (80, 360_100)))
    with pytest.raises(TranscriptionError, match=r"language is 'xx'; .* knows .*en"):
        asr.transcribe(np.zeros((80, 10), np.float32), language="xx")


def copied(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / folder.name)


def rewrite(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    ("file", "changes", "message"),
    [
        ("config.json", {"model_type": "bert"}, "model_type is 'bert'"),
        ("config.json", {"auto_map": {"AutoModel": "evil.Net"}}, "code of its own"),
        ("config.json", {"quantization_config": {}}, "are quantised"),
        ("config.json", {"num_mel_bins": 1 << 40}, "num_mel_bins is 1099511627776; expected 80 or"),
        ("config.json", {"encoder_layers": 1 << 20}, "encoder_layers is 1048576"),
        ("config.json", {"d_model": 1 << 20}, "has shape .*; expected"),
        ("config.json", {"decoder_layers": 1}, "weights are missing or unknown"),
        ("preprocessor_config.json", {"n_fft": 1 << 40}, "n_fft of its feature extractor"),
        ("preprocessor_config.json", {"feature_size": 81}, "takes 81 mel bands"),
        ("generation_config.json", {"lang_to_id": {"../x": 1}}, r"lang_to_id has '../x'"),
    ],
)
def test_a_strangers_transformers_model(whisper, tmp_path, file, changes, message):
    folder = copied(whisper, tmp_path)
    rewrite(folder / file, **changes)
    with pytest.raises(ModelError, match=message):
        load_asr(f"transformers={folder}")


def test_weights_of_transformers_in_parts_and_none_pickled(whisper, plain, speech, tmp_path):
    folder = copied(whisper, tmp_path)
    state = load_file(folder / "model.safetensors")
    names = sorted(state)
    table = {}
    for i, part in enumerate((names[:9], names[9:]), 1):
        file = f"model-0000{i}-of-00002.safetensors"
        save_file({name: state[name] for name in part}, folder / file)
        table |= dict.fromkeys(part, file)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": table}))
    (folder / "model.safetensors").unlink()
    log_mel = whisper_log_mel(speech)
    loaded = load_asr(f"transformers={folder}")
    assert loaded.transcribe(log_mel) == plain.transcribe(log_mel)
    (folder / "model.safetensors.index.json").unlink()
    torch.save(state, folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"no model\.safetensors; expected weights as safetensors"):
        load_asr(f"transformers={folder}")


@pytest.mark.parametrize("name", ["model.bin", "config.json", "tokenizer.json", "vocabulary.json"])
def test_a_folder_of_faster_whisper_without_a_file(converted, tmp_path, name):
    folder = copied(converted, tmp_path)
    (folder / name).unlink()
    with pytest.raises(ModelError, match=f"has no {name}"):
        load_asr(f"faster-whisper={folder}")


def test_a_damaged_folder_of_faster_whisper(converted, tmp_path):
    folder = copied(converted, tmp_path)
    (folder / "model.bin").write_bytes((converted / "model.bin").read_bytes()[:1000])
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_asr(f"faster-whisper={folder}")


@pytest.mark.parametrize("backend", ["faster-whisper", "transformers"])
@pytest.mark.skipif(os.name == "nt", reason="links need a privilege")
def test_a_link_out_of_a_folder_is_not_followed(backend, whisper, converted, tmp_path):
    source = whisper if backend == "transformers" else converted
    folder = copied(source, tmp_path)
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer.json").symlink_to(source / "tokenizer.json")
    with pytest.raises(ModelError, match="is a link out of the folder"):
        load_asr(f"{backend}={folder}")


@pytest.mark.parametrize("backend", ["faster-whisper", "transformers"])
def test_a_tokenizer_that_is_too_large(backend, whisper, converted, tmp_path):
    folder = copied(whisper if backend == "transformers" else converted, tmp_path)
    os.truncate(folder / "tokenizer.json", (32 << 20) + 1)
    with pytest.raises(ModelError, match="has 33,554,433 bytes; expected at most"):
        load_asr(f"{backend}={folder}")


@pytest.mark.parametrize("backend", ["faster-whisper", "transformers"])
def test_an_id_is_not_downloaded_unless_told(backend, monkeypatch, tmp_path):
    import huggingface_hub

    asked = []

    def snapshot(source, **options):
        asked.append(options["local_files_only"])
        raise huggingface_hub.errors.LocalEntryNotFoundError("not there")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    with pytest.raises(ModelError, match="toys/whisper is not in the cache; download it first"):
        load_asr(f"{backend}=toys/whisper")
    with pytest.raises(ModelError, match="hub cannot be reached"):
        load_asr(f"{backend}=toys/whisper", download=True)
    assert asked == [True, False]


@pytest.mark.parametrize(
    "spec", ["", "whisper", "none=x", "pocketsphinx=x", "transformers", "transformers="]
)
def test_specs(spec):
    with pytest.raises(ModelError, match="expected none, pocketsphinx, faster-whisper=MODEL"):
        load_asr(spec)


def test_no_recogniser():
    assert load_asr("none") is None
