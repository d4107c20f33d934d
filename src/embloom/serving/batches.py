"""Requests that come at the same time are worked on together, beside or between talking to clients."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

import torch

from embloom.serving.limits import Refused

GATHER = 0.004  # seconds

T = TypeVar("T")
R = TypeVar("R")


class Batches(Generic[T, R]):
    """A queue of work. While some items are worked on the next ones gather, so that many go together where many come.

    Args:
        work: items -> for each its result, or the exception to raise.
        most: items that go together.
        waiting: items that may wait.
        threads: that torch uses.
        quick: the work takes a few milliseconds, and is done in the thread that talks to clients: two threads of Python
            wait for each other longer than that. Clients are talked to for `GATHER` after each batch, since one of many
            items takes far less than many of one; whoever comes later than that does not wait.
    """

    def __init__(
        self,
        work: Callable[[Sequence[T]], Sequence[R | Exception]],
        most: int,
        waiting: int,
        threads: int,
        quick: bool = False,
    ) -> None:
        self.work, self.most, self.waiting, self.quick = work, most, waiting, quick
        self.pool = ThreadPoolExecutor(1, "embloom", initializer=torch.set_num_threads, initargs=(threads,))
        self.queue: deque[tuple[T, asyncio.Future[R]]] = deque()
        self.task: asyncio.Task[None] | None = None
        self.gathered = 0.0  # when the next batch may begin

    async def __call__(self, item: T) -> R:
        """The result of an item.

        Raises:
            Refused: too many wait.
        """
        if len(self.queue) >= self.waiting:
            raise Refused(503, "too many requests are waiting", retry=1)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[R] = loop.create_future()
        self.queue.append((item, future))
        if self.task is None or self.task.done():
            self.task = loop.create_task(self.drain())
        return await future

    async def drain(self) -> None:
        """Works until nothing waits."""
        loop = asyncio.get_running_loop()
        while self.queue:
            if self.quick and (wait := self.gathered - loop.time()) > 0:
                await asyncio.sleep(wait)
            some = [self.queue.popleft() for _ in range(min(self.most, len(self.queue)))]
            some = [(item, future) for item, future in some if not future.done()]  # who has gone needs no answer
            if not some:
                continue
            items = [item for item, _ in some]
            try:
                if self.quick:
                    results: Sequence[R | Exception] = self.work(items)
                    self.gathered = loop.time() + GATHER
                else:
                    results = await loop.run_in_executor(self.pool, self.work, items)
            except Exception as error:
                results = [error] * len(some)
            for (_, future), result in zip(some, results, strict=True):
                if not future.done():
                    if isinstance(result, Exception):
                        future.set_exception(result)
                    else:
                        future.set_result(result)
