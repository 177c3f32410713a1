"""Emotion diarization: which emotion appears when, exact on intervals of time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LabelledTime = tuple[float, float, str | None]
"""Start and end in seconds, and a label; None for no label, as in a pause."""

Seconds = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class DiarizationError:
    """Emotion diarization error rate (EDER) and its parts.

    The rate is missed, false alarm and confused time over the labelled time of the reference (Wang
    et al., *Speech Emotion Diarization: Which Emotion Appears When?*, 2023). There neutral is the
    absence of emotion, and every moment of the reference is neutral or emotional. Here the
    reference may also have pauses, without a label, which are not part of the total. A moment is
    *missed* if less was found than is true, where no label is less than neutral and neutral is less
    than an emotion; a *false alarm* if more was found; and *confused* if another emotion was found.
    The rate of a reference without pauses is that of Wang et al.

    Attributes:
        missed_s: Missed time in seconds.
        false_alarm_s: Time of false alarms.
        confused_s: Confused time.
        total_s: Labelled time of the reference.
    """

    missed_s: float
    false_alarm_s: float
    confused_s: float
    total_s: float

    @property
    def rate(self) -> float:
        """EDER, which may exceed 1; NaN if the reference has no labelled time."""
        wrong = self.missed_s + self.false_alarm_s + self.confused_s
        return wrong / self.total_s if self.total_s else float("nan")


def label_times(
    truth: Sequence[LabelledTime], found: Sequence[LabelledTime], labels: Sequence[str]
) -> Seconds:
    """Seconds of each true label with each found label.

    Args:
        truth: True stretches, which do not overlap; time outside of them has no label.
        found: Found stretches, likewise.
        labels: All labels.

    Returns:
        Shape `[n_labels + 1, n_labels + 1]`; the last row is time without a true label, the last
        column time without a found one. Time outside all stretches is not counted.

    Raises:
        ValueError: Stretches overlap or end before they start, or a label is not in `labels`.
    """
    borders = np.unique([time for start, end, _ in (*truth, *found) for time in (start, end)])
    middles = (borders[:-1] + borders[1:]) / 2
    seconds = np.zeros((len(labels) + 1, len(labels) + 1))
    rows, columns = (_labels_at(middles, stretches, labels) for stretches in (truth, found))
    np.add.at(seconds, (rows, columns), np.diff(borders))
    return seconds


def diarization_error(
    times: Seconds, labels: Sequence[str], *, neutral: str = "neutral"
) -> DiarizationError:
    """EDER from the times of `label_times`, which may be summed over recordings.

    Args:
        times: Shape `[n_labels + 1, n_labels + 1]`.
        labels: All labels.
        neutral: The label that is no emotion; it need not occur.
    """
    amount = np.array([1 if label == neutral else 2 for label in labels] + [0])
    truth, found = np.meshgrid(amount, amount, indexing="ij")
    wrong = times * ~np.eye(len(amount), dtype=bool)
    return DiarizationError(
        missed_s=float(wrong[found < truth].sum()),
        false_alarm_s=float(wrong[found > truth].sum()),
        confused_s=float(wrong[found == truth].sum()),
        total_s=float(times[:-1].sum()),
    )


def label_changes(stretches: Sequence[LabelledTime]) -> Seconds:
    """Where one label gives way to another; time without a label does not count as one.

    Args:
        stretches: Consecutive stretches.

    Returns:
        End of a label and start of the next in seconds, shape `[n_changes, 2]`; they differ where a
        pause lies between.
    """
    changes = []
    end_s, last = 0.0, None
    for start, end, label in stretches:
        if label is None:
            continue
        if last is not None and label != last:
            changes.append((end_s, start))
        end_s, last = end, label
    return np.array(changes, np.float64).reshape(-1, 2)


def change_distances(truth: Seconds, found: Seconds) -> Seconds:
    """Boundary error: distance of each true change of label to the nearest found one.

    A change within a pause has no exact time: two changes are apart by the time between them, and
    by nothing if they touch or overlap.

    Args:
        truth: True changes, shape `[n, 2]`, as from `label_changes`.
        found: Found changes.

    Returns:
        Seconds, shape `[n]`; infinite if no change was found.
    """
    gaps = np.maximum(truth[:, None, 0] - found[None, :, 1], found[None, :, 0] - truth[:, None, 1])
    nearest: Seconds = np.min(np.maximum(gaps, 0.0), axis=1, initial=np.inf)
    return nearest


def _labels_at(
    times: Seconds, stretches: Sequence[LabelledTime], labels: Sequence[str]
) -> NDArray[np.int64]:
    """Index of the label at each time; `len(labels)` for none."""
    ordered = sorted(stretches, key=lambda stretch: stretch[:2])
    starts, ends = (np.array([one[i] for one in ordered], np.float64) for i in (0, 1))
    if (starts > ends).any() or (starts[1:] < ends[:-1]).any():
        raise ValueError("stretches overlap or end before they start; expected disjoint ones")
    unknown = {label for _, _, label in ordered if label is not None} - set(labels)
    if unknown:
        raise ValueError(f"unknown labels {sorted(unknown)}; expected {', '.join(labels)}")
    index = {label: i for i, label in enumerate(labels)}
    of_stretch = [len(labels) if label is None else index[label] for _, _, label in ordered]
    # A last entry, for times before the first stretch and after an end.
    found = np.array([*of_stretch, len(labels)], np.int64)
    place = np.searchsorted(starts, times, side="right") - 1
    inside = (place >= 0) & (times < np.append(ends, -np.inf)[place])
    return found[np.where(inside, place, -1)]
