"""Loaders that can be resumed inside an epoch, as Lightning asks for it."""

from __future__ import annotations


class Resumable:
    """A loader that is its own sampler: its next epoch is `epoch`, and begins at batch `start`."""

    def __init__(self) -> None:
        self.epoch = self.start = 0
        # Lightning looks for these two on every loader, to set the epoch and to warn of shuffled validation.
        self.sampler, self.batch_sampler = self, None

    def set_epoch(self, epoch: int) -> None:
        """Lightning calls this, on a loader's `sampler`, before each epoch."""
        self.epoch = epoch

    def state_dict(self) -> dict[str, int]:
        """Part of Lightning's protocol for loaders that resume; the position itself is the module's to say."""
        return {"batch": self.start}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Makes the next epoch begin at batch `state["batch"]`."""
        self.start = state["batch"]

    def begin(self) -> int:
        """The batch to begin at; the epoch after this one begins at 0 again."""
        start, self.start = self.start, 0
        return start
