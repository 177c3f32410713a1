"""`serkit train` of a recipe of a network on log-mel and text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from serkit.cli.progress import tracker
from serkit.cli.streams import complain, say
from serkit.cli.training import EpochBar, log_line, utterances_of

if TYPE_CHECKING:
    from serkit.training import Epoch
    from serkit.training.fusion import FusionRecipe


def train_fusion(
    plan: FusionRecipe,
    out: Path,
    specs: Sequence[str],
    anchors: Sequence[str],
    *,
    seed: int,
    log: Path | None,
    jobs: int,
    cache: bool,
    figures: bool,
    max_clip_s: float,
    name: str,
    licence: str | None,
    commercial_use: bool,
    precision: str,
    encoder: Path | None,
) -> None:
    """Train a network, evaluate its recipe, and write an ONNX model; see `serkit.cli.train`."""
    from serkit.compression.classifier_export import save_classifier
    from serkit.compression.fusion_export import check_fusion_precision, export_fusion
    from serkit.evaluation import accept, check_acceptance, fit_final_fusion
    from serkit.files import write_atomically
    from serkit.runtime import TextEncoder
    from serkit.training import FeatureCache
    from serkit.training.fusion import make_fusion_data

    check_fusion_precision(precision)
    texts = TextEncoder.load(encoder, threads=jobs) if encoder is not None else None
    plan = plan.bound_to(texts)
    plan, corpora, utterances = utterances_of(
        plan, specs, anchors, figures=figures, licence=licence,
        commercial_use=commercial_use,
    )  # fmt: skip
    data = make_fusion_data(
        plan, utterances, jobs=jobs, cache=FeatureCache.default() if cache else None,
        track=tracker("Coding log-mel"), max_clip_s=max_clip_s, encoder=texts,
    )  # fmt: skip
    if plan.text is not None and not data.has_text.all():
        n_without = int((~data.has_text).sum())
        complain(f"{n_without} of {len(data)} recordings have no text: answered from speech alone")
    check_acceptance(plan, utterances, data.hashes)
    lines: list[str] = []

    def keep(epoch: Epoch) -> None:
        lines.append(log_line(epoch))

    with EpochBar(plan.optimiser.max_epochs, keep) as on_epoch:
        model = fit_final_fusion(plan, data, corpora, seed=seed, on_epoch=on_epoch)
    if plan.acceptance:
        card_figures = accept(
            plan, data, jobs=jobs, track=lambda name: tracker(f"Evaluating: {name}")
        )
        model = model.with_card(figures=card_figures)
    model = model.with_card(name=name)
    exported = export_fusion(model, precision=precision)
    if log is not None:
        write_atomically(log, "".join(lines))
    size = save_classifier(exported, model.card, out)
    say(
        f"{out}: {size} bytes, {model.n_parameters} parameters, {precision}, {len(data)} "
        f"recordings; largest difference to torch {exported.difference:.2g}"
    )
