"""A small client of the apiserver for tests: what an administrator, a node or a person does, as JSON."""

import json
import threading
from pathlib import Path
from typing import Any

import urllib3

Json = dict[str, Any]
_NONE = object()


class ApiError(Exception):
    """The apiserver refused, with its status code and words."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


class Api:
    """Requests with one token; usable from several threads."""

    def __init__(self, url: str, authority: Path, token: str) -> None:
        self._url = url
        self._headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        self._pool = urllib3.PoolManager(ca_certs=str(authority), maxsize=8, retries=False)
        self._lock = threading.Lock()
        self.requests = 0

    def request(self, method: str, path: str, body: Json | None = None, content: str = "application/json") -> Json:
        """One request.

        Raises:
            ApiError: refused.
        """
        with self._lock:
            self.requests += 1
        headers = {**self._headers, "Content-Type": content}
        data = json.dumps(body).encode() if body is not None else None
        try:
            answer = self._pool.request(method, self._url + path, body=data, headers=headers, timeout=30)
        except urllib3.exceptions.HTTPError as error:
            raise ApiError(0, str(error)) from error
        if not 200 <= answer.status <= 299:
            raise ApiError(answer.status, answer.data.decode(errors="replace")[:1000])
        text = answer.data.decode()
        found: Json = json.loads(text) if text.startswith("{") else {"text": text}
        return found

    def get(self, path: str, *, missing: Any = _NONE) -> Any:
        """One object or a list; `missing` where there is none, if it is given."""
        try:
            return self.request("GET", path)
        except ApiError as error:
            if error.status == 404 and missing is not _NONE:
                return missing
            raise

    def items(self, path: str) -> list[Json]:
        """The items of a list."""
        found: list[Json] = self.get(path)["items"]
        return found

    def post(self, path: str, body: Json) -> Json:
        """Make an object."""
        return self.request("POST", path, body)

    def put(self, path: str, body: Json) -> Json:
        """Replace an object."""
        return self.request("PUT", path, body)

    def merge(self, path: str, body: Json) -> Json:
        """A merge patch."""
        return self.request("PATCH", path, body, "application/merge-patch+json")

    def delete(self, path: str, *, grace: int | None = None, propagation: str = "Background") -> None:
        """Delete an object; that it is gone already is no error."""
        body: Json = {"propagationPolicy": propagation}
        if grace is not None:
            body["gracePeriodSeconds"] = grace
        try:
            self.request("DELETE", path, body)
        except ApiError as error:
            if error.status != 404:
                raise
