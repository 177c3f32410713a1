"""Estimation of the speaker model of a model's card."""

from __future__ import annotations

import numpy as np

from serkit.adaptation import SpeakerModel, fit_speaker_model
from serkit.training.data import Dataset
from serkit.training.fitting import fit
from serkit.training.recipe import Recipe


def speakers_of(recipe: Recipe, data: Dataset, *, seed: int = 0) -> SpeakerModel | None:
    """Estimate how new speakers differ in the logits of a recipe's models.

    The speakers are divided into `recipe.speaker_parts` parts; the logits of each part are those of
    a model trained on the others, with weights that are not quantised.

    Args:
        recipe: The training recipe.
        data: All data for training and calibration.
        seed: Seed of the trainings and of their hold-outs.

    Returns:
        None if the recipe asks for none, the hold-out is not by speaker, or there is too little
        data; see `fit_speaker_model`.
    """
    speakers = [u.speaker_key for u in data.utterances]
    names = sorted(set(speakers))
    n_parts = min(recipe.speaker_parts, len(names))
    # A part is tested, and of the others one speaker at least is held out.
    if n_parts < 2 or len(names) < 3 or recipe.hold_out.by != "speaker":
        return None
    part_of = {name: i % n_parts for i, name in enumerate(names)}
    parts = np.array([part_of[speaker] for speaker in speakers])
    logits = np.zeros((len(data), len(recipe.labels)), np.float32)
    for part in range(n_parts):
        held = parts == part
        others = data.rows(np.flatnonzero(~held))
        training, validation = recipe.hold_out.split(
            others.utterances, np.arange(len(others)), seed=seed
        )
        model = fit(recipe, others.rows(training), others.rows(validation), seed=seed)
        logits[held] = model.logits(data.rows(np.flatnonzero(held)).features)
    return fit_speaker_model(logits, data.targets, speakers)
