"""What is gained by sending some recordings to a server: by a rule, at random, and at best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serkit.metrics import clustered_intervals, confusion, per_speaker, unweighted_average_recall
from serkit.serving.client.device import is_sure

Index = NDArray[np.int64]
Mask = NDArray[np.bool_]


def sent_by(scores: Sequence[Mapping[str, float]], when_unsure: float) -> Mask:
    """Which recordings `serkit.Client` sends under a threshold, shape `[n]`."""
    return np.array([not is_sure(one, when_unsure) for one in scores])


def threshold_for(scores: Sequence[Mapping[str, float]], share: float) -> float:
    """The threshold under which a share of recordings is sent.

    Args:
        scores: Scores of the device.
        share: From 0 to 1.
    """
    best = np.sort([max(one.values(), default=1.0) for one in scores])
    n = round(share * len(best))
    if n == 0:
        return 0.0
    # A recording is sent if its probability is below the threshold, not at it.
    return 1.0 if n == len(best) else float(best[n])


def at_random(device: float, server: float, share: float) -> float:
    """Expected UA if a share of recordings, drawn at random, is sent: linear in the share."""
    return (1.0 - share) * device + share * server


def at_best(targets: Index, device: Index, server: Index, n_labels: int, n_sent: int) -> float:
    """Highest UA if at most `n_sent` recordings are sent: those that the server corrects.

    Args:
        targets: True classes, shape `[n]`.
        device: Classes by the device, shape `[n]`.
        server: Classes by the server, shape `[n]`.
        n_labels: Number of classes.
        n_sent: Most recordings to send.
    """
    # A recording adds one over the size of its class, and over the number of classes.
    weight = 1.0 / np.maximum(1, np.bincount(targets, minlength=n_labels))
    gain = np.where((device != targets) & (server == targets), weight[targets], 0.0)
    chosen = np.argsort(-gain, kind="stable")[:n_sent]
    corrected = device.copy()
    corrected[chosen[gain[chosen] > 0.0]] = targets[chosen[gain[chosen] > 0.0]]
    return unweighted_average_recall(confusion(targets, corrected, n_labels))


def compared(
    targets: Index,
    device: Index,
    server: Index,
    sent: Mask,
    speakers: Sequence[str],
    n_labels: int,
) -> dict[str, Any]:
    """UA of a rule, its differences, and the share sent, with intervals over speakers.

    Args:
        targets: True classes, shape `[n]`.
        device: Classes by the device, shape `[n]`.
        server: Classes by the server, shape `[n]`.
        sent: Which recordings are sent, shape `[n]`.
        speakers: Speaker of each recording.
        n_labels: Number of classes.

    Returns:
        `ua`; `to_server`, `to_device`, `to_random`: differences to sending all, none, and the same
        share at random; and `share`. Each a value and its interval.
    """
    chosen = np.where(sent, server, device)

    def statistic(i: Index) -> NDArray[np.int64]:
        matrices = [confusion(targets[i], one[i], n_labels) for one in (chosen, device, server)]
        counts = np.zeros((1, n_labels, n_labels), np.int64)
        counts[0, 0, 0] = sent[i].sum()
        return np.concatenate((np.stack(matrices), counts))

    def metrics(total: NDArray[np.int64]) -> list[float]:
        ours, on_device, on_server = map(unweighted_average_recall, total[:3])
        share = float(total[3, 0, 0] / total[0].sum())
        by_chance = at_random(on_device, on_server, share)
        return [ours, ours - on_server, ours - on_device, ours - by_chance, share]

    _, rows = per_speaker(speakers, statistic)
    intervals = clustered_intervals(metrics, rows)
    names = ("ua", "to_server", "to_device", "to_random", "share")
    return {
        name: {"value": value, "interval": [one.low, one.high] if one else None}
        for name, value, one in zip(names, metrics(rows.sum(axis=0)), intervals, strict=True)
    }
