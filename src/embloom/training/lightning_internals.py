"""Many callbacks as one, and a profiler that profiles nothing: what Lightning costs in a step.

Lightning calls every hook of every callback, overridden or not, inside a profiling context of its own. With seven
callbacks that took a quarter of a millisecond a step, as much as a small layer's work.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

from lightning.pytorch import Callback
from lightning.pytorch.profilers import PassThroughProfiler

NOTHING = nullcontext()
HOOKS = [name for name in vars(Callback) if name.startswith("on_") or name in ("setup", "teardown")]


class Together(Callback):
    """Calls those hooks of several callbacks that do something, in their order."""

    def __init__(self, callbacks: Sequence[Callback]) -> None:
        for hook in HOOKS:
            called = [getattr(c, hook) for c in callbacks if overrides(c, hook)]
            if called:
                setattr(self, hook, called[0] if len(called) == 1 else in_turn(called))


class NoProfiler(PassThroughProfiler):
    """Hands out one context that does nothing, instead of a new one each time."""

    def profile(self, action_name: str) -> Any:
        """See `NOTHING`."""
        return NOTHING

    def start(self, action_name: str) -> None:
        """Nothing."""

    def stop(self, action_name: str) -> None:
        """Nothing."""


def grouped(callbacks: Sequence[Callback]) -> list[Callback]:
    """The callbacks, those of embloom's that keep no state as one."""
    simple = [c for c in callbacks if type(c).__module__.startswith("embloom.") and not overrides(c, "state_dict")]
    return [*(c for c in callbacks if c not in simple), *([Together(simple)] if simple else [])]


def overrides(callback: Callback, hook: str) -> bool:
    """Whether a callback has its own version of a hook."""
    return getattr(type(callback), hook) is not getattr(Callback, hook)


def in_turn(hooks: Sequence[Callable[..., None]]) -> Callable[..., None]:
    """One function that calls several."""

    def call(*args: Any, **kwargs: Any) -> None:
        for hook in hooks:
            hook(*args, **kwargs)

    return call
