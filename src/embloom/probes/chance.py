"""What every other probe has to be compared with."""

from __future__ import annotations

import torch

from embloom.probes.base import Frozen, Probe


class Chance(Probe):
    """How often one is right who knows nothing but which class is the most frequent."""

    def __call__(self, frozen: Frozen) -> dict[str, float]:
        """`chance_<label>`: accuracy in 0..1."""
        found = {}
        for label, classes in frozen.labels.items():
            guess = torch.bincount(frozen.fit[label], minlength=classes).argmax()
            found[f"chance_{label}"] = float((frozen.score[label] == guess).double().mean())
        return found
