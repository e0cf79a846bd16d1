"""The dashboard's pages and streams. It only reads; who may ask is the guard's business."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from importlib.resources import files

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from flowclient.dashboard import live, views
from flowclient.dashboard.live import Page
from flowclient.dashboard.source import STATES, Source

MOST_COMPARED = len(views.LETTERS)
MOST_PAGES = 64
STATIC = {
    "style.css": ("style.css", "text/css"),
    "dashboard.css": ("dashboard/dashboard.css", "text/css"),
    "dashboard.js": ("dashboard/dashboard.js", "text/javascript"),
    "list.js": ("dashboard/list.js", "text/javascript"),
    "icon.svg": ("dashboard/icon.svg", "image/svg+xml"),
}


def application(source: Source, stopping: asyncio.Event) -> Starlette:
    """The application for one source; streams end when `stopping` is set."""
    found = Dashboard(source, stopping)
    return Starlette(
        routes=[
            Route("/", found.list, methods=["GET"]),
            Route("/updates", found.list_updates, methods=["GET"]),
            Route("/flow/{key}", found.flow, methods=["GET"]),
            Route("/flow/{key}/updates", found.flow_updates, methods=["GET"]),
            Route("/compare", found.compare, methods=["GET"]),
            Route("/compare/updates", found.compare_updates, methods=["GET"]),
            Route("/static/{name}", static, methods=["GET"]),
        ],
        exception_handlers={HTTPStatus.NOT_FOUND: found.missing},
    )


class Dashboard:
    """Keeps the pages that somebody looks at, so that all who look share what is read."""

    def __init__(self, source: Source, stopping: asyncio.Event) -> None:
        self._source, self._stopping = source, stopping
        self._pages: dict[tuple[str, ...], Page] = {}

    async def list(self, request: Request) -> Response:
        """Every flow."""
        page = self._list(request)
        await page.refresh()
        rows = [name for name, one in page.feed.parts.items() if not isinstance(one, str)]
        return self._answer(request, "list", page, "updates", rows=rows, columns=views.COLUMNS, states=STATES)

    async def list_updates(self, request: Request) -> Response:
        """What changes in the list."""
        return self._stream(request, self._list(request))

    async def flow(self, request: Request) -> Response:
        """One flow."""
        key = str(request.path_params["key"])
        rows = await asyncio.to_thread(self._source.rows)
        if key not in rows:
            return await self.missing(request, KeyError(key))
        page = self._flow(key)
        await page.refresh()
        return self._answer(request, "flow", page, f"flow/{key}/updates", row=rows[key], order=views.FLOW_PARTS)

    async def flow_updates(self, request: Request) -> Response:
        """What changes on a flow's page."""
        return self._stream(request, self._flow(str(request.path_params["key"])))

    async def compare(self, request: Request) -> Response:
        """Two flows or more side by side."""
        keys = _compared(request)
        if len(keys) < 2:
            return RedirectResponse(f"{base_of(request)}/", HTTPStatus.SEE_OTHER)
        page = self._compared(keys)
        await page.refresh()
        query = "&".join(f"flow={key}" for key in keys)
        return self._answer(request, "compare", page, f"compare/updates?{query}")

    async def compare_updates(self, request: Request) -> Response:
        """What changes in a comparison."""
        return self._stream(request, self._compared(_compared(request)))

    async def missing(self, request: Request, _: Exception) -> Response:
        """A page that isn't there."""
        html = views.part("missing", base=base_of(request), title=self._source.title)
        return HTMLResponse(html, HTTPStatus.NOT_FOUND)

    def _list(self, request: Request) -> Page:
        return self._page(("list",), lambda: live.list_of(self._source, base_of(request)))

    def _flow(self, key: str) -> Page:
        return self._page(("flow", key), lambda: Page(live.FlowReader(self._source, key), str))

    def _compared(self, keys: tuple[str, ...]) -> Page:
        return self._page(("compare", *keys), lambda: Page(live.CompareReader(self._source, keys), str))

    def _page(self, name: tuple[str, ...], make: Callable[[], Page]) -> Page:
        """The one that is kept under a name; the one that was asked for longest ago goes when there are many."""
        page = self._pages.pop(name, None) or make()
        self._pages[name] = page
        while len(self._pages) > MOST_PAGES:
            self._pages.pop(next(iter(self._pages)))
        return page

    def _answer(self, request: Request, name: str, page: Page, updates: str, **more: object) -> Response:
        base = base_of(request)
        html = views.part(
            name, base=base, title=self._source.title, place=self._source.place, parts=page.html(),
            version=page.feed.version, updates=f"{base}/{updates}", **more,
        )  # fmt: skip
        return HTMLResponse(html)

    def _stream(self, request: Request, page: Page) -> Response:
        given = request.headers.get("last-event-id") or request.query_params.get("after", "0")
        version = int(given) if given.isdecimal() and len(given) < 16 else 0
        return StreamingResponse(page.events(version, self._stopping), media_type="text/event-stream")


def base_of(request: Request) -> str:
    """What every address begins with: the token."""
    return str(request.scope.get("root_path", ""))


async def static(request: Request) -> Response:
    """Style, script, icon."""
    path, kind = STATIC.get(str(request.path_params["name"]), ("", ""))
    if not path:
        return Response("not here\n", HTTPStatus.NOT_FOUND, media_type="text/plain")
    return Response(files("flowclient").joinpath("pages", *path.split("/")).read_bytes(), media_type=kind)


def _compared(request: Request) -> tuple[str, ...]:
    return tuple(dict.fromkeys(request.query_params.getlist("flow")))[:MOST_COMPARED]
