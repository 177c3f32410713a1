"""Text encoders: a folder with an ONNX graph, a tokenizer and their description.

A folder holds `encoder.json` (the description), `encoder.onnx` (token ids in, one vector out) and
`tokenizer.json` (of the library `tokenizers`, with padding and truncation). It is made by
`serkit encoder export`, and read with ONNX Runtime and `tokenizers`, without torch.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serkit.errors import MissingExtraError, ModelError
from serkit.files import lies_within, read_bounded
from serkit.plain import from_json, is_int
from serkit.runtime.onnx_session import OnnxSession
from serkit.runtime.text_input import MAX_TOKENS, MAX_WIDTH, TextRecipe, is_digest
from serkit.text import one_line, printable, shortened, shown

Array = NDArray[np.float32]

DESCRIPTION, GRAPH, TOKENIZER = "encoder.json", "encoder.onnx", "tokenizer.json"
INPUTS, OUTPUT = ("input_ids", "attention_mask"), "embedding"

FORMAT, VERSION = "serkit-encoder", 1
POOLINGS = ("mean", "cls")
PRECISIONS = ("fp32", "fp16", "int8")

MAX_DESCRIPTION_BYTES = 64 << 10
MAX_TOKENIZER_BYTES = 32 << 20
MAX_GRAPH_BYTES = 1 << 30

MAX_CHARACTERS = 4096
"""Characters of a text that are tokenised; the rest is cut off first."""

_EXTRA = "text"
_SURROGATES = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class EncoderDescription:
    """The description of an encoder.

    Attributes:
        name: Name, such as the id of the pretrained model.
        width: Width of the embeddings.
        pooling: `mean` over the tokens, or `cls` for the first token.
        layers: Layers whose pooled outputs are concatenated, -1 for the last.
        max_tokens: Tokens of a text that are used; shorter texts are padded to it.
        precision: `fp32`, `fp16` (weights) or `int8` (weights and activations).
        licence: Licence of the weights.
        graph_sha256: SHA-256 of `encoder.onnx`.
        tokenizer_sha256: SHA-256 of `tokenizer.json`.
    """

    name: str
    width: int
    pooling: str
    layers: tuple[int, ...]
    max_tokens: int
    precision: str
    licence: str
    graph_sha256: str
    tokenizer_sha256: str

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        values = asdict(self) | {"layers": list(self.layers)}
        return {"format": FORMAT, "version": VERSION, **values}

    @property
    def digest(self) -> str:
        """SHA-256 of the description, which names the content of the folder."""
        text = json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    @classmethod
    def from_dict(cls, values: object) -> EncoderDescription:
        """The description that `to_dict` wrote.

        Raises:
            ModelError: A value is missing, unknown or invalid.
        """
        if not isinstance(values, Mapping) or values.get("format") != FORMAT:
            raise ModelError(f"it is {shown(values)}; expected the description of an encoder")
        if type(values.get("version")) is not int or values["version"] != VERSION:
            raise ModelError(
                f"format version {shown(values.get('version'), 40)}; this serkit reads version "
                f"{VERSION}: export the encoder again"
            )
        expected = {f.name for f in fields(cls)}
        found = set(values) - {"format", "version"}
        if found != expected:
            raise ModelError(
                f"it has the keys {shortened(', '.join(sorted(map(repr, found))), 300)}; expected "
                f"{', '.join(sorted(expected))}"
            )

        def require(key: str, valid: bool, wanted: str) -> None:
            if not valid:
                raise ModelError(f"{key} is {shown(values[key], 80)}; expected {wanted}")

        layers = values["layers"]
        require("name", _is_text(values["name"], 1, 200), "a name")
        require("licence", _is_text(values["licence"], 0, 20_000), "a text")
        require("width", is_int(values["width"], 1, MAX_WIDTH), f"1 to {MAX_WIDTH}")
        tokens = values["max_tokens"]
        require("max_tokens", is_int(tokens, 2, MAX_TOKENS), f"2 to {MAX_TOKENS}")
        require("pooling", values["pooling"] in POOLINGS, f"one of {', '.join(POOLINGS)}")
        require("precision", values["precision"] in PRECISIONS, f"one of {', '.join(PRECISIONS)}")
        require(
            "layers",
            isinstance(layers, list)
            and 1 <= len(layers) <= 64
            and all(is_int(layer, -64, 64) for layer in layers),
            "1 to 64 numbers of layers",
        )
        for key in ("graph_sha256", "tokenizer_sha256"):
            require(key, is_digest(values[key]), "64 hexadecimal digits")
        return cls(**{key: values[key] for key in expected} | {"layers": tuple(layers)})


class TextEncoder:
    """A loaded encoder: texts in, vectors out. It may be called from several threads.

    Args:
        description: Its description.
        tokenizer: A `tokenizers.Tokenizer` with padding and truncation.
        session: Its graph.
        file_bytes: Size of the folder.
    """

    def __init__(
        self,
        description: EncoderDescription,
        tokenizer: Any,
        session: OnnxSession,
        file_bytes: int = 0,
    ) -> None:
        self.description = description
        self.file_bytes = file_bytes
        self._tokenizer = tokenizer
        self._session = session

    def __repr__(self) -> str:
        return f"TextEncoder({self.name!r}, width={self.width})"

    @classmethod
    def load(cls, folder: str | os.PathLike[str], *, threads: int = 1) -> TextEncoder:
        """Read the folder of an encoder.

        Args:
            folder: A folder written by `serkit encoder export`.
            threads: Threads of the computation.

        Raises:
            ModelError: A file is missing, too large, damaged, or not the one described.
            MissingExtraError: `tokenizers` or `onnxruntime` is not installed.
        """
        root = Path(folder)
        try:
            described = from_json(_read(root / DESCRIPTION, MAX_DESCRIPTION_BYTES))
            description = EncoderDescription.from_dict(described)
        except ModelError as error:
            raise ModelError(f"{root / DESCRIPTION}: {error}") from error
        except ValueError as error:
            raise ModelError(f"{root / DESCRIPTION}: {error}; export the encoder again") from error
        vocabulary = _verified(root / TOKENIZER, MAX_TOKENIZER_BYTES, description.tokenizer_sha256)
        graph = _verified(root / GRAPH, MAX_GRAPH_BYTES, description.graph_sha256)
        size = description.max_tokens
        try:
            tokenizer = _tokenizer(vocabulary, size)
        except ModelError as error:
            raise ModelError(f"{root / TOKENIZER}: {error}") from error
        try:
            session = OnnxSession(
                graph,
                inputs=dict.fromkeys(INPUTS, (None, size)),
                outputs={OUTPUT: (None, description.width)},
                extra=_EXTRA,
                threads=threads,
            )
        except ModelError as error:
            raise ModelError(f"{root / GRAPH}: {error}") from error
        n_bytes = len(vocabulary) + len(graph) + (root / DESCRIPTION).stat().st_size
        return cls(description, tokenizer, session, n_bytes)

    @property
    def name(self) -> str:
        """Name of the encoder."""
        return self.description.name

    @property
    def width(self) -> int:
        """Width of the embeddings."""
        return self.description.width

    @property
    def max_tokens(self) -> int:
        """Tokens of a text that are used."""
        return self.description.max_tokens

    @property
    def digest(self) -> str:
        """Digest of its description."""
        return self.description.digest

    def recipe(self, *, context: int = 0, speaker: bool = False) -> TextRecipe:
        """The input of a model that uses this encoder."""
        return TextRecipe(self.name, self.digest, self.width, self.max_tokens, context, speaker)

    def encode(self, texts: Sequence[str]) -> Array:
        """Embed texts.

        Each text is run alone, so that an embedding does not depend on the other texts, to the last
        bit.

        Args:
            texts: Texts. Of a long one, the first 4096 characters are tokenised, and the first
                `max_tokens` tokens used. An empty one has an embedding too.

        Returns:
            Shape `[n, width]`, float32; equal texts have equal embeddings.

        Raises:
            ModelError: The encoder fails, or its output is not finite.
        """
        distinct = {text: self._embedding(text) for text in dict.fromkeys(texts)}
        if not distinct:
            return np.zeros((0, self.width), np.float32)
        return np.stack([distinct[text] for text in texts])

    def tokens(self, text: str) -> Tokens:
        """The tokens of a text.

        Raises:
            ModelError: The tokenizer fails.
        """
        try:
            found = self._tokenizer.encode(_clean(text))
        except BaseException as error:
            raise _failure(error) from error
        unknown = sum(self._is_unknown(token) for token in found.tokens)
        special = sum(found.special_tokens_mask)
        return Tokens(
            np.array([found.ids], np.int64),
            np.array([found.attention_mask], np.int64),
            is_cut=bool(found.overflowing) or len(text) > MAX_CHARACTERS,
            unknown_share=unknown / max(1, len(found.ids) - special),
        )

    def _embedding(self, text: str) -> Array:
        tokens = self.tokens(text)
        (rows,) = self._session.run(input_ids=tokens.ids, attention_mask=tokens.mask)
        embedding: Array = rows[0]
        if not np.isfinite(embedding).all():
            raise ModelError(
                f"the embedding of {shown(text, 80)} is not finite: the weights of {self.name} "
                "overflow; export it again with another precision"
            )
        return embedding

    def _is_unknown(self, token: str) -> bool:
        unknown = getattr(self._tokenizer.model, "unk_token", None)
        return unknown is not None and token == unknown


@dataclass(frozen=True, slots=True, eq=False)
class Tokens:
    """The tokens of a text, padded.

    Attributes:
        ids: Shape `[1, max_tokens]`, int64.
        mask: 1 for tokens of the text, 0 for padding, shape `[1, max_tokens]`, int64.
        is_cut: Whether the text has more tokens.
        unknown_share: Share of its tokens that are not in the vocabulary.
    """

    ids: NDArray[np.int64]
    mask: NDArray[np.int64]
    is_cut: bool
    unknown_share: float


def _tokenizer(content: bytes, size: int) -> Any:
    """A tokenizer that pads and truncates to `size` tokens.

    Raises:
        ModelError: The content is malformed, has regular expressions, whose matching time has no
            bound, or pads and truncates otherwise.
    """
    try:
        from tokenizers import Tokenizer
    except ImportError:
        raise MissingExtraError("tokenizers", _EXTRA, "reading text") from None
    try:
        values = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"not JSON: {shortened(str(error), 200)}") from error
    if _has_regex(values):
        raise ModelError(
            "the tokenizer has a regular expression, whose matching time has no bound; expected "
            "one without, such as that of BERT or RoBERTa"
        )
    try:
        # What was checked, not the content, in which a key may occur twice.
        tokenizer = Tokenizer.from_str(json.dumps(values))
    except BaseException as error:
        raise _failure(error) from error
    padding, truncation = tokenizer.padding or {}, tokenizer.truncation or {}
    if (padding.get("length"), padding.get("direction")) != (size, "right") or (
        truncation.get("max_length"),
        truncation.get("direction"),
        truncation.get("strategy"),
    ) != (size, "right", "longest_first"):
        raise ModelError(
            f"padding is {shown(padding)} and truncation {shown(truncation)}; expected {size} "
            "tokens, on the right: export the encoder again"
        )
    return tokenizer


def _has_regex(values: object) -> bool:
    waiting = [values]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            if isinstance(value.get("Regex"), str):
                return True
            waiting += [one for one in value.values() if isinstance(one, dict | list)]
        elif isinstance(value, list):
            waiting += [one for one in value if isinstance(one, dict | list)]
    return False


def _failure(error: BaseException) -> BaseException:
    """The error to raise for one of `tokenizers`, whose panics are no `Exception`."""
    if isinstance(error, KeyboardInterrupt | SystemExit | MemoryError):
        return error
    return ModelError(f"the tokenizer fails: {shortened(printable(one_line(error)), 300)}")


def _clean(text: str) -> str:
    """The part of a text that is tokenised, without lone surrogates, which are not Unicode."""
    return _SURROGATES.sub("\ufffd", text[:MAX_CHARACTERS])


def _read(path: Path, most: int) -> bytes:
    if not lies_within(path, path.parent):
        raise ModelError("is a link out of the folder; expected a file")
    try:
        return read_bounded(path, most)
    except OSError as error:
        raise ModelError(
            f"{error.strerror or error}; expected the folder of an encoder, as written by serkit "
            "encoder export"
        ) from error


def _verified(path: Path, most: int, sha256: str) -> bytes:
    try:
        content = _read(path, most)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise ModelError(
            f"{path}: its SHA-256 is {found[:16]}..., but {DESCRIPTION} says {sha256[:16]}...; "
            "get a fresh copy of the folder, or export the encoder again"
        )
    return content


def _is_text(value: object, shortest: int, longest: int) -> bool:
    return isinstance(value, str) and shortest <= len(value) <= longest
