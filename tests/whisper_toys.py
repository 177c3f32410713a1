"""A tiny random Whisper with the vocabulary of the multilingual ones, in both layouts of a hub."""

import itertools
import json
import string
from pathlib import Path

N_TEXT = 50_257
SPECIAL = ("<|endoftext|>", "<|startoftranscript|>")
TASKS = (
    "<|translate|>", "<|transcribe|>", "<|startoflm|>", "<|startofprev|>", "<|nospeech|>",
    "<|notimestamps|>",
)  # fmt: skip


def _tokens():
    """Text tokens (the bytes and made-up words), then special ones, then timestamps."""
    from tokenizers import pre_tokenizers
    from transformers.models.whisper.tokenization_whisper import LANGUAGES

    words = ("".join(w) for w in itertools.product(string.ascii_lowercase, repeat=3))
    made = (f"{mark}{word}" for word in words for mark in ("Ġ", "", "Ġx"))
    # CTranslate2 knows a multilingual vocabulary by its empty token.
    text = [*[*sorted(pre_tokenizers.ByteLevel.alphabet()), *made][: N_TEXT - 1], ""]
    languages = [f"<|{code}|>" for code in list(LANGUAGES)[:99]]
    times = [f"<|{0.02 * i:.2f}|>" for i in range(1501)]
    return text, [SPECIAL[0], SPECIAL[1], *languages, *TASKS], times


def make_whisper(folder: Path, *, n_mels: int = 80, seed: int = 0) -> Path:
    """A Whisper as transformers saves it."""
    import torch
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import (
        GenerationConfig,
        WhisperConfig,
        WhisperFeatureExtractor,
        WhisperForConditionalGeneration,
    )

    folder.mkdir(parents=True)
    text, special, times = _tokens()
    ids = {token: i for i, token in enumerate([*text, *special, *times])}
    tokenizer = Tokenizer(models.BPE({token: ids[token] for token in text}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in special])
    tokenizer.add_tokens([AddedToken(token) for token in times])
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "WhisperTokenizer", "pad_token": SPECIAL[0]})
    )
    torch.manual_seed(seed)
    config = WhisperConfig(
        vocab_size=len(ids), num_mel_bins=n_mels, d_model=32, encoder_layers=2, decoder_layers=2,
        encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=64,
        decoder_ffn_dim=64, init_std=0.4, pad_token_id=N_TEXT, bos_token_id=N_TEXT,
        eos_token_id=N_TEXT, decoder_start_token_id=N_TEXT + 1,
    )  # fmt: skip
    model = WhisperForConditionalGeneration(config)
    model.generation_config = GenerationConfig(
        is_multilingual=True,
        lang_to_id={token: ids[token] for token in special[2:101]},
        task_to_id={"transcribe": ids["<|transcribe|>"], "translate": ids["<|translate|>"]},
        no_timestamps_token_id=ids["<|notimestamps|>"],
        prev_sot_token_id=ids["<|startofprev|>"],
        max_initial_timestamp_index=50,
        max_length=40,  # of transformers; faster-whisper goes to the end
        suppress_tokens=[],
        begin_suppress_tokens=[ids["Ġ"], N_TEXT],
        pad_token_id=N_TEXT, bos_token_id=N_TEXT, eos_token_id=N_TEXT,
        decoder_start_token_id=N_TEXT + 1,
    )  # fmt: skip
    model.save_pretrained(folder)
    WhisperFeatureExtractor(feature_size=n_mels).save_pretrained(folder)
    return folder


def convert_whisper(whisper: Path, folder: Path) -> Path:
    """The same for CTranslate2."""
    from ctranslate2.converters import TransformersConverter

    copied = ["tokenizer.json", "preprocessor_config.json"]
    TransformersConverter(str(whisper), copy_files=copied).convert(str(folder))
    return folder
