"""Acoustic features: frames, spectra, descriptors and functionals, in NumPy."""

from serkit.features.analysis import extract, extract_of_log_mel
from serkit.features.cepstrum import dct_matrix, delta, mfcc
from serkit.features.chroma import chroma, chroma_filter_bank
from serkit.features.cost import Cost
from serkit.features.descriptors import DESCRIPTOR_NAMES, Descriptor
from serkit.features.energy import rms, zero_crossings
from serkit.features.frames import centre, frame, window
from serkit.features.functionals import FUNCTIONAL_NAMES, functionals
from serkit.features.mel import mel_filter_bank, power_to_db
from serkit.features.pitch import Pitch, pitch
from serkit.features.recipe import RECIPE_VERSION, DescriptorRecipe, FeatureRecipe, LogMelRecipe
from serkit.features.sequences import Features, Sequences, joined, stacked, stacked_twice
from serkit.features.shape import SHAPE_NAMES, spectral_shape
from serkit.features.spectrum import fft_frequencies, power_spectrum
from serkit.features.whisper import whisper_log_mel

__all__ = [
    "DESCRIPTOR_NAMES",
    "FUNCTIONAL_NAMES",
    "RECIPE_VERSION",
    "SHAPE_NAMES",
    "Cost",
    "Descriptor",
    "DescriptorRecipe",
    "FeatureRecipe",
    "Features",
    "LogMelRecipe",
    "Pitch",
    "Sequences",
    "centre",
    "chroma",
    "chroma_filter_bank",
    "dct_matrix",
    "delta",
    "extract",
    "extract_of_log_mel",
    "fft_frequencies",
    "frame",
    "functionals",
    "joined",
    "mel_filter_bank",
    "mfcc",
    "pitch",
    "power_spectrum",
    "power_to_db",
    "rms",
    "spectral_shape",
    "stacked",
    "stacked_twice",
    "whisper_log_mel",
    "window",
    "zero_crossings",
]
