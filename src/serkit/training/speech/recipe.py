"""Recipes of networks on waveforms: everything that determines a model, as data."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from serkit.adaptation import HoldOut
from serkit.audio import MAX_WINDOW_S, SAMPLE_RATE
from serkit.text import shortened
from serkit.training.recipe import Acceptance, Data

MIN_CLIP_S = 0.1
"""Shortest input; shorter recordings are padded with silence."""


class Preprocessing(Data):
    """Preprocessing of recordings, in this order; Ismail, III.B.

    Attributes:
        trim_db: Leading and trailing stretches that are quieter than the loudest frame by this are
            removed; None to keep them.
        pre_emphasis: Coefficient of the pre-emphasis filter; 0 for none.
        peak: Largest magnitude after scaling; None for no scaling.
        max_s: Length in seconds after which a recording is cut off; also the length of the windows
            of a long one in use.
    """

    trim_db: float | None = Field(default=20.0, gt=0.0, le=120.0)
    pre_emphasis: float = Field(default=0.97, ge=0.0, lt=1.0)
    peak: float | None = Field(default=0.95, gt=0.0, le=1.0)
    max_s: float = Field(default=8.0, ge=0.5, le=MAX_WINDOW_S)

    @property
    def max_samples(self) -> int:
        """`max_s` in samples."""
        return round(self.max_s * SAMPLE_RATE)


class WaveformAugmentation(Data):
    """Random changes of the training recordings, drawn anew in every epoch; Ismail, III.B.

    Each change is applied with `probability`, in the order of the attributes, after preprocessing.

    Attributes:
        gain_db: Range of the gain in dB; None for none.
        noise: Range of the amplitude of Gaussian noise; None for none.
        snr_db: Range of the signal-to-noise ratio of Gaussian noise in dB; None for none.
        pitch_semitones: Largest shift of the pitch in semitones, up or down; 0 for none.
        stretch: Largest factor of a change of tempo at the same pitch, up or down; 1 for none.
        polarity: Whether to invert the polarity.
        probability: Probability of each change.
    """

    gain_db: tuple[float, float] | None = (-18.0, 6.0)
    noise: tuple[float, float] | None = (0.001, 0.015)
    snr_db: tuple[float, float] | None = None
    pitch_semitones: float = Field(default=2.0, ge=0.0, le=12.0)
    stretch: float = Field(default=1.0, ge=1.0, le=2.0)
    polarity: bool = True
    probability: float = Field(default=0.5, gt=0.0, le=1.0)

    @model_validator(mode="after")
    def _ranges(self) -> Self:
        for name, pair, low, high in (
            ("gain_db", self.gain_db, -120.0, 40.0),
            ("noise", self.noise, 1e-6, 1.0),
            ("snr_db", self.snr_db, -20.0, 100.0),
        ):
            if pair is not None and not low <= pair[0] <= pair[1] <= high:
                raise ValueError(f"{name} is {list(pair)}; expected a range in {low:g} to {high:g}")
        return self


class Transformer(Data):
    """A pretrained transformer of the HuBERT family: HuBERT, wav2vec 2.0, WavLM or UniSpeech.

    Attributes:
        kind: `transformer`.
        source: Id on the Hugging Face hub, or a folder; weights are read from safetensors only.
        frozen: Parts that are not trained: `convolutions`, as in the paper, `all`, or `none`.
    """

    kind: Literal["transformer"]
    source: str = Field(min_length=1, max_length=1000)
    frozen: Literal["convolutions", "all", "none"] = "convolutions"


class LogMelNetwork(Data):
    """A small network on log-mel, trained from scratch; see `serkit.networks.LogMelEncoder`.

    Attributes:
        kind: `log-mel`.
        n_mels: Mel bands.
        hop: Samples between frames.
        range_db: Dynamic range of the levels.
        width: Width of the blocks, a multiple of `heads`.
        blocks: Number of blocks.
        heads: Attention heads.
        kernel: Frames that a depthwise convolution sees; odd.
        dropout: Probability of dropping an output of a layer of a block.
        response_db: Standard deviation of the random frequency response that a recording is
            filtered with in training; 0 for none.
        masked_bands: Width of the masked band of mel bins, at most; 0 for none.
        masked_frames: Length of each of two masked stretches of frames, at most; 0 for none.
    """

    kind: Literal["log-mel"]
    n_mels: int = Field(default=64, ge=8, le=128)
    hop: int = Field(default=256, ge=80, le=512)
    range_db: float = Field(default=40.0, ge=10.0, le=100.0)
    width: int = Field(default=96, ge=8, le=1024)
    blocks: int = Field(default=3, ge=1, le=16)
    heads: int = Field(default=4, ge=1, le=16)
    kernel: int = Field(default=15, ge=1, le=63)
    dropout: float = Field(default=0.1, ge=0.0, lt=1.0)
    response_db: float = Field(default=0.0, ge=0.0, le=20.0)
    masked_bands: int = Field(default=0, ge=0, le=64)
    masked_frames: int = Field(default=0, ge=0, le=400)

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.width % self.heads:
            raise ValueError(f"width is {self.width}; expected a multiple of heads, {self.heads}")
        if self.kernel % 2 == 0:
            raise ValueError(f"kernel is {self.kernel}; expected an odd number of frames")
        return self


class Head(Data):
    """The layers on the pooled frames.

    Attributes:
        hidden: Width of a linear projection before the last layer, as in the classifiers of
            `transformers`; None for none.
        dropout: Probability of dropping an input of a layer.
    """

    hidden: int | None = Field(default=None, ge=1, le=8192)
    dropout: float = Field(default=0.1, ge=0.0, lt=1.0)


class Schedule(Data):
    """AdamW with warm-up and a cosine; defaults of Ismail, III.D.

    Attributes:
        learning_rate: Peak of the learning rate.
        warm_up: Share of the steps over which the learning rate rises linearly; it then falls along
            half a cosine to 0 at the end of `max_epochs`.
        weight_decay: Decoupled weight decay; not of biases and normalisation.
        batch_size: Recordings per step, over all processes.
        max_epochs: Maximum number of epochs.
        patience: Epochs without better validation UA before stopping, with the best weights; None
            trains for all epochs and keeps the last weights.
        clip_norm: Largest norm of the gradient.
        mixed_precision: Compute the network in bfloat16; parameters stay in float32.
    """

    learning_rate: float = Field(default=5e-5, gt=0.0, le=1.0)
    warm_up: float = Field(default=0.1, ge=0.0, lt=1.0)
    weight_decay: float = Field(default=0.01, ge=0.0)
    batch_size: int = Field(default=16, ge=1, le=4096)
    max_epochs: int = Field(default=25, ge=1, le=10_000)
    patience: int | None = Field(default=6, ge=1)
    clip_norm: float = Field(default=1.0, gt=0.0)
    mixed_precision: bool = False


class Loss(Data):
    """The adaptive focal loss; see `serkit.training.speech.loss`.

    Attributes:
        gamma: Focusing parameter; 0 for cross-entropy.
        class_weights: `balanced`, the number of recordings over that of the class and over the
            number of classes; or `none`.
        label_smoothing: Share of the target distributed over all classes.
    """

    gamma: float = Field(default=2.0, ge=0.0, le=10.0)
    class_weights: Literal["balanced", "none"] = "balanced"
    label_smoothing: float = Field(default=0.1, ge=0.0, lt=1.0)


class Distillation(Data):
    """Learning from the probabilities of a teacher; Hinton et al. (2015).

    Attributes:
        temperature: Temperature of the soft targets, and of the student beside them.
        weight: Weight of the soft targets; that of the labels is the rest.
    """

    temperature: float = Field(default=2.0, gt=0.0, le=100.0)
    weight: float = Field(default=0.5, gt=0.0, le=1.0)


class RecordingsRecipe(Data):
    """What recipes of networks on whole recordings have in common.

    Attributes:
        name: Name of the model.
        source: Paper and table it reproduces; empty if there is none.
        corpora: Names of the corpora that are split by protocols.
        anchors: Names of the corpora that are in the training part of every split only.
        labels: The classes; recordings with other labels are ignored.
        merges: Classes to rename first, such as excited to happy.
        validation: As in `serkit.training.Recipe`.
        validation_share: As in `serkit.training.Recipe`.
        acceptance: Protocols whose figures the card shows.
    """

    name: str = Field(min_length=1)
    source: str = ""
    corpora: tuple[str, ...] = Field(min_length=1)
    anchors: tuple[str, ...] = ()
    labels: tuple[Annotated[str, Field(min_length=1)], ...] = Field(min_length=2)
    merges: dict[str, str] = Field(default_factory=dict)
    validation: Literal["speaker", "session", "utterance"] = "speaker"
    validation_share: float = Field(default=0.15, gt=0.0, lt=1.0)
    acceptance: tuple[Acceptance, ...] = ()

    @model_validator(mode="after")
    def _names_fit_together(self) -> Self:
        if len(set(self.labels)) < len(self.labels):
            named = ", ".join(map(repr, self.labels))
            raise ValueError(f"labels are {shortened(named, 200)}; expected distinct names")
        for old, new in self.merges.items():
            if new not in self.labels or old in self.labels:
                raise ValueError(
                    f"merges has {shortened(f'{old}: {new}', 100)}; expected another label to be "
                    "renamed to one of labels"
                )
        both = sorted(set(self.corpora) & set(self.anchors))
        if both:
            raise ValueError(f"{', '.join(both)} is both in corpora and in anchors; choose one")
        return self

    @property
    def hold_out(self) -> HoldOut:
        """The choice of the validation part."""
        return HoldOut(self.validation, self.validation_share)

    def on_card(self) -> dict[str, Any]:
        """As plain JSON values, without defaults."""
        return self.model_dump(mode="json", exclude_defaults=True)

    def to_dict(self) -> dict[str, Any]:
        """The recipe as plain JSON values."""
        return self.model_dump(mode="json")


class SpeechRecipe(RecordingsRecipe):
    """A training recipe of a network on waveforms.

    Attributes:
        encoder: The encoder.
        head: The head.
        preprocessing: Preprocessing of recordings.
        augmentation: Augmentation of the training recordings; None for none.
        optimiser: The training of the weights.
        loss: The loss.
        distillation: Weight and temperature of a teacher's soft targets, if a teacher is given.
    """

    encoder: Annotated[Transformer | LogMelNetwork, Field(discriminator="kind")]
    head: Head = Head()
    preprocessing: Preprocessing = Preprocessing()
    augmentation: WaveformAugmentation | None = None
    optimiser: Schedule = Schedule()
    loss: Loss = Loss()
    distillation: Distillation = Distillation()
