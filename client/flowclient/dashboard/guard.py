"""Who may ask: whoever has the token of the address, by a name of this machine, and only to read."""

from __future__ import annotations

import secrets
from http import HTTPStatus

from starlette.datastructures import MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HOSTS = frozenset({"127.0.0.1", "localhost", "[::1]"})
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "no-referrer",  # the address has the token in it
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
METHODS = frozenset({"GET", "HEAD"})


class Guard:
    """Lets through what begins with the token, without which the application is never asked.

    Args:
        app: The application; it finds the token in `root_path`.
        token: Of this start of the dashboard.
    """

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app, self._token = app, token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As an ASGI application."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return  # of a web socket, the server says that it was refused

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
            await send(message)

        refusal = self._refusal(scope)
        if refusal is not None:
            await refusal(scope, receive, send_guarded)
            return
        await self._app({**scope, "root_path": f"/{self._token}"}, receive, send_guarded)

    def _refusal(self, scope: Scope) -> PlainTextResponse | None:
        hosts = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
        if len(hosts) != 1 or _name_of(hosts[0]) not in HOSTS:  # another name that leads here: DNS rebinding
            return PlainTextResponse("Ask for 127.0.0.1 or localhost.\n", HTTPStatus.MISDIRECTED_REQUEST)
        given = str(scope["path"]).split("/")[1] if "/" in scope["path"] else ""
        if not secrets.compare_digest(given.encode(), self._token.encode()):
            words = "This address lacks the dashboard's token: take the whole address that the command printed.\n"
            return PlainTextResponse(words, HTTPStatus.FORBIDDEN)
        if scope["method"] not in METHODS:
            words = "The dashboard only reads.\n"
            return PlainTextResponse(words, HTTPStatus.METHOD_NOT_ALLOWED, {"Allow": "GET, HEAD"})
        return None


def _name_of(host: str) -> str:
    """A Host header without its port: which one doesn't matter, it may be forwarded from another machine."""
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdigit() else host
