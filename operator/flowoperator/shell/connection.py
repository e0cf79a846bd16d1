"""HTTP to the apiserver, as whoever the login says."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import aiohttp
import structlog
from yarl import URL

from flowoperator.shell.credentials import Login

log = structlog.get_logger()
REFRESH_SECONDS = 60.0  # the kubelet writes a new token well before the old one expires


class LoginError(Exception):
    """Nothing says where the apiserver is."""


@dataclass(frozen=True)
class Answer:
    """What came back, whatever its status."""

    status: int
    data: bytes
    headers: Mapping[str, str]


class Connection:
    """A session with the apiserver.

    Args:
        login: Says where it is and who asks. Asked anew every minute, and after a 401: tokens expire.

    Raises:
        LoginError: it says nothing.
    """

    def __init__(self, login: Login) -> None:
        self._login, self._asked = login, time.monotonic()
        try:
            found = login()
        except Exception as error:
            raise LoginError(f"the service account or the kubeconfig can't be read ({error}). Check it.") from error
        if found is None:
            raise LoginError("there is neither a service account nor a kubeconfig. Run it in a pod, or set KUBECONFIG.")
        self._info = found

    def _look_up(self) -> None:
        """Who asks now. What can't be read, or names another apiserver, changes nothing: a file may be half written."""
        self._asked = time.monotonic()
        try:
            found = self._login()
        except Exception as error:  # noqa: BLE001 - of Kopf, of YAML, of the system
            log.warning("the login can't be read; going on with the last one", error=repr(error))
            return
        if found is not None and found.server == self._info.server:
            self._info = found

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(limit=0, ssl=self._info.as_ssl_context())  # the Lease waits for nobody
        # trust_env would also read ~/.netrc at each request
        self._session = aiohttp.ClientSession(connector=connector, proxy=self._info.proxy_url, trust_env=False)
        return self

    async def __aexit__(self, *ended: object) -> None:
        await self._session.close()

    async def request(
        self, method: str, path: str, headers: Mapping[str, str], body: Any, seconds: float
    ) -> Answer:  # fmt: skip
        """Send a request, and read its answer whole.

        Args:
            method: As HTTP has it.
            path: With its query, quoted.
            headers: Beside the one that says who asks.
            body: JSON; None: none.
            seconds: For all of it.

        Raises:
            aiohttp.ClientError: the apiserver can't be reached, or broke off.
            TimeoutError: it took longer.
        """
        if time.monotonic() - self._asked > REFRESH_SECONDS:
            self._look_up()
        async with self._session.request(
            method,
            URL(f"{self._info.server.rstrip('/')}{path}", encoded=True),
            headers={**headers, **self._info.as_http_headers()},
            data=None if body is None else json.dumps(body),
            timeout=aiohttp.ClientTimeout(total=seconds),
        ) as answer:
            data = await answer.read()
        if answer.status == 401:
            self._asked = -REFRESH_SECONDS
        return Answer(answer.status, data, answer.headers)
