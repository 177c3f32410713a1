"""Inference in NumPy: model files, recognisers and predictions."""

from serkit.circumplex import arousal_valence
from serkit.runtime.affect import Affect, AffectSource
from serkit.runtime.backend import Backend, Outputs
from serkit.runtime.card import DIMENSIONS, ModelCard, Origin, TrainingCorpus
from serkit.runtime.caution import CODES, Caution
from serkit.runtime.events import EndEvent, Event, PartialEvent, SegmentEvent, VoiceEvent
from serkit.runtime.fusion import FusionModel, FusionPrediction
from serkit.runtime.inputs import Embedding, Input, SpeechAndText, Waveform, features_of
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
from serkit.runtime.live import LiveStream
from serkit.runtime.model import Model
from serkit.runtime.model_file import load_model, save_model
from serkit.runtime.network_description import MAX_PARAMETERS
from serkit.runtime.numpy_backend import NumpyBackend
from serkit.runtime.onnx_backend import OnnxBackend
from serkit.runtime.prediction import MIN_DURATION_S, Prediction, Window
from serkit.runtime.recognizer import Recognizer
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
from serkit.runtime.timeline import Segment, Timeline, TimelineSettings
from serkit.runtime.typical import Typical
from serkit.runtime.weights import PackedWeight, Weight

__all__ = [
    "CODES",
    "DIMENSIONS",
    "GRU",
    "LAYERS",
    "LSTM",
    "MAX_PARAMETERS",
    "MIN_DURATION_S",
    "Activation",
    "Affect",
    "AffectSource",
    "AttentionPooling",
    "Backend",
    "Caution",
    "Convolution",
    "Dense",
    "Embedding",
    "EncoderDescription",
    "EndEvent",
    "Event",
    "FusionModel",
    "FusionPrediction",
    "Input",
    "Layer",
    "LiveStream",
    "MeanPooling",
    "Model",
    "ModelCard",
    "NumpyBackend",
    "OnnxBackend",
    "Origin",
    "Outputs",
    "PackedWeight",
    "PartialEvent",
    "Prediction",
    "Recognizer",
    "Segment",
    "SegmentEvent",
    "Sketch",
    "SoundCheck",
    "SpeechAndText",
    "TextEncoder",
    "TextPrediction",
    "TextRecipe",
    "TextRecognizer",
    "Timeline",
    "TimelineSettings",
    "TrainingCorpus",
    "Typical",
    "VoiceEvent",
    "Waveform",
    "Weight",
    "WeightedLayer",
    "Window",
    "arousal_valence",
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
