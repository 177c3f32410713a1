import numpy as np

from serkit.compression import layer_importance, search_bits, search_bytes
from serkit.runtime import Dense


def layer(n_outputs, size):
    rng = np.random.default_rng(n_outputs)
    weight = (size * rng.standard_normal((n_outputs, 4))).astype(np.float32)
    return Dense(weight, np.zeros(n_outputs, np.float32))


LAYERS = (layer(2, 1.0), layer(9, 3.0), layer(3, 0.1))


class Bits:
    """A stand-in for a quantised layer, whose score depends on its index and bits only."""

    def __init__(self, number, bits):
        self.number, self.bits = number, bits


def narrowed(layer, bits):
    return Bits(next(i for i, other in enumerate(LAYERS) if other is layer), bits)


def scored(loss):
    return lambda layers: (
        1.0 - sum(loss[x.number][x.bits - 1] for x in layers if isinstance(x, Bits))
    )


def search(loss, margin):
    return search_bits(
        LAYERS,
        narrowed,
        scored(loss),
        len,
        margin=margin,
        alpha=0.5,
    )


def test_search_of_the_paper_by_hand():
    importance = layer_importance(LAYERS, alpha=0.5)
    assert np.argsort(-importance).tolist() == [1, 0, 2]
    loss = [[0.2, 0.02] + [0.0] * 6, [0.3, 0.06, 0.01] + [0.0] * 5, [0.0] * 8]
    bits, trials = search(loss, margin=0.1)
    # Layer 1 may lose a tenth of its importance: 0.06 is within it, 0.3 is not. The next starts
    # from there, and may lose a tenth of its own importance together with what was lost.
    assert [(t.layer, t.bits) for t in trials if t.layer == 1] == [(1, 1), (1, 2)]
    assert bits[1] == 2
    for trial in trials:
        assert trial.margin == 0.1 * importance[trial.layer]
        assert trial.accepted == (1.0 - trial.score <= trial.margin or trial.bits == 8)
    accepted = {t.layer: t.bits for t in trials if t.accepted}
    assert bits == tuple(accepted[i] for i in range(3))
    assert list(accepted) == [1, 0, 2]
    assert len(accepted) == sum(t.accepted for t in trials) == 3


def test_zero_margin():
    loss = [[0.1, 0.1, 0.0] + [0.0] * 5] * 3
    bits, trials = search(loss, margin=0.0)
    assert bits == (3, 3, 3)
    assert len(trials) == 9


def test_sensitive_layer_keeps_eight_bits():
    bits, trials = search([[0.5] * 8, [0.0] * 8, [0.0] * 8], margin=0.01)
    assert bits[0] == 8
    assert [t.accepted for t in trials if t.layer == 0] == [False] * 7 + [True]


def search_by_bytes(loss, margin):
    weights = [layer.matrix.size for layer in LAYERS]

    return search_bytes(
        LAYERS,
        narrowed,
        scored(loss),
        lambda layers: 100 + sum(x.bits * weights[x.number] for x in layers),
        margin=margin,
    )


def test_the_search_by_bytes_by_hand():
    """Layers of 8, 36 and 12 weights."""
    loss = [[0.02] + [0.0] * 7, [0.3, 0.06, 0.01] + [0.0] * 5, [0.05, 0.03] + [0.0] * 6]
    bits, trials = search_by_bytes(loss, margin=0.1)
    assert [(t.layer, t.bits) for t in trials if t.accepted] == [(1, 2), (2, 2), (0, 2)]
    assert bits == (2, 2, 2)
    # The largest layer at 1 bit is the smallest file of all, and loses too much; at 2 bits not.
    assert [(t.layer, t.bits, t.bytes) for t in trials[:2]] == [
        (1, 1, 100 + 8 * 8 + 36 + 8 * 12),
        (1, 2, 100 + 8 * 8 + 2 * 36 + 8 * 12),
    ]
    # Then 0.04 is left: too little for layer 2 at 1 bit, and 0.01 after its 2 bits for layer 0.
    # In the end every narrower width of any layer has been tried once more.
    assert [(t.layer, t.bits) for t in trials[2:]] == [
        *((2, 1), (2, 2), (0, 1), (0, 2)),
        *((1, 1), (2, 1), (0, 1)),
    ]
    assert all(t.accepted == (t.score >= 0.9 - 1e-9) for t in trials)


def test_loss_equal_to_the_margin_is_accepted():
    """0.8 - 0.7 is more than 0.1 in floats."""
    loss = [[0.3] * 7 + [0.2], [0.0] * 8, [0.0] * 8]
    bits, _ = search_by_bytes(loss, margin=0.2)
    assert bits == (8, 1, 1)


def test_narrower_width_after_a_rejected_one():
    loss = [[0.0, 0.5, 0.5, 0.5, 0.0, 0.0, 0.0, 0.0], [0.0] * 8, [0.0] * 8]
    assert search_by_bytes(loss, margin=0.0)[0] == (1, 1, 1)


def test_search_by_bytes_with_zero_margin():
    bits, trials = search_by_bytes([[0.0] * 8] * 3, margin=0.0)
    assert bits == (1, 1, 1)
    assert [(t.layer, t.bits) for t in trials] == [(1, 1), (2, 1), (0, 1)]
    assert [t.bytes for t in trials] == sorted((t.bytes for t in trials), reverse=True)
