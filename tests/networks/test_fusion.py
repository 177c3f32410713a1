"""Networks on speech and text: padding has no influence, attention against torch, absence."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from serkit.networks.fusion import FUSIONS, make_fusion
from serkit.networks.fusion.attention import Attention
from serkit.networks.fusion.encoders import AveragedFrames, PaddedBatchNorm, Recurrent
from serkit.networks.fusion.rows import Rows

N_MELS, TEXT_WIDTH, N_LABELS = 12, 6, 3
SMALL = {"n_mels": N_MELS, "text_width": TEXT_WIDTH, "width": 8}


def small(kind, **more):
    torch.manual_seed(0)
    sizes = SMALL | ({"channels": (3, 4)} if kind in ("acoustic", "amser") else {}) | more
    network = make_fusion(kind, N_LABELS, **sizes)
    with torch.no_grad():  # stand-ins are 0 before training
        for parameter in network.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return network.eval()


def batch(frame_counts, vector_counts, seed=0, more=(0, 0)):
    """Random inputs, with other random numbers after the ends."""
    rng = np.random.default_rng(seed)
    frames = rng.standard_normal((len(frame_counts), N_MELS, max(frame_counts) + more[0]))
    vectors = rng.standard_normal((len(vector_counts), max(vector_counts) + more[1], TEXT_WIDTH))
    return (
        torch.from_numpy(frames.astype(np.float32)),
        torch.tensor(frame_counts),
        torch.from_numpy(vectors.astype(np.float32)),
        torch.tensor(vector_counts),
    )


def alone(inputs, i):
    """One recording without padding; an absent modality has one row of anything."""
    frames, n_frames, vectors, n_vectors = inputs
    return (
        frames[i : i + 1, :, : max(1, n_frames[i])],
        n_frames[i : i + 1],
        vectors[i : i + 1, : max(1, n_vectors[i])],
        n_vectors[i : i + 1],
    )


@pytest.mark.parametrize("kind", FUSIONS)
@given(
    counts=st.lists(st.tuples(st.integers(0, 40), st.integers(0, 5)), min_size=2, max_size=5),
    more=st.tuples(st.integers(1, 9), st.integers(1, 3)),
)
@settings(max_examples=25, deadline=None)
def test_padding_has_no_influence(kind, counts, more):
    network = small(kind)
    inputs = batch([f for f, _ in counts], [v for _, v in counts], more=more)
    with torch.no_grad():
        together = network(*inputs)
        for i in range(len(counts)):
            expected = network(*alone(inputs, i))
            torch.testing.assert_close(together[i : i + 1], expected, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", FUSIONS)
def test_padding_has_no_influence_on_training_either(kind):
    """Batch normalisation and gradients are the same with more padding."""
    gradients = []
    for more in ((0, 0), (7, 2)):
        network = small(kind, dropout=0.0).train()
        frames, n_frames, vectors, n_vectors = batch([9, 20, 13], [2, 1, 3])
        wider = batch([9, 20, 13], [2, 1, 3], seed=1, more=more)
        wider[0][..., :20], wider[2][:, :3] = frames, vectors
        loss = network(wider[0], n_frames, wider[2], n_vectors).square().sum()
        loss.backward()
        gradients.append({n: p.grad for n, p in network.named_parameters()})
        gradients[-1] |= {n: b.clone() for n, b in network.named_buffers()}
    for name, first in gradients[0].items():
        if first is not None:
            torch.testing.assert_close(gradients[1][name], first, atol=1e-4, rtol=1e-4)


def test_statistics_of_padded_maps_are_those_of_torch_without_padding():
    torch.manual_seed(0)
    ours, theirs = PaddedBatchNorm(3).train(), nn.BatchNorm2d(3).train()
    maps, counts = torch.randn(2, 3, 4, 10) + 2.0, torch.tensor([10, 10])
    padded = torch.cat((maps, torch.randn(2, 3, 4, 5)), dim=3)
    out = ours(padded, counts)
    torch.testing.assert_close(out[..., :10], theirs(maps).relu(), atol=1e-5, rtol=1e-4)
    assert (out[..., 10:] == 0.0).all()
    torch.testing.assert_close(ours.running_mean, theirs.running_mean)
    torch.testing.assert_close(ours.running_var, theirs.running_var, atol=0.0, rtol=0.02)


def test_attention_is_that_of_torch():
    torch.manual_seed(0)
    ours, theirs = Attention(8, 2), nn.MultiheadAttention(8, 2, batch_first=True)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat((ours.query.weight, ours.key_value.weight)))
        theirs.in_proj_bias.copy_(torch.cat((ours.query.bias, ours.key_value.bias)))
        theirs.out_proj.load_state_dict(ours.joined.state_dict())
    values, guide = torch.randn(2, 5, 8), Rows(torch.randn(2, 4, 8), torch.tensor([4, 2]))
    expected, _ = theirs(values, guide.values, guide.values, key_padding_mask=~guide.inside)
    torch.testing.assert_close(ours(values, guide), expected)


def test_both_ways_are_those_of_torch():
    torch.manual_seed(0)
    ours = Recurrent(nn.LSTM, 3, 8, both_ways=True)
    theirs = nn.LSTM(3, 4, batch_first=True, bidirectional=True)
    back = {f"{n}_reverse": p for n, p in ours.back.state_dict().items()}
    theirs.load_state_dict(ours.forth.state_dict() | back)
    rows = Rows(torch.randn(2, 6, 3), torch.tensor([6, 4]))
    found = ours(rows)
    for i, count in enumerate((6, 4)):
        expected, (last, _) = theirs(rows.values[i : i + 1, :count])
        torch.testing.assert_close(found.values[i : i + 1, :count], expected)
        torch.testing.assert_close(ours.summary(found)[i], last.flatten())


def test_frames_are_averaged_up_to_the_end():
    frames = Rows(torch.tensor([[1.0, 3.0, 5.0, 9.0, 100.0]])[..., None], torch.tensor([3]))
    averaged = AveragedFrames(2)(frames)
    assert averaged.counts.tolist() == [2]
    assert averaged.values[0, :2, 0].tolist() == [2.0, 5.0]


@pytest.mark.parametrize("kind", [kind for kind in FUSIONS if kind != "acoustic"])
def test_each_modality_matters_and_an_absent_one_does_not(kind):
    network = small(kind)
    frames, n_frames, vectors, n_vectors = batch([20], [3])
    none = torch.tensor([0])
    with torch.no_grad():
        both = network(frames, n_frames, vectors, n_vectors)
        for other in (
            network(frames + 1.0, n_frames, vectors, n_vectors),
            network(frames, n_frames, vectors + 1.0, n_vectors),
            network(frames, n_frames, vectors, none),
            network(frames, none, vectors, n_vectors),
        ):
            assert (both - other).abs().max() > 1e-3
        assert torch.equal(
            network(frames, n_frames, vectors, none), network(frames, n_frames, -vectors, none)
        )


def test_a_modality_is_left_out_in_training_only_but_never_both():
    network = small("amser", missing_speech=0.3, missing_text=0.4)
    n_frames, n_vectors = torch.full((4000,), 5), torch.full((4000,), 2)
    n_vectors[:1000] = 0  # what is alone stays
    frames, vectors = network._left_out(n_frames, n_vectors)
    assert (frames[:1000] == 5).all()
    assert ((frames > 0) | (vectors > 0)).all()
    assert abs((vectors[1000:] == 0).float().mean() - 0.4) < 0.03
    assert abs((frames[1000:] == 0).float().mean() - 0.3) < 0.03
    inputs = batch([9, 9], [2, 2])
    with torch.no_grad():
        assert torch.equal(network(*inputs), network(*inputs))
