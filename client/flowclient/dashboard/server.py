"""Serves a dashboard on this machine alone, until Ctrl-C."""

from __future__ import annotations

import asyncio
import secrets
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from flowapi.errors import DataError, DocumentError
from flowclient.dashboard.app import application
from flowclient.dashboard.guard import Guard
from flowclient.dashboard.source import Source

ADDRESS = "127.0.0.1"
LARGEST_PORT = 65_535
ENDING_SECONDS = 2


class Server(uvicorn.Server):
    """Ends its streams first, then itself, on a signal or when it is told to."""

    def __init__(self, source: Source, token: str) -> None:
        self.stopping = asyncio.Event()
        app = Guard(application(source, self.stopping), token)
        super().__init__(
            uvicorn.Config(
                app, lifespan="off", log_config=None, access_log=False, server_header=False, ws="none",
                proxy_headers=False, timeout_graceful_shutdown=ENDING_SECONDS,
            )
        )  # fmt: skip

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """End on Ctrl-C, SIGTERM and SIGHUP, in a program's main thread."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        loop, caught = asyncio.get_running_loop(), (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        for one in caught:
            loop.add_signal_handler(one, self.stop)
        try:
            yield
        finally:
            for one in caught:
                loop.remove_signal_handler(one)

    def stop(self) -> None:
        """End soon; called in the loop's thread."""
        self.stopping.set()
        self.should_exit = True


def listen(port: int) -> socket.socket:
    """A socket on this machine's own address; port 0 takes one that is free.

    Raises:
        DocumentError: there is no such port.
        DataError: somebody has it, or this user may not.
    """
    if not 0 <= port <= LARGEST_PORT:
        raise DocumentError(f"there is no port {port}", path="--port", remedy="From 1024 to 65535; 0 takes a free one.")
    listening = socket.socket()
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((ADDRESS, port))
        listening.listen()
    except OSError as error:
        listening.close()
        why = "you may not listen there" if isinstance(error, PermissionError) else "another program has it"
        raise DataError(
            f"port {port} of {ADDRESS} can't be taken: {why}", path="--port", remedy="Give another one, or none."
        ) from error
    return listening


def serve(source: Source, port: int, *, show: bool) -> None:
    """Serve until Ctrl-C; prints the address, with its token, first. Errors as `listen`."""
    listening = listen(port)
    token = secrets.token_urlsafe(24)
    address = f"http://{ADDRESS}:{listening.getsockname()[1]}/{token}/"

    async def run() -> None:
        server = Server(source, token)
        sys.stdout.write(f"{source.title}: {address}\nCtrl-C ends it.\n")
        sys.stdout.flush()
        if show:
            _open(address)
        await server.serve([listening])

    try:
        asyncio.run(run())
    finally:
        listening.close()
        source.close()


def _open(address: str) -> None:
    import webbrowser  # noqa: PLC0415 - only when asked for

    if not webbrowser.open(address):
        sys.stderr.write("cflow: note: no browser could be started; open the address yourself\n")
