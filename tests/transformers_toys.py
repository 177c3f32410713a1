"""Tiny random transformers with tokenizers, as folders like those of a hub."""

from pathlib import Path

_TEXT = """i you we they he she it am is are not no yes oh my god what why how this that so very
    really happy sad angry love hate great awful wonderful terrible joy tears hello there can't
    believe good bad day night never always mad glad sorry cry laugh smile shout . , ! ? ' : t s"""
WORDS = _TEXT.split()


def wordpiece(path: Path):
    """A WordPiece tokenizer of BERT's kind; letters are in the vocabulary, emoji are not."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

    letters = [*"abcdefghijklmnopqrstuvwxyz", *(f"##{c}" for c in "abcdefghijklmnopqrstuvwxyz")]
    names = list(dict.fromkeys(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS, *letters]))
    vocabulary = {name: i for i, name in enumerate(names)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        special_tokens=[("[CLS]", vocabulary["[CLS]"]), ("[SEP]", vocabulary["[SEP]"])],
    )
    tokenizer.save(str(path))
    return len(names)


def make_bert(folder: Path, *, hidden: int = 32, layers: int = 2, seed: int = 0) -> Path:
    """A random BERT, as a folder with safetensors."""
    import torch
    from transformers import BertConfig, BertModel

    folder.mkdir(parents=True, exist_ok=True)
    size = wordpiece(folder / "tokenizer.json")
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=size,
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=2,
        intermediate_size=2 * hidden,
        max_position_embeddings=64,
        initializer_range=0.2,
    )
    BertModel(config).save_pretrained(folder)
    (folder / "tokenizer_config.json").write_text(
        '{"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "[PAD]"}'
    )
    (folder / "README.md").write_text("---\nlicense: mit\n---\nToy.\n")
    return folder


def make_hubert(folder: Path, *, group_norm: bool = True, seed: int = 0) -> Path:
    """A random HuBERT with DistilHuBERT's layers, but narrow, as a folder with safetensors."""
    import torch
    from transformers import HubertConfig, HubertModel

    torch.manual_seed(seed)
    config = HubertConfig(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        conv_dim=(16,) * 7,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=4,
        feat_extract_norm="group" if group_norm else "layer",
        feat_proj_layer_norm=False,
        layerdrop=0.0,
        initializer_range=0.1,
    )
    HubertModel(config).save_pretrained(folder)
    return folder
