import numpy as np
import pytest

from serkit.features import Descriptor, FeatureRecipe
from serkit.runtime import Dense, Model, ModelCard, TrainingCorpus

LABELS = ("angry", "happy", "neutral", "sad")


@pytest.fixture(scope="session")
def model():
    """A small untrained model: 20 mean coefficients, one hidden layer."""
    rng = np.random.default_rng(5)

    def normal(*shape):
        return rng.standard_normal(shape).astype(np.float32)

    card = ModelCard(
        name="toy",
        labels=LABELS,
        input=FeatureRecipe("mfcc20", (Descriptor("mfcc", 20),)),
        temperature=1.5,
        clip=3.0,
        corpora=(TrainingCorpus("toys", "The Toy Corpus", "CC BY-NC 4.0", False, 10, 2),),
        figures={"protocols": []},
        recipe={"name": "toy"},
        created_with="0.0.0",
    )
    layers = (Dense(normal(8, 20), normal(8), "relu"), Dense(normal(4, 8), normal(4)))
    return Model(card, normal(20) * 20, np.abs(normal(20)) * 20 + 1, layers)
