"""Files that would run code in a reader that trusts them."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any


class _Runs:
    """Unpickling it makes a file."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.mark,)


def pickled(mark: Path) -> bytes:
    """A pickle that makes the file `mark` when it is loaded; it works, or a test with it would prove nothing."""
    content = pickle.dumps(_Runs(mark))
    pickle.loads(content)
    assert mark.exists()
    mark.unlink()
    return content


def runs(mark: Path) -> Any:
    """What to put into a container that is then pickled."""
    return _Runs(mark)
