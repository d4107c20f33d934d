"""The service as an ASGI application: routes, and what every request has to pass."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from embloom import __version__
from embloom.serving.answers import Answers
from embloom.serving.limits import Limits, Rates, Refused
from embloom.serving.remembered import Remembered
from embloom.serving.schema import AnalogyAsked, Asked, EncodeAsked, NeighborsAsked, openapi, parsed

HASH = "embloom-hash"
JSON, IMAGE = "application/json", "image/"
LEAST_PIN = 12  # digits of a hash
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
Handler = Callable[[Request], Awaitable[bytes]]


class Application:
    """Checks requests, reads their bodies within limits, and asks `Answers`.

    Args:
        answers: of one embedding.
        limits: of requests.
        local: only for this machine: what asks for another host's name is a page of the web, whose name was made to
            lead here.
    """

    def __init__(self, answers: Answers, limits: Limits, local: bool) -> None:
        self.answers, self.limits, self.local = answers, limits, local
        self.rates, self.receiving, self.remembered = Rates(limits.rate), 0, Remembered()
        self.described = json.dumps(openapi(__version__)).encode()
        self.described_card = answers.card()
        self.health = json.dumps({"content_hash": answers.content_hash, "status": "ok"}).encode()
        posts: Mapping[str, Handler] = {"/encode": self.encode, "/neighbors": self.neighbors, "/analogy": self.analogy}
        gets: Mapping[str, bytes] = {
            "/card": self.described_card, "/health": self.health, "/openapi.json": self.described,
        }  # fmt: skip
        routes = [Route(path, self.guarded(handler), methods=["POST"]) for path, handler in posts.items()]
        routes += [Route(path, self.guarded(fixed(content)), methods=["GET"]) for path, content in gets.items()]
        self.asgi = Starlette(routes=routes, exception_handlers={404: self.lost, 405: self.lost})
        self.asgi.router.redirect_slashes = False

    def guarded(self, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        """A handler behind the checks, whose refusals become answers."""

        async def answer(request: Request) -> Response:
            try:
                self.check(request)
                async with asyncio.timeout(self.limits.work):
                    return self.response(await handler(request))
            except Refused as refused:
                return self.refusal(refused)
            except TimeoutError:
                return self.refusal(Refused(503, "it took too long", close=True, retry=1))
            except ClientDisconnect:
                return self.refusal(Refused(400, "the body ends too early", close=True))
            except Exception as error:  # ours; the client learns no more than that
                print(f"error: {request.url.path}: {type(error).__name__}: {error}"[:500], file=sys.stderr)
                return self.refusal(Refused(500, "the service failed at this request", close=True))

        return answer

    def check(self, request: Request) -> None:
        """Raises:
        Refused: a request comes too soon, from elsewhere, or for another embedding.
        """
        self.rates.check(request.client.host if request.client else "")
        hosts = request.headers.getlist("host")
        named = re.sub(r":\d*$", "", hosts[0]) if len(hosts) == 1 else ""
        if not named or (self.local and named not in LOOPBACK):
            raise Refused(421, "this service answers to 127.0.0.1 and localhost", close=True)
        for pin in request.headers.getlist(HASH):
            self.check_pin(pin)

    def check_pin(self, pin: str | None) -> None:
        """Raises:
        Refused: another embedding is expected.
        """
        if pin is None:
            return
        own, wanted = self.answers.content_hash.removeprefix("sha256:"), pin.strip().removeprefix("sha256:")
        if len(wanted) < LEAST_PIN or not own.startswith(wanted):
            raise Refused(409, f"another embedding answers here than {pin[:80]!r}")

    async def encode(self, request: Request) -> bytes:
        """Of JSON, or of one image as the body itself."""
        kind = request.headers.get("content-type", "")
        if not kind.startswith(IMAGE):
            return await self.answers.encode(self.read(await self.json(request), EncodeAsked))
        layers = parse_qs(request.url.query[:2000]).get("layer", ["embedding"])[:16]
        body = await self.body(request)
        asked = EncodeAsked.model_construct(images=[body], layer=layers)
        return await self.answers.encode(asked)

    async def neighbors(self, request: Request) -> bytes:
        """Of words, vectors or inputs."""
        return await self.known(await self.json(request), NeighborsAsked, self.answers.neighbors)

    async def analogy(self, request: Request) -> bytes:
        """Of words."""
        return await self.known(await self.json(request), AnalogyAsked, self.answers.analogy)

    async def known(self, body: bytes, model: type[Asked], answer: Callable[[Any], Awaitable[bytes]]) -> bytes:
        """What a body asks for: the embedding does not change, so short questions have the answer that they had."""
        if (found := self.remembered.get((model, body))) is None:
            found = await answer(self.read(body, model))
            self.remembered.put((model, body), len(body), found)
        return found

    def read(self, body: bytes, model: type[Asked]) -> Any:
        """A body as a model.

        Raises:
            Refused: it is none, or for another embedding.
        """
        asked = parsed(model, body)
        self.check_pin(asked.content_hash)
        return asked

    async def json(self, request: Request) -> bytes:
        """A body that says it is JSON.

        Raises:
            Refused: it says something else.
        """
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != JSON:  # which no page of the web may send elsewhere without asking
            raise Refused(415, f"the content type must be {JSON}", close=True)
        return await self.body(request)

    async def body(self, request: Request) -> bytes:
        """The body, within limits of size and time.

        Raises:
            Refused: it is too large or too slow, or too many are being received.
        """
        most = self.limits.body
        if "content-encoding" in request.headers:
            raise Refused(415, "packed bodies are not taken", close=True)
        if int(request.headers.get("content-length") or 0) > most:
            raise Refused(413, f"a body has at most {most:,} bytes", close=True)
        parts, size = [], 0
        try:
            async with asyncio.timeout(self.limits.patience):
                async for part in request.stream():
                    size += len(part)
                    self.receiving += len(part)
                    if size > most:
                        raise Refused(413, f"a body has at most {most:,} bytes", close=True)
                    if self.receiving > self.limits.bodies:
                        raise Refused(503, "too many bodies are being received", close=True, retry=1)
                    parts.append(part)
        except TimeoutError:
            raise Refused(408, "the body came too slowly", close=True) from None
        finally:
            self.receiving -= size
        return b"".join(parts)

    def response(self, content: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
        """An answer with the content hash."""
        about = {HASH: self.answers.content_hash, "x-content-type-options": "nosniff", **(headers or {})}
        return Response(content, status, about, JSON)

    def refusal(self, refused: Refused) -> Response:
        """Why there is no other answer."""
        headers = {"connection": "close"} if refused.close else {}
        if refused.retry:
            headers["retry-after"] = str(refused.retry)
        said = {"error": str(refused), "content_hash": self.answers.content_hash}
        return self.response(json.dumps(said).encode(), refused.status, headers)

    async def lost(self, request: Request, error: Any) -> Response:
        """No such path or method."""
        there = "POST /encode, /neighbors, /analogy; GET /card, /health, /openapi.json"
        return self.refusal(Refused(error.status_code, f"there is: {there}", close=True))


def fixed(content: bytes) -> Handler:
    """A handler that always answers the same."""

    async def answer(request: Request) -> bytes:
        return content

    return answer
