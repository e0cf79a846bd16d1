"""The engine's port: GET /status, /telemetry, /metrics, /livez and /readyz; the loop is never asked."""

import re
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from urllib.parse import parse_qsl

from flowapi.errors import FlowError
from flowengine.run.board import Board
from flowengine.store.io import reason

PORT = 8080
POINTS, MOST_POINTS = 1000, 10_000
_WHOLE = re.compile(r"-?[0-9]{1,15}")
POLL_SECONDS = 0.02  # how long `close` waits for the thread
_STATES_ALIVE = ("Starting", "Loading", "Compiling", "Restoring", "Running", "Stopping", "Finished", "Stopped")


class StatusServer:
    """Serves the board in a thread of its own, from before jax is imported until the process ends.

    Attributes:
        trouble: Why nobody can be answered; the run goes on without. Empty where all is well.
    """

    def __init__(self, board: Board, port: int = PORT) -> None:
        self.trouble = ""
        self._server: ThreadingHTTPServer | None = None
        handler = type("Handler", (_Handler,), {"board": board})
        try:
            self._server = _Server(("0.0.0.0", port), handler)  # noqa: S104 - the pod's address
            threading.Thread(
                target=self._server.serve_forever, args=(POLL_SECONDS,), name="status", daemon=True
            ).start()
        except (OSError, OverflowError, RuntimeError) as error:  # taken, no port, no more threads
            self._forget()
            what = reason(error) if isinstance(error, OSError) else error
            self.trouble = f"port {port} can't be served ({what}): nobody sees this run's progress but in its log"

    @property
    def port(self) -> int:
        """Where it listens; 0 where it doesn't."""
        return int(self._server.server_address[1]) if self._server else 0

    def __enter__(self) -> "StatusServer":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop listening."""
        if self._server:
            self._server.shutdown()
            self._server.server_close()

    def _forget(self) -> None:
        if self._server:
            self._server.server_close()
        self._server = None


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def server_bind(self) -> None:
        """Bind, and leave out the base class's question for the host's name: a name service may be down, or slow."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = "", self.server_address[1]


class _Handler(BaseHTTPRequestHandler):
    board: Board
    timeout = 5

    def do_GET(self) -> None:
        report = self.board.report
        path, _, query = self.path.partition("?")
        match path:
            case "/status":
                self._answer(HTTPStatus.OK, "application/json", report.to_bytes(64 * 1024))
            case "/telemetry":
                self._answer_telemetry(query)
            case "/metrics":
                from flowengine.run.metrics import metrics  # noqa: PLC0415 - only when scraped

                self._answer(HTTPStatus.OK, "text/plain; version=0.0.4; charset=utf-8", metrics(report))
            case "/livez":
                self._answer(HTTPStatus.OK, "text/plain", b"ok\n")
            case "/readyz":
                ready = report.saved is not None and report.saved.good and report.state in _STATES_ALIVE
                status = HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE
                self._answer(status, "text/plain", b"stable\n" if ready else b"no good checkpoint yet\n")
            case _:
                self._answer(HTTPStatus.NOT_FOUND, "text/plain", b"/status /telemetry /metrics /livez /readyz\n")

    def _answer_telemetry(self, query: str) -> None:
        """`?after=ITERATION&points=N`."""
        if self.board.ask is None:
            self._answer(HTTPStatus.SERVICE_UNAVAILABLE, "text/plain", b"the run has not begun yet\n")
            return
        try:
            after, points = asked(query)
        except ValueError as error:
            self._answer(HTTPStatus.BAD_REQUEST, "text/plain", f"{error}\n".encode())
            return
        try:
            body = self.board.ask(after, points)
        except (OSError, FlowError) as error:
            self._answer(HTTPStatus.SERVICE_UNAVAILABLE, "text/plain", f"{error}\n".encode())
            return
        self._answer(HTTPStatus.OK, "application/json", body)

    def _answer(self, status: HTTPStatus, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Probes every second are no news."""


def asked(query: str) -> tuple[int, int]:
    """The iteration after which rows are wanted, and how many at most.

    Raises:
        ValueError: with a sentence for who asks.
    """
    values = {"after": "-1", "points": str(POINTS)} | dict(parse_qsl(query[:200], keep_blank_values=True))
    after, points = values.pop("after"), values.pop("points")
    values.pop("timeout", None)  # kubectl's --request-timeout comes through the apiserver's proxy
    if values:
        raise ValueError(f"unknown: {', '.join(sorted(values))[:80]}; known: after, points")
    if not (_WHOLE.fullmatch(after) and _WHOLE.fullmatch(points)):
        raise ValueError("after and points are whole numbers")
    if not 2 <= int(points) <= MOST_POINTS:
        raise ValueError(f"points lies between 2 and {MOST_POINTS}")
    return int(after), int(points)
