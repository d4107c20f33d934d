"""word2vec's other model: the words around a word, averaged, find the word."""

from __future__ import annotations

import torch
from torch import Tensor

from embloom.encoders.skipgram import SkipGram


class CBOW(SkipGram):
    """Continuous bag of words (Mikolov et al. 2013): `center` is the mean of the input vectors of the words around a
    word, weighted by nearness, and the one positive is the word itself.

    Outputs as those of `SkipGram`, and `positives` (B, L, L), the diagonal, 0 for a word that has no neighbor.
    """

    def forward(
        self, token: Tensor, context_token: Tensor | None = None, positives: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Token ids (B, L), context words (B, C) and how much each counts (B, L, L) -> see the class."""
        vectors = self.rows_of(self.embedding, token)
        outputs = {"embedding": vectors, "output": self.output}
        if context_token is None or positives is None:
            return outputs
        weight = positives.to(vectors.dtype)
        total = weight.sum(1)
        mean = torch.bmm(weight.transpose(1, 2), vectors) / total.clamp(min=1e-9)[:, :, None]
        found = torch.diag_embed((total > 0).to(vectors.dtype))
        return {
            **outputs,
            "center": mean,
            "positives": found,
            "context": self.rows_of(self.output, context_token),
        }
