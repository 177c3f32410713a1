"""Recipes of networks on log-mel and text: everything that determines a model, as data."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from serkit.audio import MAX_WINDOW_S, SAMPLE_RATE
from serkit.codec import N_QUALITIES
from serkit.errors import RecipeError
from serkit.runtime import TextEncoder
from serkit.training.recipe import Data, Optimiser, Text
from serkit.training.speech.recipe import RecordingsRecipe, WaveformAugmentation

Width = Annotated[int, Field(ge=2, le=4096, multiple_of=2)]


class Coding(Data):
    """How log-mel was sent: one mode of the codec, or none.

    Attributes:
        svd: Ratio r/k of the mode `svd`: AMSER's compression rate.
        basis: Quality of the mode `basis`, 0 (fewest bits) to 15.
    """

    svd: float | None = Field(default=None, gt=0.0, le=1.0)
    basis: int | None = Field(default=None, ge=0, lt=N_QUALITIES)

    @model_validator(mode="after")
    def _one_mode(self) -> Self:
        if self.svd is not None and self.basis is not None:
            raise ValueError("both svd and basis are given; choose one")
        return self

    @property
    def name(self) -> str:
        """Such as `svd 12.5 %`, `basis 4` or `uncoded`."""
        if self.svd is not None:
            return f"svd {100 * self.svd:g} %"
        return "uncoded" if self.basis is None else f"basis {self.basis}"


class Spectrograms(Data):
    """The log-mel that a network is trained and tested on.

    Attributes:
        max_s: Length in seconds after which a recording is cut off; also the length of the windows
            of a long one in use.
        codings: Codings of the training recordings; each is drawn with equal probability at each
            step.
        tested: Coding of the validation and test recordings; the first of `codings` if None.
        augmentation: Changes of the sound before the coding; None for none.
        copies: Changed copies of each training recording, beside the recording itself, drawn as
            often as it.
    """

    max_s: float = Field(default=8.0, ge=0.5, le=MAX_WINDOW_S)
    codings: tuple[Coding, ...] = Field(default=(Coding(),), min_length=1, max_length=64)
    tested: Coding | None = None
    augmentation: WaveformAugmentation | None = None
    copies: int = Field(default=0, ge=0, le=16)

    @model_validator(mode="after")
    def _copies_differ(self) -> Self:
        if (self.augmentation is None) != (self.copies == 0):
            raise ValueError("augmentation needs copies, and copies need augmentation: give both")
        return self

    @property
    def test_coding(self) -> Coding:
        """The coding of the validation and test recordings."""
        return self.tested or self.codings[0]

    @property
    def variants(self) -> tuple[tuple[Coding, int], ...]:
        """Each coding and number of a copy, 0 for the recording itself."""
        return tuple((coding, copy) for copy in range(1 + self.copies) for coding in self.codings)

    @property
    def max_samples(self) -> int:
        """`max_s` in samples."""
        return round(self.max_s * SAMPLE_RATE)


class Fusion(Data):
    """The network; see `serkit.networks.fusion`. What its kind does not have is left out.

    Attributes:
        kind: `amser`; its peers `umons`, `xu`, `yoon-dual` and `yoon-multihop`; or `acoustic`,
            AMSER's acoustic branch alone.
        channels: Output channels of each Conv-BatchNorm-ReLU block (`amser`, `acoustic`).
        stride: Frames that are averaged to one, first of all; by default 1 for `amser` and
            `acoustic`, 8 for `umons`, 4 for the others.
        width: Width of all layers.
        heads: Attention heads (`amser`, `umons`).
        layers: Layers of attention (`amser`, `umons`).
        dropout: Probability of dropping an output of a layer.
        missing_speech: Probability of leaving out the speech of a recording in a training step.
        missing_text: Probability of leaving out its text; never both.
    """

    kind: Literal["acoustic", "amser", "umons", "xu", "yoon-dual", "yoon-multihop"] = "amser"
    channels: tuple[Annotated[int, Field(ge=1, le=1024)], ...] | None = Field(
        default=None, min_length=1, max_length=6
    )
    stride: int | None = Field(default=None, ge=1, le=64)
    width: Width = 256
    heads: int | None = Field(default=None, ge=1, le=64)
    layers: int | None = Field(default=None, ge=1, le=32)
    dropout: float = Field(default=0.1, ge=0.0, lt=1.0)
    missing_speech: float = Field(default=0.0, ge=0.0, lt=1.0)
    missing_text: float = Field(default=0.0, ge=0.0, lt=1.0)

    @model_validator(mode="after")
    def _fits_the_kind(self) -> Self:
        attends = self.kind in ("amser", "umons")
        convolves = self.kind in ("amser", "acoustic")
        for name, fits in (
            ("channels", convolves),
            ("heads", attends),
            ("layers", attends),
        ):
            if getattr(self, name) is not None and not fits:
                raise ValueError(f"{self.kind} has no {name}: leave it out")
        if self.heads is not None and self.width % self.heads:
            raise ValueError(f"width is {self.width}; expected a multiple of heads, {self.heads}")
        if self.missing_speech + self.missing_text > 1.0:
            raise ValueError("missing_speech and missing_text are above 1 together")
        if self.kind == "acoustic" and (self.missing_speech or self.missing_text):
            raise ValueError("acoustic has speech alone: leave missing_speech and missing_text out")
        return self

    @property
    def sizes(self) -> dict[str, Any]:
        """The given arguments of the network's class."""
        left_out = {"kind"}
        if self.kind == "acoustic":
            left_out |= {"missing_speech", "missing_text"}
        return self.model_dump(exclude=left_out, exclude_none=True)


class FusionRecipe(RecordingsRecipe):
    """A training recipe of a network on log-mel and text.

    Attributes:
        fusion: The network.
        log_mel: The log-mel.
        text: The text; None for the kind `acoustic` only.
        optimiser: The training of the weights, without mixup.
    """

    fusion: Fusion
    log_mel: Spectrograms = Spectrograms()
    text: Text = None
    optimiser: Optimiser = Optimiser()

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> Self:
        if (self.text is None) != (self.fusion.kind == "acoustic"):
            raise ValueError("text is needed by every kind but acoustic, which takes none")
        if self.text is not None and self.text.context:
            raise ValueError("text.context is for recipes of text alone: set it to 0")
        if self.optimiser.mixup:
            raise ValueError("optimiser.mixup is not for sequences of two kinds: set it to 0")
        return self

    def bound_to(self, encoder: TextEncoder | None) -> FusionRecipe:
        """The recipe with the encoder of its text.

        Args:
            encoder: The encoder; None for a recipe without text.

        Raises:
            RecipeError: There is text and no encoder, or the other way round.
        """
        if self.text is None:
            if encoder is not None:
                raise RecipeError(f"the recipe {self.name} takes no text; leave the encoder out")
            return self
        if encoder is None:
            if self.text.bound:
                return self
            raise RecipeError(
                f"the recipe {self.name} takes text: give the folder of an encoder, with "
                "--encoder FOLDER (serkit encoder export makes one)"
            )
        return self.model_copy(update={"text": encoder.recipe(speaker=self.text.speaker)})
