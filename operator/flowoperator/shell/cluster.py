"""The apiserver, as the operator uses it: JSON in, JSON out."""

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, urlencode

from flowapi.group import GROUP, KIND, VERSION
from flowapi.schema import PLURAL
from flowoperator.shell.connection import Connection
from flowoperator.shell.metrics import REQUESTS

Json = dict[str, Any]
TIMEOUT_SECONDS = 15
PAGE = 500
PATIENCE_SECONDS = 10.0  # for an apiserver that asks to come again later
PATHS = {
    KIND: (f"apis/{GROUP}/{VERSION}", PLURAL),
    "Job": ("apis/batch/v1", "jobs"),
    "Pod": ("api/v1", "pods"),
    "ConfigMap": ("api/v1", "configmaps"),
    "PersistentVolumeClaim": ("api/v1", "persistentvolumeclaims"),
    "Event": ("api/v1", "events"),
    "Workload": ("apis/kueue.x-k8s.io/v1beta1", "workloads"),
    "Lease": ("apis/coordination.k8s.io/v1", "leases"),
}


class ConflictError(Exception):
    """Somebody else wrote first, or the object is no longer the one that was seen."""


class ApiError(Exception):
    """The apiserver refused a request.

    Attributes:
        status: The HTTP status.
        message: Its sentence.
        fields: Paths into the object that it names.
        retry_after: Seconds that it asks to wait; 0 when it asks for none.
    """

    def __init__(self, status: int, data: bytes, retry_after: float = 0.0) -> None:
        body = _status_of(data)
        causes = (body.get("details") or {}).get("causes") or ()
        self.status, self.retry_after = status, retry_after
        self.message = str(body.get("message") or data.decode(errors="replace"))[:1000]
        self.reason = str(body.get("reason") or "")
        self.fields = tuple(str(one.get("field", "")) for one in causes if one.get("field"))
        super().__init__(f"{status} {self.reason}: {self.message}")


def _status_of(data: bytes) -> Json:
    try:
        found = json.loads(data)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


class Cluster:
    """Requests to the apiserver. Refusals that a caller does not expect leave as `ApiError`.

    Args:
        api: The way there.
        may_write: Called before each write; raises where this process may not write.
        write_seconds: How long a write may take.
    """

    def __init__(
        self, api: Connection, may_write: Callable[[], None] = lambda: None,
        write_seconds: float = TIMEOUT_SECONDS,
    ) -> None:  # fmt: skip
        self._api, self._may_write, self._write_seconds = api, may_write, write_seconds

    async def get(self, kind: str, namespace: str, name: str) -> Json | None:
        """One object; None when there is none."""
        try:
            return await self._request("GET", path_of(kind, namespace, name))
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    async def items(self, kind: str, namespace: str = "", *, labels: str = "", fields: str = "") -> list[Json]:
        """All objects of a kind, in one namespace or in all."""
        return (await self.listing(kind, namespace, labels=labels, fields=fields))[1]

    async def listing(
        self, kind: str, namespace: str = "", *, labels: str = "", fields: str = "", metadata: bool = False
    ) -> tuple[int, list[Json]]:
        """The same, with the version of the list; `metadata`: without spec, status and data."""
        query = {"limit": str(PAGE)}
        query |= {"labelSelector": labels} if labels else {}
        query |= {"fieldSelector": fields} if fields else {}
        accept = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1" if metadata else "application/json"
        found: list[Json] = []
        while True:
            answer = await self._request("GET", path_of(kind, namespace), query, accept=accept)
            found += answer.get("items") or ()  # null for metadata of nothing
            following, version = answer["metadata"].get("continue"), answer["metadata"].get("resourceVersion", "")
            if not following:
                return int(version) if version.isdecimal() else 0, found
            query["continue"] = following

    async def create(self, body: Json) -> Json:
        """Make an object; one of this name and this owner that is there already is left alone.

        Raises:
            ConflictError: the one that is there belongs to another owner.
            ApiError: refused.
        """
        kind, meta = body["kind"], body["metadata"]
        try:
            return await self._request(
                "POST", path_of(kind, meta["namespace"]), {"fieldValidation": "Strict"}, body=body
            )
        except ApiError as error:
            if error.status != 409 or error.reason != "AlreadyExists":
                raise
        found = await self.get(kind, meta["namespace"], meta["name"])
        if found is None or _controllers(found) != _controllers(body):
            raise ConflictError(f"{kind} {meta['name']} is another's")
        return found

    async def delete(self, kind: str, namespace: str, name: str, uid: str) -> None:
        """Delete an object and, after it, its dependents, if it still is the one that was seen.

        Raises:
            ConflictError: another object bears the name now.
        """
        body = {"propagationPolicy": "Background", "preconditions": {"uid": uid}}
        try:
            await self._request("DELETE", path_of(kind, namespace, name), body=body)
        except ApiError as error:
            if error.status == 409:
                raise ConflictError(str(error)) from error
            if error.status != 404:
                raise

    async def merge(self, kind: str, namespace: str, name: str, patch: Json, *, subresource: str = "") -> Json:
        """Patch an object; a `resourceVersion` in the patch guards it.

        Raises:
            ConflictError: it has changed since, or is gone.
        """
        try:
            return await self._request("PATCH", path_of(kind, namespace, name, subresource), body=patch)
        except ApiError as error:
            if error.status in {404, 409}:
                raise ConflictError(str(error)) from error
            raise

    async def _request(
        self, method: str, path: str, query: Mapping[str, str] = {}, body: Json | None = None,
        accept: str = "application/json",
    ) -> Json:  # fmt: skip
        """One request; an apiserver that asks to come again later is asked again, as long as patience lasts."""
        patience = PATIENCE_SECONDS
        while True:
            try:
                return await self._once(method, path, query, body, accept)
            except ApiError as error:
                if error.status not in {429, 503} or not 0 < error.retry_after <= patience:
                    raise
                patience -= error.retry_after
                await asyncio.sleep(error.retry_after)

    async def _once(self, method: str, path: str, query: Mapping[str, str], body: Json | None, accept: str) -> Json:
        headers = {"Accept": accept, "Content-Type": "application/json"}
        if method == "PATCH":
            headers["Content-Type"] = "application/merge-patch+json"
        if method != "GET":
            self._may_write()
        seconds = TIMEOUT_SECONDS if method == "GET" else self._write_seconds
        target = path + (f"?{urlencode(query)}" if query else "")
        answer = await self._api.request(method, target, headers, body, seconds)
        REQUESTS.labels(method, str(answer.status)).inc()
        if not 200 <= answer.status <= 299:
            raise ApiError(answer.status, answer.data, _seconds(answer.headers.get("Retry-After")))
        found: Json = json.loads(answer.data)
        return found


def _seconds(text: str | None) -> float:
    try:
        return max(0.0, float(text or 0))
    except ValueError:
        return 0.0


def _controllers(body: Json) -> set[str]:
    return {one["uid"] for one in body["metadata"].get("ownerReferences") or () if one.get("controller")}


def path_of(kind: str, namespace: str, name: str = "", subresource: str = "") -> str:
    """Where an object, or all of a kind, is found."""
    group, plural = PATHS[kind]
    parts = [group, *(("namespaces", quote(namespace)) if namespace else ()), plural]
    parts += [quote(part) for part in (name, subresource) if part]
    return "/" + "/".join(parts)
