"""A model file -> a `Recognizer` -> a `Prediction`, in NumPy alone."""

from serkit.runtime.caution import CODES, Caution
from serkit.runtime.layers import (
    GRU,
    LSTM,
    Activation,
    AttentionPooling,
    Convolution,
    Dense,
    Layer,
    MeanPooling,
    PackedWeight,
    WeightedLayer,
    weighted,
)
from serkit.runtime.model import Model, ModelCard, TrainingCorpus
from serkit.runtime.model_file import MAX_PARAMETERS, load_model, save_model
from serkit.runtime.recognizer import MIN_DURATION_S, Prediction, Recognizer
from serkit.runtime.shipped import available_models, load
from serkit.runtime.sketch import Sketch, false_alarm_probability, miss_probability
from serkit.runtime.sound_check import SoundCheck
from serkit.runtime.typical import Typical

__all__ = [
    "CODES",
    "GRU",
    "LSTM",
    "MAX_PARAMETERS",
    "MIN_DURATION_S",
    "Activation",
    "AttentionPooling",
    "Caution",
    "Convolution",
    "Dense",
    "Layer",
    "MeanPooling",
    "Model",
    "ModelCard",
    "PackedWeight",
    "Prediction",
    "Recognizer",
    "Sketch",
    "SoundCheck",
    "TrainingCorpus",
    "Typical",
    "WeightedLayer",
    "available_models",
    "false_alarm_probability",
    "load",
    "load_model",
    "miss_probability",
    "save_model",
    "weighted",
]
