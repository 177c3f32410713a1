"""A training recipe: everything that decides a model, as data."""

from __future__ import annotations

import difflib
import os
from importlib.resources import files
from importlib.resources.abc import Traversable
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, Self

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
from serkit.audio import MAX_WINDOW_S, MIN_WINDOW_S, WINDOW_S
from serkit.errors import RecipeError
from serkit.features import FeatureRecipe, LogMelRecipe
from serkit.files import read_bounded
from serkit.plain import from_yaml
from serkit.runtime import GRU, LSTM, MAX_PARAMETERS, Convolution, Dense, ModelCard, WeightedLayer
from serkit.runtime.inputs import kind_of
from serkit.text import shortened
from serkit.training.augmentation import Augmentation

MAX_BYTES = 1 << 20
"""A larger recipe is refused."""

_SHOWN = 5


def _features(value: Any) -> FeatureRecipe | None:
    known = value is None or isinstance(value, FeatureRecipe)
    return value if known else FeatureRecipe.from_dict(value)


def _log_mel(value: Any) -> LogMelRecipe | None:
    known = value is None or isinstance(value, LogMelRecipe)
    return value if known else LogMelRecipe.from_dict(value)


def _plain(recipe: FeatureRecipe | LogMelRecipe | None) -> dict[str, Any] | None:
    return None if recipe is None else recipe.to_dict()


Features = Annotated[FeatureRecipe | None, PlainValidator(_features), PlainSerializer(_plain)]
LogMel = Annotated[LogMelRecipe | None, PlainValidator(_log_mel), PlainSerializer(_plain)]


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


_HIDDEN_LAYERS: dict[str, type[WeightedLayer]] = {
    "mlp": Dense,
    "cnn": Convolution,
    "lstm": LSTM,
    "attention-gru": GRU,
}


class Network(_Data):
    """The network.

    Attributes:
        family: `mlp` on functionals; `cnn`, `lstm` or `attention-gru` on frames.
        hidden: Widths of the hidden layers; none makes an `mlp` a linear classifier.
        kernel: Of a `cnn`: frames that each convolution sees; odd.
        stride: Of a `cnn`: frames between outputs of a convolution.
        dropout: Probability of dropping a hidden unit.
        input_dropout: Probability of dropping a feature.
    """

    family: Literal["mlp", "cnn", "lstm", "attention-gru"] = "mlp"
    hidden: tuple[Annotated[int, Field(ge=1, le=8192)], ...] = Field(max_length=32)
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
        """Number of weights and biases of the network; those of a pooling are not counted.

        Args:
            n_features: Length of the vector, or rows of the frames, that it takes.
            n_labels: Number of classes.
        """
        layer = _HIDDEN_LAYERS[self.family]
        widths = [n_features, *self.hidden]
        options = {"kernel": self.kernel, "stride": self.stride}
        hidden = sum(layer.count_parameters(a, b, options) for a, b in pairwise(widths))
        return hidden + Dense.count_parameters(widths[-1], n_labels)


class Optimiser(_Data):
    """How the weights are learned.

    Attributes:
        name: `adam`, or `adamw` with decoupled weight decay.
        learning_rate: Step size.
        weight_decay: L2 penalty (`adam`) or decay (`adamw`).
        batch_size: Recordings a step.
        max_epochs: Passes over the data, at most.
        schedule: `constant`, or `one-cycle`: the learning rate rises over the first tenth and
            falls to nothing over `max_epochs`.
        patience: Epochs without improvement on the validation set before stopping, with the
            weights of the best; None goes through all epochs and keeps the last weights.
        monitor: What must improve: validation `loss`, or `ua`.
        label_smoothing: Share of the target spread over all classes.
        mixup: Parameter of the Beta distribution that pairs are mixed by; 0 for none.
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


class Ridge(_Data):
    """Weights in closed form, without epochs; for a network without hidden layers.

    Attributes:
        name: `ridge`.
        penalty: Of the squared weights; see `fit_ridge`.
    """

    name: Literal["ridge"]
    penalty: float = Field(default=0.5, gt=0.0)


def _solver(value: Any) -> str:
    name = value.get("name") if isinstance(value, dict) else getattr(value, "name", None)
    return "ridge" if name == "ridge" else "gradient"


class Acceptance(_Data):
    """A protocol the finished model reports figures for.

    Attributes:
        protocol: Name of the protocol.
        seeds: Repetitions, with seeds 0, 1, ...
    """

    protocol: str
    seeds: int = Field(default=3, ge=1)


class Quantisation(_Data):
    """How the weights are stored in few bits; see the room `compression`.

    Attributes:
        bits: Of every layer; None searches for the bits of each.
        search: By `importance`, as Shinde et al.; or by `bytes`, where the width that makes the
            smallest file is taken next.
        margin: Of the search: largest fall of the validation accuracy allowed to a layer of
            importance 1, or, by bytes, to the network.
        alpha: Of the search: weight of the parameter share in a layer's importance.
        per_row: A step for each output of a layer, instead of one for the layer.
        steps: Whether a step spans the weights' `range`, or is nearest in `least-squares`.
        fine_tuning: Epochs of learning on with the weights rounded; 0 for none.
        learning_rate: Of these epochs.
    """

    bits: int | None = Field(default=None, ge=1, le=8)
    search: Literal["importance", "bytes"] = "importance"
    margin: float = Field(default=0.02, ge=0.0, le=1.0)
    alpha: float = Field(default=0.5, ge=0.0, le=1.0)
    per_row: bool = True
    steps: Literal["range", "least-squares"] = "least-squares"
    fine_tuning: int = Field(default=0, ge=0)
    learning_rate: float = Field(default=1e-3, gt=0.0)


class Recipe(_Data):
    """Everything that decides a model.

    Attributes:
        name: Of the model it makes.
        source: Paper and table it follows; empty for one of our own.
        corpora: Names of the corpora it learns from.
        labels: The emotions told apart; other recordings are left out.
        features: The input, if it is computed from sound.
        log_mel: The input, if it is computed from log-mel; exactly one of the two is given.
        window_s: Length in seconds of the windows that a long recording is cut into.
        clip: Limit of the standardised features, in magnitude; None for none.
        network: The network.
        optimiser: How the weights are learned.
        refit: Train again on training and validation data together after calibration; for
            training without early stopping.
        balance: Weights of recordings: `none` for equal weights, `class` for classes of equal
            weight, `corpus-class` for equal weights of each class of each corpus.
        speaker_shrinkage: Strength of `shrink_speaker_variation`; 0 for none.
        augmentation: Augmented copies of the training recordings; None for none.
        validation: What is held out for early stopping and calibration: whole `speaker`s, or
            single `utterance`s, which makes the figures speaker-dependent.
        validation_share: Share of the training speakers or utterances held out.
        precision: Type of stored weights that are not quantised.
        quantisation: How weights are quantised; None for not at all.
        acceptance: The protocols whose figures the card shows.
    """

    name: str = Field(min_length=1)
    source: str = ""
    corpora: tuple[str, ...] = Field(min_length=1)
    labels: tuple[str, ...] = Field(min_length=2)
    features: Features = None
    log_mel: LogMel = None
    window_s: float = Field(default=WINDOW_S, ge=MIN_WINDOW_S, le=MAX_WINDOW_S)
    clip: float | None = Field(default=None, gt=0.0)
    network: Network
    optimiser: Annotated[
        Annotated[Optimiser, Tag("gradient")] | Annotated[Ridge, Tag("ridge")],
        Discriminator(_solver),
    ] = Optimiser()
    refit: bool = False
    balance: Literal["none", "class", "corpus-class"] = "none"
    speaker_shrinkage: float = Field(default=0.0, ge=0.0)
    augmentation: Augmentation | None = None
    validation: Literal["speaker", "utterance"] = "speaker"
    validation_share: float = Field(default=0.15, gt=0.0, lt=1.0)
    precision: Literal["float16", "float32"] = "float32"
    quantisation: Quantisation | None = None
    acceptance: tuple[Acceptance, ...] = ()

    @property
    def input(self) -> FeatureRecipe | LogMelRecipe:
        """What the model computes its answer from."""
        given = self.features or self.log_mel
        if given is None:  # refused by the validation
            raise RecipeError(f"the recipe {self.name} has no input")
        return given

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if (self.features is None) == (self.log_mel is None):
            raise ValueError("give either features, computed from sound, or log_mel")
        if self.augmentation and self.augmentation.coded and self.log_mel is None:
            raise ValueError("coded copies are for log_mel: set augmentation.coded to 0")
        if len(set(self.labels)) < len(self.labels) or not all(self.labels):
            named = ", ".join(map(repr, self.labels))
            raise ValueError(f"labels are {named}; expected names, each once")
        n_parameters = self.network.n_parameters(self.input.n_features, len(self.labels))
        if n_parameters > MAX_PARAMETERS:
            raise ValueError(
                f"the network has {n_parameters} parameters; expected at most {MAX_PARAMETERS}: "
                "make its hidden layers narrower, or take fewer features"
            )
        if self.input.per_frame != (self.network.family != "mlp"):
            raise ValueError(
                "an mlp takes functionals and the other families frames: give each descriptor "
                "functionals, or `functionals: []` to keep the frames"
            )
        if self.speaker_shrinkage and self.network.family != "mlp":
            raise ValueError("speaker_shrinkage is for an mlp")
        if isinstance(self.optimiser, Ridge):
            if self.network != Network(hidden=()):
                raise ValueError("ridge gives a linear model: leave hidden empty and drop nothing")
        elif self.refit and self.optimiser.patience is not None:
            raise ValueError("refit needs a fixed number of epochs: set patience to null")
        if self.refit and self.quantisation and self.quantisation.bits is None:
            raise ValueError("after a refit no data is left to search bits with: give the bits")
        return self

    @property
    def hold_out(self) -> HoldOut:
        """How the validation part is chosen."""
        return HoldOut(self.validation, self.validation_share)

    def on_card(self) -> dict[str, Any]:
        """As plain JSON values, without defaults and without the input, which a card has anyway."""
        return self.model_dump(mode="json", exclude={"features", "log_mel"}, exclude_defaults=True)

    @classmethod
    def of_card(cls, card: ModelCard) -> Recipe:
        """The recipe that `on_card` wrote.

        Raises:
            RecipeError: The card holds none that this serkit knows.
        """
        try:
            return cls.model_validate({**card.recipe, kind_of(card.input): card.input})
        except ValidationError as error:
            raise RecipeError(
                f"{card.name} holds no recipe that this serkit knows: {_problems(error)}"
            ) from error

    def to_dict(self) -> dict[str, Any]:
        """The recipe as plain JSON values."""
        return self.model_dump(mode="json")


def shipped_recipes() -> tuple[str, ...]:
    """Names of the recipes that ship, as `<folder>/<file>` without the suffix, sorted."""
    return tuple(sorted(_shipped()))


def load_recipe(name_or_path: str | os.PathLike[str]) -> Recipe:
    """Read a recipe.

    Args:
        name_or_path: A shipped recipe's name (see `shipped_recipes`) or the path of a YAML file.

    Raises:
        RecipeError: There is no such recipe, or it says something impossible.
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
            f"no recipe {name!r}: neither a file nor one that ships; {hint}shipped: "
            f"{', '.join(sorted(shipped))}"
        )
    try:
        return Recipe.model_validate(from_yaml(text))
    except ValidationError as error:
        raise RecipeError(f"{name}: {_problems(error)}") from error
    except ValueError as error:
        raise RecipeError(f"{name}: {shortened(str(error), 500)}") from error


def _problems(error: ValidationError) -> str:
    """The first problems, each with its location."""
    problems = [f"{'.'.join(map(str, e['loc'])) or 'recipe'}: {e['msg']}" for e in error.errors()]
    more = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
    return "; ".join(shortened(problem, 300) for problem in problems[:_SHOWN]) + more


def _shipped() -> dict[str, Traversable]:
    return {
        f"{folder.name}/{entry.name.removesuffix('.yaml')}": entry
        for folder in files("serkit.recipes").iterdir()
        if folder.is_dir()
        for entry in folder.iterdir()
        if entry.name.endswith(".yaml")
    }
