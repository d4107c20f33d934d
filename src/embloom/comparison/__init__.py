"""Compares runs: settings, probes, losses, curves, maps of the embeddings."""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import Any


class CallablePackage(ModuleType):
    """`embloom.compare(...)` is a function; once something has imported this package, its name means the package."""

    def __call__(self, *places: Any, **options: Any) -> Any:
        """See `embloom.commands.python.compare`."""
        return import_module("embloom.commands.python").compare(*places, **options)


sys.modules[__name__].__class__ = CallablePackage
