"""The frame of a network on speech and text, either of which may be absent."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from serkit.networks.fusion.rows import Rows, StandIn


class FusionNetwork(nn.Module):
    """A classifier of log-mel and text vectors.

    A subclass sets `encode_speech`, `encode_text` and `output`, and defines `fuse`. An absent
    modality is one learned row in place of its encoded sequence. Padding has no influence: every
    recording gives the logits that it gives alone.

    Args:
        width: Width of the encoded rows.
        missing_speech: Probability of leaving out the speech in training.
        missing_text: Probability of leaving out the text in training; never both.
    """

    encode_speech: nn.Module
    encode_text: nn.Module
    output: nn.Linear

    def __init__(
        self, width: int, *, missing_speech: float = 0.0, missing_text: float = 0.0
    ) -> None:
        super().__init__()
        self.without_speech = StandIn(width)
        self.without_text = StandIn(width)
        self.missing_speech, self.missing_text = missing_speech, missing_text

    def forward(
        self, frames: Tensor, frame_counts: Tensor, vectors: Tensor, vector_counts: Tensor
    ) -> Tensor:
        """Classify.

        Args:
            frames: Log-mel in the units of Whisper's encoder, shape `[n, n_mels, n_frames]`.
            frame_counts: Frames of each recording, 0 for an absent one, shape `[n]`, int64.
            vectors: Vectors of the tokens of each text, or one vector, shape
                `[n, n_vectors, text_width]`.
            vector_counts: Vectors of each text, 0 for an absent one, shape `[n]`, int64.

        Returns:
            Logits, shape `[n, n_labels]`.
        """
        if self.training:
            frame_counts, vector_counts = self._left_out(frame_counts, vector_counts)
        speech = self.encode_speech(Rows(frames.transpose(1, 2), frame_counts))
        text = self.encode_text(Rows(vectors, vector_counts))
        fused = self.fuse(self.without_speech(speech), self.without_text(text))
        logits: Tensor = self.output(fused)
        return logits

    def fuse(self, speech: Rows, text: Rows) -> Tensor:
        """The input of the last layer, shape `[n, output.in_features]`.

        Args:
            speech: Encoded speech, at least one row each.
            text: Encoded text, at least one row each.
        """
        raise NotImplementedError

    def _left_out(self, frame_counts: Tensor, vector_counts: Tensor) -> tuple[Tensor, Tensor]:
        """Counts with 0 for what is left out at random; what is alone stays."""
        drawn = torch.rand(frame_counts.shape, device=frame_counts.device)
        both = (frame_counts > 0) & (vector_counts > 0)
        no_text = both & (drawn < self.missing_text)
        no_speech = both & (drawn > 1.0 - self.missing_speech)
        return frame_counts.masked_fill(no_speech, 0), vector_counts.masked_fill(no_text, 0)
