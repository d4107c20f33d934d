"""Answers to the last short questions."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable

SHORT = 512  # bytes of a question
MOST = 16 << 20  # bytes of all answers
ENTRY = 512  # bytes that an entry takes beside its answer, about


class Remembered:
    """Those asked for last, as many as fit into so many bytes."""

    def __init__(self, most: int = MOST) -> None:
        self.most, self.size = most, 0
        self.answers: OrderedDict[Hashable, bytes] = OrderedDict()

    def get(self, question: Hashable) -> bytes | None:
        """The answer, if it is remembered."""
        found = self.answers.get(question)
        if found is not None:
            self.answers.move_to_end(question)
        return found

    def put(self, question: Hashable, length: int, answer: bytes) -> None:
        """Remembers an answer, unless the question has more than `SHORT` bytes, and forgets the oldest ones."""
        if length > SHORT or question in self.answers:
            return
        self.answers[question] = answer
        self.size += len(answer) + ENTRY
        while self.size > self.most:
            _, oldest = self.answers.popitem(last=False)
            self.size -= len(oldest) + ENTRY
