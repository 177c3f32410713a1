"""Tiny random classifiers of sound, as folders like those of a hub."""

import json
from pathlib import Path

import soundfile

EMOTIONS = ("ang", "hap", "neu", "sad")
SPEECH = Path(__file__).parent.parent / "examples"
SOUNDS = [SPEECH / f"{name}.flac" for name in ("plain", "fast-high-loud", "calm-low")]

_COMMON = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "conv_dim": (16,) * 7,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
    "classifier_proj_size": 20,
    "initializer_range": 0.3,
}
_LAYER_NORM = {"feat_extract_norm": "layer", "do_stable_layer_norm": True, "conv_bias": True}
_LARGE = _COMMON | _LAYER_NORM | {"use_weighted_layer_sum": True}
_SQUEEZED = _COMMON | {"conv_dim": (16,) * 13, "squeeze_factor": 2}
_WHISPER = {
    "d_model": 32, "encoder_layers": 2, "encoder_attention_heads": 2, "encoder_ffn_dim": 48,
    "decoder_layers": 1, "decoder_attention_heads": 2, "decoder_ffn_dim": 48, "vocab_size": 60,
    "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 1,
    "suppress_tokens": None, "begin_suppress_tokens": None, "classifier_proj_size": 20,
    "num_mel_bins": 80, "init_std": 0.3, "max_source_positions": 500,
}  # fmt: skip
_AST = {
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48,
    "initializer_range": 0.3,
}  # fmt: skip

# Kind -> stem of the classes, name of the model's class, configuration.
KINDS = {
    "hubert": ("Hubert", "HubertForSequenceClassification", _COMMON),
    "hubert-large": ("Hubert", "HubertForSequenceClassification", _LARGE),
    "wav2vec2": ("Wav2Vec2", "Wav2Vec2ForSequenceClassification", _COMMON),
    "wavlm": (
        "WavLM",
        "WavLMForSequenceClassification",
        _COMMON | {"num_buckets": 32, "max_bucket_distance": 80},
    ),
    "data2vec-audio": ("Data2VecAudio", "Data2VecAudioForSequenceClassification", _COMMON),
    "unispeech": ("UniSpeech", "UniSpeechForSequenceClassification", _COMMON),
    "unispeech-sat": ("UniSpeechSat", "UniSpeechSatForSequenceClassification", _COMMON),
    "wav2vec2-conformer": (
        "Wav2Vec2Conformer",
        "Wav2Vec2ConformerForSequenceClassification",
        _COMMON | {"position_embeddings_type": "relative"},
    ),
    "sew": ("SEW", "SEWForSequenceClassification", _SQUEEZED),
    "sew-d": ("SEWD", "SEWDForSequenceClassification", _SQUEEZED),
    "whisper": ("Whisper", "WhisperForAudioClassification", _WHISPER),
    "whisper-large": (
        "Whisper",
        "WhisperForAudioClassification",
        _WHISPER | {"num_mel_bins": 128, "max_source_positions": 1500},
    ),
    "audio-spectrogram-transformer": ("AST", "ASTForAudioClassification", _AST),
}


def make_classifier(folder, kind="hubert", *, labels=EMOTIONS, seed=0, normalise=True, **changes):
    """Save a random classifier; its answers differ between sounds."""
    import torch
    import transformers

    stem, architecture, values = KINDS[kind]
    torch.manual_seed(seed)
    config = getattr(transformers, f"{stem}Config")(
        **values | changes,
        id2label=dict(enumerate(labels)),
        label2id={name: i for i, name in enumerate(labels)},
    )
    network = getattr(transformers, architecture)(config).eval()
    save_extractor(folder, kind, normalise=normalise, config=config)
    extractor = transformers.AutoFeatureExtractor.from_pretrained(folder)
    last = getattr(network.classifier, "dense", network.classifier)
    with torch.no_grad():
        last.weight.normal_()
        sounds = (soundfile.read(path, dtype="float32")[0] for path in SOUNDS)
        inputs = (extractor(x, sampling_rate=16_000, return_tensors="pt") for x in sounds)
        logits = torch.cat([network(**values).logits for values in inputs])
        gain = 1.0 / logits.std(dim=0).mean()
        last.weight *= gain
        last.bias.copy_(-gain * logits.mean(dim=0))
    network.save_pretrained(folder)
    (folder / "README.md").write_text(
        "---\nlicense: apache-2.0\nbase_model: toys/base\ndatasets:\n- narad/ravdess\n---\n# Toy\n"
    )
    return folder


def save_extractor(folder, kind, *, normalise=True, config=None):
    import transformers

    if kind.startswith("whisper"):
        extractor = transformers.WhisperFeatureExtractor(
            feature_size=config.num_mel_bins, chunk_length=config.max_source_positions // 50
        )
    elif kind == "audio-spectrogram-transformer":
        extractor = transformers.ASTFeatureExtractor(
            num_mel_bins=config.num_mel_bins, max_length=config.max_length
        )
    else:
        extractor = transformers.Wav2Vec2FeatureExtractor(do_normalize=normalise)
    extractor.save_pretrained(folder)


def make_dimensional(folder, *, labels=("arousal", "dominance", "valence"), seed=0):
    """A random model as audEERING's: a transformer, mean pooling, dense, tanh, linear."""
    import torch
    from safetensors.torch import save_file
    from transformers import Wav2Vec2Config, Wav2Vec2Model

    torch.manual_seed(seed)
    config = Wav2Vec2Config(
        **_COMMON | _LAYER_NORM,
        id2label=dict(enumerate(labels)),
        label2id={name: i for i, name in enumerate(labels)},
    )
    config.architectures = ["Wav2Vec2ForSpeechClassification"]
    base = Wav2Vec2Model(config)
    old = {"parametrizations.weight.original0": "weight_g"}
    old |= {"parametrizations.weight.original1": "weight_v"}
    state = {}
    for name, value in base.state_dict().items():
        for new, before in old.items():
            name = name.replace(new, before)
        state[f"wav2vec2.{name}"] = value.contiguous()
    for name, shape in {
        "dense.weight": (32, 32), "dense.bias": (32,),
        "out_proj.weight": (len(labels), 32), "out_proj.bias": (len(labels),),
    }.items():  # fmt: skip
        state[f"classifier.{name}"] = 0.3 * torch.randn(shape)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    config.save_pretrained(folder)
    save_extractor(folder, "wav2vec2")
    (folder / "README.md").write_text("---\nlicense: cc-by-nc-sa-4.0\n---\n")
    return folder


def scores_by_transformers(folder, samples):
    """Probabilities by their own names, by the pipeline of transformers."""
    import torch
    from transformers import AutoFeatureExtractor, AutoModelForAudioClassification, pipeline

    classify = pipeline(
        "audio-classification",
        model=AutoModelForAudioClassification.from_pretrained(folder, dtype=torch.float32),
        feature_extractor=AutoFeatureExtractor.from_pretrained(folder),
        device="cpu",
    )
    found = classify({"raw": samples.copy(), "sampling_rate": 16_000}, top_k=None)
    return {one["label"]: one["score"] for one in found}


def preprocessor(folder, **changes):
    """Change the configuration of the feature extractor."""
    path = folder / "preprocessor_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def configuration(folder, **changes):
    """Change the configuration of the model."""
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
