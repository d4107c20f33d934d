"""What a run has sent to a tracker, which does not forget: a resumed run goes back to its last checkpoint and passes
the same steps again, and must not send them a second time."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

MOST_BYTES = 1 << 28
ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


class Journal:
    """A file in the run folder: the run's id with the tracker, and a line for each thing sent.

    Args:
        folder: the run folder.
        tracker: its name.

    Attributes:
        id: the run's id with the tracker; empty where it has none yet.
        sent: the tags and steps.
        numbers: what was sent by tag, and the step, in order.
        open: a process began to send and did not come to its end.

    Raises:
        ValueError: the file is damaged.
    """

    def __init__(self, folder: Path, tracker: str) -> None:
        self.path = folder / "trackers" / f"{tracker}.jsonl"
        self.id, self.open = "", False
        self.sent: set[tuple[str, int]] = set()
        self.numbers: list[tuple[dict[str, float], int]] = []
        if self.path.exists():
            self._read()

    def _read(self) -> None:
        try:
            if self.path.stat().st_size > MOST_BYTES:
                raise ValueError("it is far too large")
            text = self.path.read_text(encoding="utf-8")
            whole = text[: text.rfind("\n") + 1]  # the last line of a killed process may be half of one
            for line in whole.splitlines():
                self._take(json.loads(line))
            if whole and not ID.fullmatch(self.id):
                raise ValueError("it has no id")
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise ValueError(f"{self.path} cannot be read: {str(error)[:200]}") from error
        if whole != text:
            self.path.write_text(whole, encoding="utf-8")

    def _take(self, line: dict[str, Any]) -> None:
        if "id" in line:
            self.id = str(line["id"])
        elif "open" in line:
            self.open = bool(line["open"])
        else:
            step, values = int(line["step"]), line["values"]
            self.sent |= {(tag, step) for tag in values}
            if found := {str(tag): float(value) for tag, value in values.items() if value is not None}:
                self.numbers.append((found, step))

    def start(self, run_id: str) -> None:
        """Notes the id of a new run."""
        self.id = run_id
        self.path.parent.mkdir(exist_ok=True)
        self._append({"id": run_id})

    def begin(self) -> None:
        """A process begins to send."""
        self._append({"open": True})

    def end(self) -> None:
        """And has come to its end: all of it has arrived."""
        self._append({"open": False})

    def unsent(self, tags: Iterable[str], step: int) -> list[str]:
        """Those of the tags that have not been sent at this step by an earlier process."""
        return [tag for tag in tags if (tag, step) not in self.sent]

    def note(self, values: Mapping[str, float | None], step: int) -> None:
        """They have been sent now; pictures as None."""
        self._append({"step": step, "values": dict(values)})

    def _append(self, line: dict[str, Any]) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
