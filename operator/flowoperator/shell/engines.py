"""Asking engines for their status: by tasks of their own, so that a silent engine holds up nothing.

Pod IPs only, no redirects, no proxies, bounded in time and size, strictly read.
"""

import asyncio
import ipaddress
import random
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

import aiohttp

from flowapi.report import RunReport
from flowoperator.objects.job import PORT
from flowoperator.shell.metrics import QUESTIONS
from flowoperator.shell.queue import Key

SECONDS = 2.0
CONNECT_SECONDS = 0.5  # a pod that has just died answers nothing
BYTES = 64 * 1024
LIMITS = aiohttp.ClientTimeout(total=SECONDS, sock_connect=CONNECT_SECONDS)
SOON_SECONDS = 0.5  # until an engine runs
UNSAVED_SECONDS = 1.0  # until its first checkpoint is known: after a crash that decides on a new Job
STEADY_SECONDS = 30.0  # progress is written no more often
STEADY_A_SECOND = 33  # of the engines that run and have saved: many flows cost no more, they are only asked less often
AT_ONCE = 64
SHARE = 24  # of these in one namespace


@dataclass(frozen=True)
class Target:
    """An engine to ask: the pod, where it is, and whether it has saved since it started."""

    pod_uid: str
    ip: str
    saved: bool


@dataclass
class _Followed:
    target: Target
    task: "asyncio.Task[None]"
    report: RunReport | None
    answered: float


@dataclass(frozen=True)
class Answer:
    """What an engine said last, and for how many seconds it has been silent since."""

    report: RunReport | None
    silent: float


class Engines:
    """One task for each engine that runs."""

    def __init__(self, http: aiohttp.ClientSession, changed: Callable[[Key], None]) -> None:
        self._http, self._changed = http, changed
        self._followed: dict[Key, _Followed] = {}
        self._by_pod: dict[str, Key] = {}
        self._at_once = asyncio.Semaphore(AT_ONCE)
        self._share: dict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(SHARE))

    def follow(self, key: Key, target: Target | None) -> None:
        """Ask this engine of a flow from now on, and no other; None: none."""
        old = self._followed.get(key)
        alive = old is not None and not old.task.done()  # an unforeseen error ends a task, not the asking
        if alive and old is not None and target is not None and old.target.pod_uid == target.pod_uid:
            old.target = target
            return
        if old is not None:
            old.task.cancel()
            del self._followed[key]
            self._by_pod.pop(old.target.pod_uid, None)
        if target is not None:
            now = asyncio.get_running_loop().time()
            task = asyncio.create_task(self._ask_on(key))
            self._followed[key] = _Followed(target, task, None, now)
            self._by_pod[target.pod_uid] = key

    def last(self, pod_uid: str) -> Answer | None:
        """What the engine of a pod said last; None when it is not followed."""
        one = self._followed.get(self._by_pod.get(pod_uid, Key("", "")))
        if one is None:
            return None
        return Answer(one.report, asyncio.get_running_loop().time() - one.answered if self._missed(one) else 0.0)

    def _missed(self, one: _Followed) -> bool:
        late = asyncio.get_running_loop().time() - one.answered
        return one.report is None or late > 1.5 * self._pause(one)

    def _pause(self, one: _Followed) -> float:
        if one.report is None or one.report.state != "Running":
            return SOON_SECONDS
        return steady(len(self._followed)) if one.target.saved else UNSAVED_SECONDS

    def close(self) -> None:
        """Ask nobody any more."""
        for one in self._followed.values():
            one.task.cancel()

    async def _ask_on(self, key: Key) -> None:
        """Ask, tell if anything is new, wait; an engine that is silent is asked less often."""
        missed = 0
        while (one := self._followed.get(key)) is not None and one.task is asyncio.current_task():
            async with self._share[key.namespace], self._at_once:
                report = await ask(self._http, one.target.ip)
            QUESTIONS.labels("no" if report is None else "yes").inc()
            missed = 0 if report is not None else missed + 1
            if report is not None:
                one.answered = asyncio.get_running_loop().time()
                news, one.report = report != one.report, report
                if news:
                    self._changed(key)
            elif missed > 3:
                self._changed(key)
            pause = self._pause(one) * min(2 ** max(missed - 3, 0), 16)
            await asyncio.sleep(min(pause, steady(len(self._followed))) * random.uniform(0.9, 1.1))  # noqa: S311 - jitter


def steady(engines: int) -> float:
    """Seconds between two questions to an engine that runs and has saved, where so many engines are asked."""
    return max(STEADY_SECONDS, engines / STEADY_A_SECOND)


async def ask(session: aiohttp.ClientSession, ip: str) -> RunReport | None:
    """What the engine says of itself; None when it can't be reached or doesn't speak its language."""
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return None
    if address.is_loopback or address.is_link_local or address.is_multicast or address.is_unspecified:
        return None
    host = f"[{address}]" if address.version == 6 else str(address)
    try:
        async with session.get(f"http://{host}:{PORT}/status", allow_redirects=False, timeout=LIMITS) as answer:
            if answer.status != 200:
                return None
            data = b""
            async for part in answer.content.iter_any():
                data += part
                if len(data) > BYTES:
                    return None
    except (aiohttp.ClientError, TimeoutError, OSError):
        return None
    return RunReport.read(data, BYTES)
