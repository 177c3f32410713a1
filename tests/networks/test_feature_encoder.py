"""The feature encoder as products, against that of transformers."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from transformers import (
    HubertConfig,
    HubertModel,
    Wav2Vec2Config,
    Wav2Vec2Model,
    WavLMConfig,
    WavLMModel,
    WhisperConfig,
    WhisperModel,
)

from serkit.networks import FeatureEncoder, fits

SMALL = {
    "hidden_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "conv_dim": (24,) * 7,
    "num_conv_pos_embeddings": 8,
    "num_conv_pos_embedding_groups": 2,
}


def published(family: str) -> nn.Module:
    torch.manual_seed(0)
    layered = {"feat_extract_norm": "layer", "conv_bias": True, "do_stable_layer_norm": True}
    model = {
        "hubert": lambda: HubertModel(HubertConfig(**SMALL)),
        "hubert with biases": lambda: HubertModel(HubertConfig(**SMALL, conv_bias=True)),
        "wav2vec2 with layer norms": lambda: Wav2Vec2Model(Wav2Vec2Config(**SMALL, **layered)),
        "wavlm": lambda: WavLMModel(WavLMConfig(**SMALL)),
    }[family]()
    encoder = model.eval().feature_extractor
    for norm in (m for m in encoder.modules() if isinstance(m, nn.GroupNorm | nn.LayerNorm)):
        nn.init.normal_(norm.weight, 1.0, 0.3)  # by default it does nothing
        nn.init.normal_(norm.bias, 0.0, 0.3)
    return encoder


FAMILIES = ("hubert", "hubert with biases", "wav2vec2 with layer norms", "wavlm")


@pytest.mark.parametrize("family", FAMILIES)
@given(length=st.integers(400, 4000), offset=st.floats(-0.5, 0.5))
@settings(max_examples=15, deadline=None)
def test_equals_the_convolutions_for_any_length(family, length, offset):
    theirs = published(family)
    ours = FeatureEncoder(theirs.conv_layers)
    samples = offset + torch.randn(2, length, generator=torch.Generator().manual_seed(length))
    with torch.no_grad():
        expected = theirs(samples)
        torch.testing.assert_close(ours(samples), expected, rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_quick_gelu_is_close_to_gelu(family):
    theirs = published(family)
    samples = torch.randn(1, 8000, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = theirs(samples)
        found = FeatureEncoder(theirs.conv_layers, quick=True)(samples)
    assert 0.0 < float((found - expected).abs().mean()) < 0.03 * float(expected.std())


def test_does_not_fit_other_encoders():
    encoder = published("hubert")
    assert fits(encoder.conv_layers)
    assert not fits(nn.ModuleList())
    whisper = WhisperModel(
        WhisperConfig(
            d_model=8,
            encoder_layers=1,
            decoder_layers=1,
            encoder_attention_heads=2,
            decoder_attention_heads=2,
        )
    )
    assert not fits(nn.ModuleList([whisper.encoder.conv1, whisper.encoder.conv2]))
    for change in ("activation", "stride", "padding"):
        changed = published("hubert").conv_layers
        if change == "activation":
            changed[1].activation = nn.ReLU()
        else:
            setattr(changed[1].conv, change, (1,) if change == "padding" else (5,))
        assert not fits(changed)
        with pytest.raises(ValueError, match="HuBERT or wav2vec"):
            FeatureEncoder(changed)
