"""The apiserver, as the operator uses it: JSON in, JSON out."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from kubernetes.aio import client

from flowapi.schema import PLURAL
from flowapi.spec import GROUP, VERSION

Json = dict[str, Any]
TIMEOUT_SECONDS = 15
PATHS = {
    "ComputableFlow": (f"apis/{GROUP}/{VERSION}", PLURAL),
    "Job": ("apis/batch/v1", "jobs"),
    "Pod": ("api/v1", "pods"),
    "ConfigMap": ("api/v1", "configmaps"),
    "PersistentVolumeClaim": ("api/v1", "persistentvolumeclaims"),
    "Event": ("api/v1", "events"),
}


class ConflictError(Exception):
    """Somebody else wrote first, or the object is no longer the one that was seen."""


class Cluster:
    """Requests to the apiserver. Errors other than those a caller expects leave as `client.ApiException`."""

    def __init__(self, api: client.ApiClient) -> None:
        self._api = api

    async def get(self, kind: str, namespace: str, name: str) -> Json | None:
        """One object; None when there is none."""
        try:
            return await self._request("GET", _path(kind, namespace, name))
        except client.ApiException as error:
            if error.status == 404:
                return None
            raise

    async def list(self, kind: str, namespace: str = "", *, labels: str = "") -> list[Json]:
        """All objects of a kind, in one namespace or in all."""
        query = {"labelSelector": labels} if labels else {}
        answer = await self._request("GET", _path(kind, namespace), query)
        found: list[Json] = answer["items"]
        return found

    async def create(self, body: Json) -> None:
        """Make an object; one of this name that is there already is left alone."""
        try:
            await self._request("POST", _path(body["kind"], body["metadata"]["namespace"]), body=body)
        except client.ApiException as error:
            if error.status != 409:
                raise

    async def delete(self, kind: str, namespace: str, name: str, uid: str) -> None:
        """Delete an object and, after it, its dependents, if it still is the one that was seen.

        Raises:
            ConflictError: another object bears the name now.
        """
        body = {"propagationPolicy": "Background", "preconditions": {"uid": uid}}
        try:
            await self._request("DELETE", _path(kind, namespace, name), body=body)
        except client.ApiException as error:
            if error.status == 409:
                raise ConflictError(str(error)) from error
            if error.status != 404:
                raise

    async def merge(self, kind: str, namespace: str, name: str, patch: Json, *, subresource: str = "") -> Json:
        """Patch an object; a `resourceVersion` in the patch guards it.

        Raises:
            ConflictError: it has changed since.
        """
        try:
            return await self._request("PATCH", _path(kind, namespace, name, subresource), body=patch)
        except client.ApiException as error:
            if error.status == 409:
                raise ConflictError(str(error)) from error
            raise

    async def _request(self, method: str, path: str, query: Mapping[str, str] = {}, body: Json | None = None) -> Json:
        config = self._api.configuration
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        if method == "PATCH":
            headers["Content-Type"] = "application/merge-patch+json"
        await self._api.update_params_for_auth(headers, [], ["BearerToken"], path, method, body)
        url = f"{config.host}{path}" + (f"?{urlencode(query)}" if query else "")
        answer = await self._api.call_api(method, url, headers, body, _request_timeout=TIMEOUT_SECONDS)
        data: bytes = await answer.read()  # type: ignore[no-untyped-call]
        if not 200 <= answer.status <= 299:
            raise client.ApiException(status=answer.status, reason=data.decode(errors="replace")[:500])
        found: Json = json.loads(data)
        return found


def _path(kind: str, namespace: str, name: str = "", subresource: str = "") -> str:
    group, plural = PATHS[kind]
    parts = [group, *(("namespaces", quote(namespace)) if namespace else ()), plural]
    parts += [quote(part) for part in (name, subresource) if part]
    return "/" + "/".join(parts)
