"""The way to the apiserver: who asks is looked up anew, for tokens expire; without a way there is one sentence."""

import asyncio
import os
import subprocess
import sys

import kopf
import pytest
from aiohttp import web

from flowoperator.shell import connection, credentials
from flowoperator.shell.connection import Connection, LoginError


async def serve(handler):
    """A server for everything; with its port."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    return runner, site._server.sockets[0].getsockname()[1]


def shown(login, requests, answers=()):
    """The `Authorization` of each of some requests to a server of this machine."""
    found, answers = [], list(answers)

    async def answer(request):
        found.append(request.headers.get("Authorization"))
        return web.json_response({"path": request.raw_path}, status=answers.pop(0) if answers else 200)

    async def ask():
        runner, port = await serve(answer)
        try:
            async with Connection(lambda: login(f"http://127.0.0.1:{port}")) as api:
                return [
                    await api.request("GET", "/api/v1/pods?continue=a%2Bb%3D", {}, None, 5) for _ in range(requests)
                ]
        finally:
            await runner.cleanup()

    return found, asyncio.run(ask())


def tokens():
    """A login that shows another token each time."""
    counted = iter(range(100))
    return lambda url: kopf.ConnectionInfo(server=url, scheme="Bearer", token=f"token-{next(counted)}")


def test_a_token_serves_many_requests_and_what_is_quoted_stays_so():
    found, answers = shown(tokens(), 3)
    assert found == ["Bearer token-0"] * 3
    assert answers[0].data == b'{"path": "/api/v1/pods?continue=a%2Bb%3D"}'


def test_after_a_refusal_the_next_request_shows_a_new_token():
    found, answers = shown(tokens(), 3, [401])
    assert found == ["Bearer token-0", "Bearer token-1", "Bearer token-1"]
    assert [one.status for one in answers] == [401, 200, 200]


def test_a_token_is_looked_up_anew_after_a_while(monkeypatch):
    monkeypatch.setattr(connection, "REFRESH_SECONDS", -1.0)
    assert shown(tokens(), 2)[0] == ["Bearer token-1", "Bearer token-2"]


@pytest.mark.parametrize("later", [None, OSError("half written"), "http://127.0.0.1:9"])
def test_a_login_that_fails_for_a_moment_or_names_another_apiserver_changes_nothing(monkeypatch, later):
    monkeypatch.setattr(connection, "REFRESH_SECONDS", -1.0)
    asked = iter(range(100))

    def login(url):
        if next(asked) == 0:
            return kopf.ConnectionInfo(server=url, scheme="first")
        if isinstance(later, OSError):
            raise later
        return later and kopf.ConnectionInfo(server=later, scheme="second")

    assert shown(login, 2)[0] == ["first", "first"]


def test_requests_that_hang_keep_no_other_waiting():
    """24 workers that look live ask for more than 100 things at once; the Lease is renewed beside them."""

    async def run():
        free = asyncio.Event()

        async def answer(request):
            if request.path == "/slow":
                await free.wait()
            return web.json_response({})

        runner, port = await serve(answer)
        try:
            async with Connection(lambda: kopf.ConnectionInfo(server=f"http://127.0.0.1:{port}")) as api:
                slow = [asyncio.create_task(api.request("GET", "/slow", {}, None, 30)) for _ in range(24 * 6)]
                try:
                    return (await api.request("PATCH", "/lease", {}, {}, 20)).status
                finally:
                    free.set()
                    await asyncio.gather(*slow)
        finally:
            await runner.cleanup()

    assert asyncio.run(run()) == 200


def test_a_pod_is_its_service_account(tmp_path, monkeypatch):
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "6443")
    assert credentials.login() is credentials.of_service_account
    assert credentials.of_service_account(tmp_path) is None
    (tmp_path / "token").write_text("secret\n")
    found = credentials.of_service_account(tmp_path)
    assert (found.server, found.token, found.ca_path) == ("https://[fd00::1]:6443", "secret", str(tmp_path / "ca.crt"))


def test_without_a_way_there_is_one_sentence(tmp_path, monkeypatch):
    with pytest.raises(LoginError, match="neither a service account nor a kubeconfig"):
        Connection(lambda: None)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    with pytest.raises(LoginError, match="the service account or the kubeconfig can't be read"):
        Connection(credentials.login())
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("KUBE", "CFLOW"))}
    environment = {**kept, "HOME": str(tmp_path), "CFLOW_ENGINE_IMAGE": "engine:1"}
    command = [sys.executable, "-P", "-c", "from flowoperator.main import main; main()"]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert ended.stderr.strip().splitlines()[-1] == (
        "there is neither a service account nor a kubeconfig. Run it in a pod, or set KUBECONFIG."
    )
    assert "Traceback" not in ended.stderr
