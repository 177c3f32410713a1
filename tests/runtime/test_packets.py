"""A model on log-mel hears packets of the codec as it hears sound."""

import io

import numpy as np
import pytest
import soundfile

from codec.voices import voice
from serkit.adaptation import softmax
from serkit.audio import SAMPLE_RATE as RATE
from serkit.codec import decode, encode_basis, encode_low_rank, log_mel_of, split
from serkit.errors import AudioError, PacketError
from serkit.features import Descriptor, LogMelRecipe, extract_of_log_mel
from serkit.features.whisper import scaled
from serkit.runtime import Dense, Model, ModelCard, NumpyBackend, Recognizer

from command import in_process

RECIPE = LogMelRecipe(
    "log-mel means",
    (Descriptor("log-mel", functionals=("mean", "std")), Descriptor("level", 0, 1, ("std",))),
    gate_db=40.0,
)
LABELS = ("angry", "happy", "sad")


@pytest.fixture(scope="module")
def recognizer():
    """An untrained linear model in windows of two seconds."""
    rng = np.random.default_rng(8)
    weight = (0.3 * rng.standard_normal((3, RECIPE.n_features))).astype(np.float32)
    mean = np.full(RECIPE.n_features, -30.0, np.float32)
    scale = np.full(RECIPE.n_features, 20.0, np.float32)
    layers = (Dense(weight, np.zeros(3, np.float32)),)
    card = ModelCard("ears", LABELS, RECIPE, window_s=2.0)
    return Recognizer(NumpyBackend(Model(card, mean, scale, layers)))


@pytest.fixture(scope="module")
def samples():
    return voice(5.0, seed=2)


def probabilities(recognizer, log_mel):
    """The mean over windows of two seconds, from decoded frames and the network itself."""
    model = recognizer.backend.model
    parts = [log_mel[:, start : start + 200] for start in range(0, log_mel.shape[1], 200)]
    rows = [softmax(model.logits(extract_of_log_mel(RECIPE, part)[None])[0]) for part in parts]
    return np.average(rows, axis=0, weights=[part.shape[1] for part in parts])


def codes(answer):
    return [caution.code for caution in answer.warnings]


CODERS = {
    "basis": lambda samples: encode_basis(samples, 5),
    "basis, short packets": lambda samples: encode_basis(samples, 9, blocks_per_packet=1),
    "svd": lambda samples: encode_low_rank(samples, ratio=0.5),
    "svdq": lambda samples: encode_low_rank(samples, rmse=0.05),
}


@pytest.mark.parametrize("coder", CODERS)
def test_packets_are_heard_as_their_decoded_log_mel(recognizer, samples, coder, tmp_path):
    content = CODERS[coder](samples)
    expected = probabilities(recognizer, decode(content).log_mel)
    path = tmp_path / "voice.smel"
    path.write_bytes(content)
    answer = recognizer(path)
    np.testing.assert_allclose(list(answer.scores.values()), expected, rtol=1e-5)
    assert answer.duration_s == 5.0
    assert answer.warnings == ()
    for source in (str(path), content, bytearray(content), io.BytesIO(content)):
        assert recognizer(source) == answer


def test_what_the_command_encodes_is_heard_too(recognizer, samples, tmp_path):
    soundfile.write(tmp_path / "a.wav", samples, RATE, subtype="FLOAT")
    done = in_process("encode", tmp_path / "a.wav", "-o", tmp_path / "a.smel")
    assert done.returncode == 0, done.stderr
    log_mel = decode((tmp_path / "a.smel").read_bytes()).log_mel
    answer = recognizer(tmp_path / "a.smel")
    np.testing.assert_allclose(
        list(answer.scores.values()), probabilities(recognizer, log_mel), rtol=1e-5
    )


def test_sound_is_heard_as_its_log_mel(recognizer, samples, tmp_path):
    expected = probabilities(recognizer, scaled(log_mel_of(samples)))
    answer = recognizer((samples, RATE))
    np.testing.assert_allclose(list(answer.scores.values()), expected, rtol=1e-5)
    soundfile.write(tmp_path / "a.wav", samples, RATE, subtype="FLOAT")
    assert recognizer(tmp_path / "a.wav").scores == answer.scores
    with (tmp_path / "a.wav").open("rb") as file:
        assert recognizer(file).scores == answer.scores


def test_nearly_lossless_packets_are_nearly_the_sound(recognizer, samples):
    heard = recognizer((samples, RATE)).scores
    assert recognizer(encode_low_rank(samples, ratio=1.0)).scores == pytest.approx(heard, abs=0.01)


def test_the_windows_of_packets(recognizer, samples):
    content = encode_basis(samples, 5)
    log_mel = decode(content).log_mel
    windows = list(recognizer.windows(content, hop_s=1.0))
    assert [window.start_s for window in windows] == [0.0, 1.0, 2.0, 3.0]
    assert [window.end_s for window in windows] == [2.0, 3.0, 4.0, 5.0]
    for window in windows:
        part = log_mel[:, round(100 * window.start_s) : round(100 * window.end_s)]
        expected = probabilities(recognizer, part)
        np.testing.assert_allclose(list(window.scores.values()), expected, rtol=1e-5)
        assert window.warnings == ()


def test_silence_has_no_label_in_packets_either(recognizer):
    for content in (encode_basis(np.zeros(RATE, np.float32), 5), (np.zeros(RATE), RATE)):
        answer = recognizer(content)
        assert (answer.label, answer.scores) == (None, {})
        assert "silence" in answer.reason


def test_lost_packets_warn(recognizer, samples):
    packets = list(split(encode_basis(samples, 5, blocks_per_packet=1)))
    content = b"".join(packets[:5] + packets[7:])
    answer = recognizer(content)
    (caution,) = answer.warnings
    assert caution.code == "lost-packets"
    assert caution.message == "0.64 s of 5.00 s were lost and interpolated"
    expected = probabilities(recognizer, decode(content).log_mel)
    np.testing.assert_allclose(list(answer.scores.values()), expected, rtol=1e-5)
    assert answer.duration_s == 5.0


def test_short_packets_are_short_and_too_short(recognizer, samples):
    assert codes(recognizer(encode_basis(samples[: RATE // 2], 5))) == ["short"]
    with pytest.raises(AudioError, match="lasts 90 ms; expected at least 100 ms"):
        recognizer(encode_basis(samples[:1440], 5))


def test_damaged_packets_are_a_packet_error_and_the_next_is_answered(recognizer, samples):
    packets = list(split(encode_basis(samples, 5, blocks_per_packet=1)))
    spoilt = bytearray(packets[3])
    spoilt[-1] ^= 1
    damaged = b"".join([*packets[:3], bytes(spoilt), *packets[4:]])
    with pytest.raises(PacketError, match="damaged"):
        recognizer(damaged)
    with pytest.raises(PacketError):
        list(recognizer.windows(damaged))
    good = b"".join(packets)
    found = list(recognizer.predict_many([good, damaged, damaged[:-3], b"noise", good]))
    kinds = ["Prediction", "PacketError", "PacketError", "AudioError", "Prediction"]
    assert [type(one).__name__ for one in found] == kinds
    assert found[0] == found[-1]


def test_the_packets_of_two_streams_are_refused(recognizer, samples):
    one, other = (encode_basis(part, 5) for part in (samples, 0.5 * samples[:RATE]))
    with pytest.raises(PacketError, match="the ends of 2 streams"):
        recognizer(one + other)


def test_a_model_on_sound_refuses_packets_in_one_line(model, samples, tmp_path):
    content = encode_basis(samples, 5)
    recognizer = Recognizer(NumpyBackend(model))
    message = (
        "the recording holds packets of serkit's codec, but toy takes sound; choose a model that "
        "takes log-mel"
    )
    for source in (content, io.BytesIO(content)):
        with pytest.raises(AudioError) as error:
            recognizer(source)
        assert str(error.value) == message
    with pytest.raises(AudioError, match="holds packets"):
        list(recognizer.windows(content))
    (tmp_path / "a.smel").write_bytes(content)
    done = in_process("predict", tmp_path / "a.smel", "--model", "tiny")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "a.smel: the recording holds packets of serkit's codec, but tiny takes sound" in line


@pytest.mark.parametrize("coder", ["basis", "basis, short packets", "svdq"])
def test_silent_windows_in_packets_do_not_vote(recognizer, samples, coder):
    """A decoder clamps silence to 8 decades below the voice before it."""
    padded = np.concatenate((samples, np.zeros(6 * RATE, np.float32)))
    windows = list(recognizer.windows(CODERS[coder](padded)))
    assert [bool(window.scores) for window in windows[:2]] == [True, True]
    assert not any(window.scores for window in windows[3:])


@pytest.mark.parametrize(
    "sound",
    [
        np.full(2 * RATE, 0.1, np.float32),
        np.random.default_rng(0).integers(-1, 2, 2 * RATE).astype(np.float32) / 32768 / 1.01,
    ],
    ids=["constant", "dither"],
)
def test_what_is_silent_as_sound_is_silent_as_log_mel(recognizer, sound):
    for source in ((sound, RATE), encode_basis(sound, 5)):
        assert recognizer(source).label is None


def test_quiet_speech_is_not_silent(recognizer, samples):
    assert recognizer((0.002 * samples, RATE)).label
    assert recognizer(encode_basis((0.002 * samples).astype(np.float32), 5)).label


def test_losses_are_given_to_a_window(recognizer, samples):
    packets = list(split(encode_basis(samples, 5, blocks_per_packet=1)))
    windows = list(recognizer.windows(b"".join(packets[:5] + packets[7:])))
    assert sum(codes(window).count("lost-packets") for window in windows) == 1


@pytest.mark.parametrize("length", [1, 3, 40])
def test_damaged_packets_say_so(recognizer, samples, length, tmp_path):
    content = encode_basis(samples, 5)
    damaged = bytearray(content)
    damaged[length] ^= 0xFF
    (tmp_path / "cut.smel").write_bytes(content[:length])
    for source in (bytes(damaged), tmp_path / "cut.smel"):
        with pytest.raises(PacketError):
            recognizer(source)
        (answer,) = recognizer.predict_many([source])
        assert isinstance(answer, PacketError)


@pytest.mark.parametrize("file", [io.StringIO("text"), io.StringIO("")])
def test_a_text_file_is_no_recording(recognizer, file):
    with pytest.raises(AudioError):
        recognizer(file)
