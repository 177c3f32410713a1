"""Training recipes: everything that determines a model, as data."""

from __future__ import annotations

import difflib
import os
from importlib.resources import files
from importlib.resources.abc import Traversable
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    PlainSerializer,
    PlainValidator,
    Tag,
    ValidationError,
    model_validator,
)

from serkit.adaptation import HoldOut
from serkit.adaptation.checks import MAX_SEED
from serkit.adaptation.pca import MAX_WIDTH
from serkit.audio import MAX_WINDOW_S, MIN_WINDOW_S, WINDOW_S
from serkit.errors import RecipeError
from serkit.features import FeatureRecipe, LogMelRecipe
from serkit.files import read_bounded
from serkit.plain import from_yaml
from serkit.runtime import (
    GRU,
    LSTM,
    MAX_PARAMETERS,
    Convolution,
    Dense,
    ModelCard,
    TextEncoder,
    WeightedLayer,
)
from serkit.runtime.inputs import kind_of
from serkit.runtime.text_input import TextRecipe
from serkit.text import shortened, shown
from serkit.training.augmentation import Augmentation

MAX_BYTES = 1 << 20
"""Size of a recipe's file, at most."""

_MAX_PROBLEMS = 5


def _features(value: Any) -> FeatureRecipe | None:
    known = value is None or isinstance(value, FeatureRecipe)
    return value if known else FeatureRecipe.from_dict(value)


def _log_mel(value: Any) -> LogMelRecipe | None:
    known = value is None or isinstance(value, LogMelRecipe)
    return value if known else LogMelRecipe.from_dict(value)


def _text(value: Any) -> TextRecipe | None:
    if value is None or isinstance(value, TextRecipe):
        return value
    if isinstance(value, dict) and not set(value) - {"context", "speaker"}:
        return TextRecipe.any_encoder(value.get("context", 0), value.get("speaker", False))
    return TextRecipe.from_dict(value)


def _plain(recipe: FeatureRecipe | LogMelRecipe | TextRecipe | None) -> dict[str, Any] | None:
    return None if recipe is None else recipe.to_dict()


def _plain_text(recipe: TextRecipe | None) -> dict[str, Any] | None:
    if recipe is None or recipe.bound:
        return _plain(recipe)
    return {"context": recipe.context, "speaker": recipe.speaker}


Features = Annotated[FeatureRecipe | None, PlainValidator(_features), PlainSerializer(_plain)]
LogMel = Annotated[LogMelRecipe | None, PlainValidator(_log_mel), PlainSerializer(_plain)]
Text = Annotated[TextRecipe | None, PlainValidator(_text), PlainSerializer(_plain_text)]


class Data(BaseModel):
    """A frozen model that refuses unknown keys and numbers that are not finite."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


AnyData = TypeVar("AnyData", bound=Data)

_HIDDEN_LAYERS: dict[str, type[WeightedLayer]] = {
    "mlp": Dense,
    "cnn": Convolution,
    "lstm": LSTM,
    "attention-gru": GRU,
}


class Network(Data):
    """The network.

    Attributes:
        family: `mlp` on functionals; `cnn`, `lstm` or `attention-gru` on frames.
        hidden: Widths of the hidden layers; an `mlp` without any is a linear classifier.
        activation: Activation of the hidden layers of an `mlp`, `relu` or `tanh`.
        kernel: Kernel of the convolutions of a `cnn` in frames, odd.
        stride: Stride of the convolutions of a `cnn` in frames.
        dropout: Probability of dropping a hidden unit.
        input_dropout: Probability of dropping a feature.
    """

    family: Literal["mlp", "cnn", "lstm", "attention-gru"] = "mlp"
    hidden: tuple[Annotated[int, Field(ge=1, le=8192)], ...] = Field(max_length=32)
    activation: Literal["relu", "tanh"] = "relu"
    kernel: int = Field(default=5, ge=1, le=255)
    stride: int = Field(default=2, ge=1, le=255)
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0)
    input_dropout: float = Field(default=0.0, ge=0.0, lt=1.0)

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.family != "mlp" and not self.hidden:
            raise ValueError(f"{self.family} needs at least one hidden layer")
        if self.kernel % 2 == 0:
            raise ValueError(f"the kernel is {self.kernel}; expected an odd number of frames")
        return self

    def n_parameters(self, n_features: int, n_labels: int) -> int:
        """Number of weights and biases of the network, without those of attention pooling.

        Args:
            n_features: Length of the feature vector, or number of rows of the frames.
            n_labels: Number of classes.
        """
        layer = _HIDDEN_LAYERS[self.family]
        widths = [n_features, *self.hidden]
        options = {"kernel": self.kernel, "stride": self.stride}
        hidden = sum(layer.count_parameters(a, b, options) for a, b in pairwise(widths))
        return hidden + Dense.count_parameters(widths[-1], n_labels)


class Optimiser(Data):
    """Training by gradient descent.

    Attributes:
        name: `adam`, or `adamw` with decoupled weight decay.
        learning_rate: Learning rate; the peak of a `one-cycle` schedule.
        weight_decay: L2 penalty (`adam`) or decay (`adamw`).
        batch_size: Recordings per step.
        max_epochs: Maximum number of epochs.
        schedule: `constant`, or `one-cycle`: the learning rate rises over the first tenth of the
            steps and falls to nearly 0 at the end of `max_epochs`.
        patience: Epochs without improvement on the validation set before stopping, with the best
            weights; None trains for all epochs and keeps the last weights.
        monitor: Validation figure to improve: `loss` or `ua`.
        label_smoothing: Share of the target distributed over all classes.
        mixup: Parameter of the Beta distribution of mixup; 0 for no mixup.
        noise: Standard deviation of Gaussian noise added to the standardised features.
    """

    name: Literal["adam", "adamw"] = "adam"
    learning_rate: float = Field(default=1e-3, gt=0.0)
    weight_decay: float = Field(default=0.0, ge=0.0)
    batch_size: int = Field(default=32, ge=1)
    max_epochs: int = Field(default=200, ge=1)
    schedule: Literal["constant", "one-cycle"] = "constant"
    patience: int | None = Field(default=5, ge=1)
    monitor: Literal["loss", "ua"] = "loss"
    label_smoothing: float = Field(default=0.0, ge=0.0, lt=1.0)
    mixup: float = Field(default=0.0, ge=0.0)
    noise: float = Field(default=0.0, ge=0.0)


class Ridge(Data):
    """Ridge regression in closed form, for a network without hidden layers.

    Attributes:
        name: `ridge`.
        penalty: Penalty of the squared weights; see `fit_ridge`.
    """

    name: Literal["ridge"]
    penalty: float = Field(default=0.5, gt=0.0)


class ExtremeLearning(Data):
    """An extreme learning machine: a random tanh layer, then ridge regression in closed form.

    Huang, Zhu and Siew (2006); Pandelea et al. (2021), 3.2. The result has two dense layers.

    Attributes:
        name: `elm`.
        units: Units of the random layer.
        penalty: Penalty of the squared weights; see `fit_ridge`.
        scale: Standard deviation of the inputs of the units; see `serkit.adaptation.ELM`.
        seed: Seed of the random layer; None for that of the training.
    """

    name: Literal["elm"]
    units: int = Field(default=500, ge=1, le=8192)
    penalty: float = Field(default=0.01, gt=0.0)
    scale: float = Field(default=1.0, ge=1e-3, le=1e3)
    seed: int | None = Field(default=None, ge=0, le=MAX_SEED)


def _solver(value: Any) -> str:
    name = value.get("name") if isinstance(value, dict) else getattr(value, "name", None)
    return str(name) if name in ("ridge", "elm") else "gradient"


class Acceptance(Data):
    """A protocol whose figures the card shows.

    Attributes:
        protocol: Name of the protocol.
        seeds: Number of repetitions, with seeds 0, 1, ...
    """

    protocol: str
    seeds: int = Field(default=3, ge=1)


class Dimensions(Data):
    """Arousal, valence and dominance, learned after the network by ridge regression.

    Attributes:
        names: The dimensions.
        corpora: Names of corpora with ratings of them; their labels do not matter.
        penalties: Candidates for the penalty of the squared weights; see `fit_dimensions`.
    """

    names: tuple[Literal["arousal", "valence", "dominance"], ...] = ("arousal", "valence")
    corpora: tuple[str, ...] = Field(min_length=1)
    penalties: tuple[Annotated[float, Field(gt=0.0)], ...] = Field(
        default=(1e-4, 1e-3, 1e-2, 1e-1, 1.0), min_length=1
    )

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        if not self.names or len(set(self.names)) < len(self.names):
            named = ", ".join(self.names) or "none"
            raise ValueError(f"names are {named}; expected different dimensions")
        return self


class Quantisation(Data):
    """Quantisation of the weights; see `serkit.compression`.

    Attributes:
        bits: Bits per weight of all layers; None searches for the bits of each layer.
        search: Search by `importance`, as Shinde et al., or by `bytes` of the file.
        margin: Largest loss of validation accuracy in the search: for a layer of importance 1, or,
            in a search by bytes, for the network.
        alpha: Weight of the parameter share in a layer's importance.
        per_row: One quantisation step per output instead of one per layer.
        steps: Steps that span the `range` of the weights, or minimise the error in
            `least-squares`.
        fine_tuning: Epochs of quantisation-aware training; 0 for none.
        learning_rate: Learning rate of these epochs.
    """

    bits: int | None = Field(default=None, ge=1, le=8)
    search: Literal["importance", "bytes"] = "importance"
    margin: float = Field(default=0.02, ge=0.0, le=1.0)
    alpha: float = Field(default=0.5, ge=0.0, le=1.0)
    per_row: bool = True
    steps: Literal["range", "least-squares"] = "least-squares"
    fine_tuning: int = Field(default=0, ge=0)
    learning_rate: float = Field(default=1e-3, gt=0.0)


class Recipe(Data):
    """A training recipe.

    Attributes:
        name: Name of the model.
        source: Paper and table it reproduces; empty if there is none.
        corpora: Names of the training corpora.
        labels: The classes; recordings with other labels are ignored.
        features: The input, if it is computed from sound.
        log_mel: The input, if it is computed from log-mel.
        text: The input, if it is computed from text; exactly one of the three is given.
        window_s: Length in seconds of the windows that a long recording is cut into.
        clip: Limit of the standardised features, in magnitude; None for no limit.
        network: The network.
        optimiser: The training of the weights.
        refit: Train again on training and validation data together after calibration; for
            training without early stopping.
        balance: Weights of recordings: `none` for equal weights, `class` for classes of equal
            weight, `corpus-class` for equal weights of each class of each corpus.
        speaker_shrinkage: Strength of `shrink_speaker_variation`; 0 for none.
        pca: Number of principal components of the training features that an `mlp` is trained on,
            at most as many as features; None for the features themselves.
        augmentation: Augmented copies of the training recordings; None for no copies.
        validation: Held-out data for early stopping and calibration: whole `speaker`s; whole
            `session`s; or single `utterance`s, which makes the figures speaker-dependent.
        validation_share: Share of the training speakers or utterances held out.
        speaker_parts: Parts of the speakers that the speaker model of the card, which enrolment
            needs, is cross-validated over; 0 for no speaker model.
        precision: Type of stored weights that are not quantised.
        quantisation: Quantisation of the weights; None for no quantisation.
        dimensions: Dimensions learned beside the categories; None for none.
        acceptance: Protocols whose figures the card shows.
    """

    name: str = Field(min_length=1)
    source: str = ""
    corpora: tuple[str, ...] = Field(min_length=1)
    labels: tuple[str, ...] = Field(min_length=2)
    features: Features = None
    log_mel: LogMel = None
    text: Text = None
    window_s: float = Field(default=WINDOW_S, ge=MIN_WINDOW_S, le=MAX_WINDOW_S)
    clip: float | None = Field(default=None, gt=0.0)
    network: Network
    optimiser: Annotated[
        Annotated[Optimiser, Tag("gradient")]
        | Annotated[Ridge, Tag("ridge")]
        | Annotated[ExtremeLearning, Tag("elm")],
        Discriminator(_solver),
    ] = Optimiser()
    refit: bool = False
    balance: Literal["none", "class", "corpus-class"] = "none"
    speaker_shrinkage: float = Field(default=0.0, ge=0.0)
    pca: int | None = Field(default=None, ge=1, le=MAX_WIDTH)
    augmentation: Augmentation | None = None
    validation: Literal["speaker", "session", "utterance"] = "speaker"
    validation_share: float = Field(default=0.15, gt=0.0, lt=1.0)
    speaker_parts: int = Field(default=0, ge=0, le=100)
    precision: Literal["float16", "float32"] = "float32"
    quantisation: Quantisation | None = None
    dimensions: Dimensions | None = None
    acceptance: tuple[Acceptance, ...] = ()

    @property
    def input(self) -> FeatureRecipe | LogMelRecipe | TextRecipe:
        """The input of the model."""
        given = self.features or self.log_mel or self.text
        if given is None:  # refused by the validation
            raise RecipeError(f"the recipe {self.name} has no input")
        return given

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if [self.features, self.log_mel, self.text].count(None) != 2:
            raise ValueError("expected exactly one of features, log_mel and text")
        if self.dimensions and self.text is not None:
            raise ValueError(
                "dimensions are learned from sound: leave them out of a recipe of text"
            )
        if self.augmentation and self.text is not None:
            raise ValueError("augmentation is of sound: leave it out of a recipe of text")
        if self.augmentation and self.augmentation.coded and self.log_mel is None:
            raise ValueError("augmentation.coded needs log_mel: set it to 0, or use log_mel")
        if len(set(self.labels)) < len(self.labels) or not all(self.labels):
            named = ", ".join(map(repr, self.labels))
            raise ValueError(f"labels are {shortened(named, 200)}; expected distinct names")
        network = self.network
        if isinstance(self.optimiser, ExtremeLearning):
            network = Network(hidden=(self.optimiser.units,))
        n_parameters = network.n_parameters(self.input.n_features, len(self.labels))
        if n_parameters > MAX_PARAMETERS:
            raise ValueError(
                f"the network has {n_parameters} parameters; expected at most {MAX_PARAMETERS}: "
                "use narrower hidden layers or fewer features"
            )
        if self.input.per_frame != (self.network.family != "mlp"):
            raise ValueError(
                "an mlp needs functionals, the other families frames: give each descriptor "
                "functionals, or `functionals: []` to keep the frames"
            )
        if self.speaker_shrinkage and self.network.family != "mlp":
            raise ValueError("speaker_shrinkage needs an mlp: set it to 0")
        if self.pca is not None:
            if self.network.family != "mlp" or self.input.n_features > MAX_WIDTH:
                raise ValueError(
                    f"pca needs an mlp on at most {MAX_WIDTH} features: set it to null"
                )
            if self.pca > self.input.n_features:
                raise ValueError(f"pca is {self.pca}; expected at most {self.input.n_features}")
        if not isinstance(self.optimiser, Optimiser):
            if self.network != Network(hidden=()):
                raise ValueError(
                    f"{self.optimiser.name} needs a linear mlp: set hidden to [] and remove dropout"
                )
        elif self.refit and self.optimiser.patience is not None:
            raise ValueError("refit needs a fixed number of epochs: set patience to null")
        if self.speaker_parts == 1:
            raise ValueError("speaker_parts is 1; expected 0, or at least 2")
        if self.refit and self.quantisation and self.quantisation.bits is None:
            raise ValueError("refit leaves no data for a search of bits: set quantisation.bits")
        return self

    @property
    def hold_out(self) -> HoldOut:
        """The choice of the validation part."""
        return HoldOut(self.validation, self.validation_share)

    def bound_to(self, encoder: TextEncoder | None) -> Recipe:
        """The recipe with the encoder that computes its input.

        Args:
            encoder: The encoder of a recipe of text; None for other recipes.

        Raises:
            RecipeError: The recipe is of text and there is no encoder, or the other way round; or
                the network is too large for the width of the encoder.
        """
        if self.text is None and encoder is not None:
            raise RecipeError(f"the recipe {self.name} takes no text; leave the encoder out")
        if self.text is None or encoder is None:
            if self.text is not None and not self.text.bound:
                raise RecipeError(
                    f"the recipe {self.name} takes text: give the folder of an encoder, with "
                    "--encoder FOLDER (serkit encoder export makes one)"
                )
            return self
        text = encoder.recipe(context=self.text.context, speaker=self.text.speaker)
        try:
            return Recipe.model_validate({**dict(self), "text": text})
        except ValidationError as error:
            raise RecipeError(f"{self.name}: {_problems(error)}") from error

    def on_card(self) -> dict[str, Any]:
        """As plain JSON values, without defaults and without the input, which is on the card."""
        inputs = {"features", "log_mel", "text"}
        return self.model_dump(mode="json", exclude=inputs, exclude_defaults=True)

    @classmethod
    def of_card(cls, card: ModelCard) -> Recipe:
        """The recipe that `on_card` wrote.

        Raises:
            RecipeError: The card has no recipe that this serkit can read.
        """
        try:
            return cls.model_validate({**card.recipe, kind_of(card.input): card.input})
        except ValidationError as error:
            raise RecipeError(
                f"the card of {card.name} has no valid recipe: {_problems(error)}"
            ) from error

    def to_dict(self) -> dict[str, Any]:
        """The recipe as plain JSON values."""
        return self.model_dump(mode="json")


def shipped_recipes() -> tuple[str, ...]:
    """Names of the shipped recipes, as `<folder>/<file>` without the suffix, sorted."""
    return tuple(sorted(_shipped()))


def load_recipe(name_or_path: str | os.PathLike[str]) -> Recipe:
    """Read a recipe.

    Args:
        name_or_path: Name of a shipped recipe (see `shipped_recipes`) or path of a YAML file.

    Raises:
        RecipeError: The recipe does not exist or is invalid.
    """
    name, values = read_recipe(name_or_path)
    others = {"encoder": "waveforms", "fusion": "log-mel and text"}
    for key in others.keys() & (values if isinstance(values, dict) else {}):
        raise RecipeError(
            f"{name} is the recipe of a network on {others[key]} (it has the key {key}); expected "
            "one with features, log_mel or text, as only serkit train and serkit evaluate take all"
        )
    return checked(Recipe, name, values)


def read_recipe(name_or_path: str | os.PathLike[str]) -> tuple[str, Any]:
    """Read the values of a recipe of any kind.

    Args:
        name_or_path: As for `load_recipe`.

    Returns:
        The name or path, and the values, which are not checked yet.

    Raises:
        RecipeError: The recipe does not exist, or is no plain YAML.
    """
    name = os.fspath(name_or_path)
    shipped = _shipped()
    if name in shipped:
        text = shipped[name].read_bytes()
    elif os.path.lexists(name):
        try:
            text = read_bounded(Path(name), MAX_BYTES)
        except OSError as error:
            raise RecipeError(f"the recipe {name} cannot be read: {error.strerror}") from error
    else:
        close = difflib.get_close_matches(name, shipped, n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise RecipeError(
            f"unknown recipe {shown(name)}; {hint}expected the path of a YAML file or one of "
            f"{', '.join(sorted(shipped))}"
        )
    try:
        return name, from_yaml(text)
    except ValueError as error:
        raise RecipeError(f"{name}: {shortened(str(error), 500)}") from error


def checked(kind: type[AnyData], name: str, values: Any) -> AnyData:
    """A recipe of values.

    Args:
        kind: Its kind.
        name: Name or path, for messages.
        values: As from `read_recipe`.

    Raises:
        RecipeError: A value is missing, unknown or invalid.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise RecipeError(f"{name}: {_problems(error)}") from error
    except ValueError as error:
        raise RecipeError(f"{name}: {shortened(str(error), 500)}") from error


def _problems(error: ValidationError) -> str:
    """The first problems, each with its location."""
    problems = [f"{'.'.join(map(str, e['loc'])) or 'recipe'}: {e['msg']}" for e in error.errors()]
    rest = len(problems) - _MAX_PROBLEMS
    more = f"; and {rest} more" if rest > 0 else ""
    return "; ".join(shortened(problem, 300) for problem in problems[:_MAX_PROBLEMS]) + more


def _shipped() -> dict[str, Traversable]:
    return {
        f"{folder.name}/{entry.name.removesuffix('.yaml')}": entry
        for folder in files("serkit.recipes").iterdir()
        if folder.is_dir()
        for entry in folder.iterdir()
        if entry.name.endswith(".yaml")
    }
