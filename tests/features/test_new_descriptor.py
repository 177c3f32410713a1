"""A descriptor is one entry of `DESCRIPTORS`; names, budget and recipes follow."""

import numpy as np

from serkit.features import Descriptor, FeatureRecipe, descriptors, extract
from serkit.features.descriptors import DescriptorType, SpectralRows


def test_an_entry_is_enough(monkeypatch):
    loudest = SpectralRows(
        lambda recipe, size, power, before: power.argmax(axis=0)[None].astype(np.float32),
        operations=lambda recipe, size: recipe.n_fft,
        numbers=lambda recipe, size: 1.0,
    )
    entry = DescriptorType(lambda r, d: ["loudest"], lambda a, d: a.spectral(loudest), loudest)
    monkeypatch.setitem(descriptors.DESCRIPTORS, "loudest-bin", entry)
    recipe = FeatureRecipe(
        "own", (Descriptor("loudest-bin", functionals=("p50", "max")), Descriptor("mfcc", 2))
    )
    assert recipe.feature_names[:2] == ("loudest.p50", "loudest.max")
    assert FeatureRecipe.from_dict(recipe.to_dict()) == recipe
    tone = np.sin(2 * np.pi * 1000 * np.arange(16_000) / 16_000).astype(np.float32)
    assert extract(recipe, tone)[:2].tolist() == [128.0, 128.0]
    plain = FeatureRecipe("plain", (Descriptor("mfcc", 2),))
    assert recipe.cost.operations > plain.cost.operations
