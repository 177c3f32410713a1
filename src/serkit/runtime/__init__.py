"""Inference in NumPy: model files, recognisers and predictions."""

from serkit.runtime.backend import Backend, Outputs
from serkit.runtime.card import ModelCard, TrainingCorpus
from serkit.runtime.caution import CODES, Caution
from serkit.runtime.inputs import Embedding, Input, Waveform, features_of
from serkit.runtime.layers import (
    GRU,
    LAYERS,
    LSTM,
    Activation,
    AttentionPooling,
    Convolution,
    Dense,
    Layer,
    MeanPooling,
    WeightedLayer,
    weighted,
)
from serkit.runtime.model import Model
from serkit.runtime.model_file import load_model, save_model
from serkit.runtime.network_description import MAX_PARAMETERS
from serkit.runtime.numpy_backend import NumpyBackend
from serkit.runtime.prediction import Prediction, Window
from serkit.runtime.recognizer import MIN_DURATION_S, Recognizer
from serkit.runtime.shipped import (
    available_models,
    default_model,
    is_model,
    load,
    load_backend,
    load_described,
    load_network,
)
from serkit.runtime.sketch import Sketch, false_alarm_probability, miss_probability
from serkit.runtime.sound_check import SoundCheck
from serkit.runtime.text_encoder import EncoderDescription, TextEncoder
from serkit.runtime.text_input import TextRecipe, with_context
from serkit.runtime.text_recognizer import TextPrediction, TextRecognizer
from serkit.runtime.typical import Typical
from serkit.runtime.weights import PackedWeight, Weight

__all__ = [
    "CODES",
    "GRU",
    "LAYERS",
    "LSTM",
    "MAX_PARAMETERS",
    "MIN_DURATION_S",
    "Activation",
    "AttentionPooling",
    "Backend",
    "Caution",
    "Convolution",
    "Dense",
    "Embedding",
    "EncoderDescription",
    "Input",
    "Layer",
    "MeanPooling",
    "Model",
    "ModelCard",
    "NumpyBackend",
    "Outputs",
    "PackedWeight",
    "Prediction",
    "Recognizer",
    "Sketch",
    "SoundCheck",
    "TextEncoder",
    "TextPrediction",
    "TextRecipe",
    "TextRecognizer",
    "TrainingCorpus",
    "Typical",
    "Waveform",
    "Weight",
    "WeightedLayer",
    "Window",
    "available_models",
    "default_model",
    "false_alarm_probability",
    "features_of",
    "is_model",
    "load",
    "load_backend",
    "load_described",
    "load_model",
    "load_network",
    "miss_probability",
    "save_model",
    "weighted",
    "with_context",
]
