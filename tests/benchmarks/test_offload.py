from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serkit.codec import DEFAULT_QUALITY, RATIOS
from serkit.corpora import Utterance
from serkit.metrics import confusion, unweighted_average_recall
from serkit.serving.client.coding import body_of
from serkit.serving.client.device import is_sure
from serkit.training.fusion import Coding, coded

from offload_curve import SIZES, chosen_share, costs
from offload_models import log_mel_from
from offload_policy import at_best, at_random, compared, sent_by, threshold_for
from transmission import LINKS


def scores(*best):
    return [{"angry": one, "sad": 1.0 - one} for one in best]


def test_a_device_is_sure_at_the_threshold_and_of_silence():
    assert is_sure({"angry": 0.6, "sad": 0.4}, 0.6)
    assert not is_sure({"angry": 0.6, "sad": 0.4}, 0.61)
    assert is_sure({}, 1.0)


def test_a_threshold_sends_the_share_it_was_made_for():
    known = [*scores(0.9, 0.6, 0.55, 0.99, 0.7), {}]  # the last one is silent
    n_sent = [
        int(sent_by(known, threshold_for(known, share)).sum())
        for share in (0.0, 1 / 6, 0.5, 5 / 6, 1.0)
    ]
    assert n_sent == [0, 1, 3, 5, 5]


@given(st.lists(st.floats(0.5, 1.0, exclude_max=True), min_size=1, max_size=30), st.floats(0, 1))
def test_a_threshold_sends_no_more_than_its_share(best, share):
    threshold = threshold_for(scores(*best), share)
    assert 0.0 <= threshold <= 1.0  # what a client takes
    assert sent_by(scores(*best), threshold).sum() <= round(share * len(best))


def test_at_random_is_the_mean_over_all_choices():
    targets, device, server = (np.array(one) for one in ([0, 0, 1, 1], [0, 1, 1, 0], [0, 0, 0, 1]))
    values = []
    for sent in combinations(range(4), 2):
        found = device.copy()
        found[list(sent)] = server[list(sent)]
        values.append(unweighted_average_recall(confusion(targets, found, 2)))
    both = [unweighted_average_recall(confusion(targets, one, 2)) for one in (device, server)]
    assert at_random(*both, 0.5) == pytest.approx(np.mean(values))


@given(st.integers(0, 2**32 - 1), st.integers(0, 6))
def test_at_best_is_the_highest_of_all_choices(seed, n_sent):
    rng = np.random.default_rng(seed)
    targets = np.concatenate((np.arange(3), rng.integers(3, size=3)))
    device, server = rng.integers(3, size=(2, 6))
    best = 0.0
    for size in range(n_sent + 1):
        for sent in combinations(range(6), size):
            found = device.copy()
            found[list(sent)] = server[list(sent)]
            best = max(best, unweighted_average_recall(confusion(targets, found, 3)))
    assert at_best(targets, device, server, 3, n_sent) == pytest.approx(best)


def test_differences_of_a_rule():
    targets = np.tile([0, 1], 6)
    speakers = [f"speaker-{i // 2}" for i in range(12)]
    wrong, right = 1 - targets, targets
    sent = targets == 0
    figures = compared(targets, wrong, right, sent, speakers, 2)
    values = {name: figure["value"] for name, figure in figures.items()}
    assert values == pytest.approx(
        {"ua": 0.5, "to_server": -0.5, "to_device": 0.5, "to_random": 0.0, "share": 0.5}
    )
    # All speakers are alike.
    assert all(one["interval"] == [one["value"]] * 2 for one in figures.values())


@pytest.mark.parametrize(
    ("mode", "coding"),
    [
        ("wav", Coding()),
        ("svd", Coding(svd=RATIOS[0])),
        ("basis", Coding(basis=DEFAULT_QUALITY)),
    ],
)
def test_the_server_hears_what_it_was_trained_on(mode, coding):
    rng = np.random.default_rng(0)
    samples = (0.1 * rng.standard_normal(16_000)).astype(np.float32)
    heard = log_mel_from(body_of((samples, 16_000), mode), mode)
    # A WAV file has 16 bits.
    assert heard == pytest.approx(coded(samples, coding), abs=0.01 if mode == "wav" else 0.0)


def test_the_server_hears_no_more_than_in_training():
    long = np.zeros(16_000 * 7, np.float32)
    assert log_mel_from(body_of((long, 16_000), "basis"), "basis").shape == (80, 500)


def test_who_is_not_sent_waits_for_the_device_alone():
    times = {
        "device_s": 0.01,
        "modes": {"basis": {"coding_s": 0.02, "server_s": 0.03}},
    }
    message = [size / 1000 for size in SIZES]  # 1 ms a byte
    lte = next(one for one in LINKS if one.name == "LTE")
    none = costs(lte, message, times, "basis", np.zeros(4, np.int64))
    assert none == pytest.approx({"mean_s": 0.01, "p95_s": 0.01, "joules": 2.0 * 0.01})
    half = costs(lte, message, times, "basis", np.array([0, 0, 1500, 1500]))
    assert half["p95_s"] == pytest.approx(0.01 + 0.02 + 0.03 + 1.5)
    assert half["mean_s"] == pytest.approx((0.01 + half["p95_s"]) / 2)
    of_radio = 1500 * lte.radio.joules_per_byte + 1.53 * lte.radio.watts
    assert half["joules"] == pytest.approx(2.0 * 0.01 + (2.0 * 0.02 + of_radio) / 2)


def test_the_least_share_that_is_near_to_the_server_is_chosen():
    labels = ("angry", "happy", "neutral", "sad")
    utterances = [Utterance(None, label, "anna", "mine") for label in labels for _ in range(5)]

    def sure(label, probability):
        rest = (1.0 - probability) / 3
        return {one: probability if one == label else rest for one in labels}

    # The device is wrong on one recording of each label, of which it is less sure.
    wrong = dict(zip(labels, labels[1:] + labels[:1], strict=True))
    answers = [
        {
            "device": sure(wrong[u.label], 0.5) if i % 5 == 0 else sure(u.label, 0.9),
            "basis": sure(u.label, 0.9),
        }
        for i, u in enumerate(utterances)
    ]
    assert chosen_share(utterances, answers) == 0.2
    for one in answers:
        one["basis"] = one["device"]
    assert chosen_share(utterances, answers) == 0.0
