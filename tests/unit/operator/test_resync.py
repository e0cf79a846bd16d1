"""The comparison of the cache with a listing: what only seems missed begins no watch again."""

import asyncio
from typing import Any, cast

import pytest

from flowapi.group import FLOW_LABEL
from flowoperator.main import Operator
from flowoperator.settings import Settings
from flowoperator.shell import listings


def job(version: int) -> dict[str, Any]:
    meta = {"name": "denoise-1", "namespace": "work", "uid": "u", "resourceVersion": str(version)}
    return {"metadata": {**meta, "labels": {FLOW_LABEL: "denoise"}}}


class Apiserver:
    """Has one Job in its listing, and this body when that is asked for."""

    def __init__(self, listed, body):
        self.listed, self.body = listed, body

    async def listing(self, kind, namespace, **_):
        return 10, [self.listed]

    async def get(self, kind, namespace, name):
        return self.body


class Empty(Apiserver):
    """Has nothing."""

    async def listing(self, kind, namespace, **_):
        return 10, []


def compared(apiserver, *, known=None) -> Operator:
    async def run() -> Operator:
        operator = Operator(Settings("engine:1"), cast("Any", apiserver), cast("Any", None))
        if known is not None:
            operator.informer.seen("Job", known)
        await operator.listings.compare("Job", "", FLOW_LABEL)
        return operator

    return asyncio.run(run())


@pytest.fixture(autouse=True)
def _at_once(monkeypatch):
    monkeypatch.setattr(listings, "GRACE_SECONDS", 0.0)


def test_an_object_that_is_deleted_after_the_listing_was_not_missed():
    operator = compared(Apiserver(job(5), None))
    assert not operator.listings.dead_watch.is_set()
    assert operator.queue.length == 0


def test_an_object_that_no_watch_told_of_is_taken_in_its_flow_looked_at_and_the_watches_begin_again():
    operator = compared(Apiserver(job(5), job(5)), known=job(4))
    assert operator.listings.dead_watch.is_set()
    assert operator.informer.jobs.entries["work", "denoise-1"].version == 5
    assert operator.queue.length == 1


def test_what_the_cache_has_as_the_listing_shows_it_asks_for_nothing():
    operator = compared(Apiserver(job(5), None), known=job(5))
    assert not operator.listings.dead_watch.is_set()
    assert operator.queue.length == 0


def test_what_went_between_our_first_listing_and_that_of_the_watches_is_noticed_soon(monkeypatch):
    monkeypatch.setattr(listings, "EARLY_SECONDS", (0.0, 0.0))

    async def run() -> Operator:
        operator = Operator(Settings("engine:1"), cast("Any", Empty(None, None)), cast("Any", None))
        operator.informer.seen("Job", job(4))
        resync = asyncio.create_task(operator.listings.resync())
        operator.listings.begun.set()  # as `watch` does
        async with asyncio.timeout(10):
            while operator.queue.length == 0:
                await asyncio.sleep(0)
        resync.cancel()
        return operator

    operator = asyncio.run(run())
    assert not operator.informer.jobs.entries
    assert not operator.listings.dead_watch.is_set()


def test_what_is_on_its_way_when_the_watches_begin_begins_none_again():
    async def run() -> Operator:
        operator = Operator(Settings("engine:1"), cast("Any", Apiserver(job(5), job(5))), cast("Any", None))
        await operator.listings.compare("Job", "", FLOW_LABEL, early=True)
        return operator

    assert not asyncio.run(run()).listings.dead_watch.is_set()
