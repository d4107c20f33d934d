"""What one request, one client and all clients together may ask for."""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass
from ipaddress import ip_address

MOST_CLIENTS = 10_000  # whose rate is remembered


class Refused(Exception):  # noqa: N818  # an answer, not a failure
    """A request is not answered as it asks.

    Attributes:
        status: of HTTP.
        close: whether the rest of the request is not worth reading.
        retry: seconds after which it may succeed, where that is known.
    """

    def __init__(self, status: int, message: str, close: bool = False, retry: int | None = None) -> None:
        super().__init__(message)
        self.status, self.close, self.retry = status, close, retry


@dataclass(frozen=True)
class Limits:
    """Bounds of the service.

    Attributes:
        body: bytes of a request's body.
        bodies: bytes of all bodies that are being received.
        head: bytes of a request's line and headers.
        connections: open at once.
        items: inputs in a request.
        numbers: that an answer holds.
        neighbors: that can be asked for.
        pixels: of all images in a request.
        waiting: requests whose turn has not come.
        rate: requests a second of one address; 0 is any.
        patience: seconds for sending a request, for taking an answer, and between requests.
        work: seconds for an answer.
    """

    body: int = 1 << 20
    bodies: int = 64 << 20
    head: int = 32 << 10
    connections: int = 512
    items: int = 256
    numbers: int = 1 << 20
    neighbors: int = 1000
    pixels: int = 25_000_000
    waiting: int = 1024
    rate: int = 0
    patience: float = 10.0
    work: float = 30.0


class Rates:
    """How fast each address asks: a bucket that fills with `rate` requests a second, and holds those of one."""

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self.buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def check(self, address: str) -> None:
        """Counts a request.

        Raises:
            Refused: there were too many.
        """
        if not self.rate:
            return
        key, now = network(address), time.monotonic()
        left, then = self.buckets.get(key, (float(self.rate), now))
        left = min(float(self.rate), left + (now - then) * self.rate)
        if left < 1:
            raise Refused(429, f"more than {self.rate} requests a second", retry=1)
        self.buckets[key] = (left - 1, now)
        self.buckets.move_to_end(key)
        if len(self.buckets) > MOST_CLIENTS:
            self.buckets.popitem(last=False)


def network(address: str) -> str:
    """Whom an address belongs to: of IPv6 one gets 2^64 of them."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    return address if found.version == 4 else str(int(found) >> 64)
