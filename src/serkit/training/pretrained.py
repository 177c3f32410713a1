"""Pretrained transformers of the library `transformers`: by id or from a folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from serkit.errors import MissingExtraError, ModelError
from serkit.hub import Repository, name_of, opened
from serkit.text import one_line, printable, shortened, shown

if TYPE_CHECKING:
    from torch import nn

PAPER_ENCODERS: Mapping[str, str] = {
    "roberta-base": "FacebookAI/roberta-base",
    "mobilebert": "google/mobilebert-uncased",
    "bert-medium": "google/bert_uncased_L-8_H-512_A-8",
    "bert-tiny": "google/bert_uncased_L-2_H-128_A-2",
}
"""Hub ids of the four encoders of Pandelea et al. (2021), section 3.1, by the names there."""


@dataclass(frozen=True, slots=True, eq=False)
class Pretrained:
    """A pretrained transformer.

    Attributes:
        name: Name for people: the id, or the name of the folder.
        transformer: The model, in evaluation mode.
        tokenizer: A `tokenizers.Tokenizer`.
        pad_token: The padding token.
        licence: Licence on its model card; empty if unknown.
    """

    name: str
    transformer: nn.Module
    tokenizer: Any
    pad_token: str
    licence: str

    @property
    def width(self) -> int:
        """Width of a layer."""
        return int(self.config.hidden_size)

    @property
    def n_layers(self) -> int:
        """Number of layers, without the embeddings of the tokens."""
        return int(self.config.num_hidden_layers)

    @property
    def config(self) -> Any:
        """Its configuration."""
        return self.transformer.config

    def padded_tokenizer(self, max_tokens: int) -> Any:
        """The tokenizer with padding and truncation on the right."""
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_str(self.tokenizer.to_str())
        tokenizer.enable_truncation(max_tokens, strategy="longest_first", direction="right")
        tokenizer.enable_padding(
            direction="right",
            length=max_tokens,
            pad_id=tokenizer.token_to_id(self.pad_token),
            pad_token=self.pad_token,
        )
        return tokenizer


def load_pretrained(id_or_folder: str) -> Pretrained:
    """Load a transformer and its tokenizer.

    Weights are read from safetensors files only, and no code of a repository is run. An id is
    downloaded from the Hugging Face hub, unless `HF_HUB_OFFLINE` is set.

    Args:
        id_or_folder: A name of `PAPER_ENCODERS`, an id on the hub, or a folder.

    Raises:
        ModelError: It cannot be loaded, its weights are pickled, or its tokenizer is not one of the
            library `tokenizers`.
        MissingExtraError: transformers or torch is not installed.
    """
    try:
        import torch
        from transformers import AutoModel, AutoTokenizer
        from transformers.utils import logging
    except ImportError as error:
        raise MissingExtraError(
            error.name or "transformers", "encoders", "loading a pretrained transformer"
        ) from error
    source = PAPER_ENCODERS.get(id_or_folder, id_or_folder)
    _refuse_pickles(source)
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    options: dict[str, Any] = {"trust_remote_code": False}
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, use_fast=True, **options)
        transformer = AutoModel.from_pretrained(
            source,
            use_safetensors=True,
            attn_implementation="eager",
            dtype=torch.float32,
            **options,
        )
    except Exception as error:  # of many types: of the hub, of safetensors, of configurations
        raise ModelError(
            f"{shown(source)} cannot be loaded as a transformer: "
            f"{shortened(printable(one_line(error)), 300)}; expected an id on the Hugging Face hub "
            f"or a folder with config.json, model.safetensors and tokenizer.json, or one of "
            f"{', '.join(PAPER_ENCODERS)}"
        ) from error
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None or tokenizer.pad_token is None:
        raise ModelError(
            f"{shown(source)} has no tokenizer with padding that the library tokenizers reads; "
            "expected one such as that of BERT or RoBERTa"
        )
    name = id_or_folder if id_or_folder in PAPER_ENCODERS else name_of(source)
    return Pretrained(name, transformer.eval(), backend, str(tokenizer.pad_token), _licence(source))


def _refuse_pickles(source: str) -> None:
    folder = Path(source)
    if not folder.is_dir() or any(folder.glob("*.safetensors")):
        return
    pickled = sorted(path.name for path in folder.glob("*.bin"))
    if pickled:
        raise ModelError(
            f"{source}: the weights are pickled ({pickled[0]}), and unpickling runs code; expected "
            "model.safetensors: convert them where you trust them"
        )


def _licence(source: str) -> str:
    """The licence in the head of the model card; empty if there is none."""
    if not Path(source).is_dir():
        try:
            return opened(source, "README.md").head().licence
        except ModelError:  # no network: the licence is unknown
            return ""
    return Repository(name_of(source), Path(source)).head().licence


def save_pretrained(pretrained: Pretrained, folder: Path) -> None:
    """Write a folder that `load_pretrained` reads.

    Args:
        pretrained: The transformer.
        folder: An existing folder.

    Raises:
        OSError: The folder cannot be written.
    """
    pretrained.transformer.save_pretrained(folder, safe_serialization=True)  # type: ignore[operator]
    values = {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": pretrained.pad_token}
    (folder / "tokenizer.json").write_text(pretrained.tokenizer.to_str(), "utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps(values), "utf-8")
    if pretrained.licence:
        (folder / "README.md").write_text(f"---\nlicense: {pretrained.licence}\n---\n", "utf-8")
