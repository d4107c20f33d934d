"""Runs the service with uvicorn, and keeps what a client can hold small. All that touches uvicorn's internals is here.

uvicorn waits without end for a request that does not come, and for a client that does not take its answer; where it
parses with httptools, headers may have any size. `guarded` derives a protocol from whichever of its two is used that
counts bytes, and `watch` ends connections that take too long.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import socket
import time
from typing import Any

import uvicorn

from embloom.serving.app import Application
from embloom.serving.limits import Limits

GRACE = 10  # seconds in which requests that have begun are answered after a signal
EVERY = 0.5  # seconds
TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


def run(application: Application, listener: socket.socket, limits: Limits) -> None:
    """Serves until SIGTERM or SIGINT; then answers what has begun, and ends as the signal ends a process.

    Args:
        application: what answers.
        listener: a bound socket.
        limits: of connections.
    """
    config = uvicorn.Config(
        application.asgi,
        http=guarded(limits),
        ws="none",
        lifespan="off",
        log_level=logging.CRITICAL,
        access_log=False,
        proxy_headers=False,  # anybody can write them
        server_header=False,
        timeout_keep_alive=int(limits.patience),
        timeout_graceful_shutdown=GRACE,
    )
    # What stands until the end is not looked through for garbage again, which takes a tenth of a second of everybody's.
    gc.collect()
    gc.freeze()
    server = Watched(config)
    server.limits = limits
    server.run(sockets=[listener])


class Watched(uvicorn.Server):
    """A server that looks after its connections."""

    limits = Limits()

    async def main_loop(self) -> None:
        """See uvicorn."""
        watching = asyncio.create_task(self.watch())
        try:
            await super().main_loop()
        finally:
            watching.cancel()

    async def watch(self) -> None:
        """Ends connections that wait for nothing, or do not take what they asked for."""
        while True:
            await asyncio.sleep(EVERY)
            for connection in list(self.server_state.connections):
                with contextlib.suppress(Exception):
                    overdue(connection, time.monotonic(), self.limits.patience)


def overdue(connection: Any, now: float, patience: float) -> None:
    """Ends a connection that has been waited for too long."""
    transport = connection.transport
    unsent = transport.get_write_buffer_size()
    if unsent and unsent == connection.unsent[0]:
        if now - connection.unsent[1] > patience:
            transport.abort()
    else:
        connection.unsent = (unsent, now)
    if connection.idle() and now - connection.since > patience:
        transport.abort()


def guarded(limits: Limits) -> type[asyncio.Protocol]:
    """uvicorn's protocol, the faster one where httptools is installed, with limits."""
    try:
        from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol as Base
    except ImportError:
        from uvicorn.protocols.http.h11_impl import H11Protocol as Base  # type: ignore[assignment]

    class Guarded(Base):
        """Counts what is read before a request is whole, and since when it is waited for."""

        def connection_made(self, transport: Any) -> None:
            self.since, self.head, self.unsent = time.monotonic(), 0, (0, 0.0)
            super().connection_made(transport)
            if len(self.connections) > limits.connections:
                transport.abort()

        def idle(self) -> bool:
            """Whether no request is being answered."""
            return self.cycle is None or self.cycle.response_complete

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if self.idle() and not self.transport.is_closing():
                self.head += len(data)
                if self.head > limits.head:
                    self.transport.write(TOO_LARGE)
                    self.transport.close()

        def on_response_complete(self) -> None:
            self.since, self.head = time.monotonic(), 0
            super().on_response_complete()

    return Guarded


def bound(host: str, port: int) -> socket.socket:
    """A socket that listens.

    Raises:
        ValueError: it cannot.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=1024)
    except (OSError, OverflowError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise ValueError(
            f"--host {host} --port {port}: {why}: choose another, or --port 0 for any that is free"
        ) from error
