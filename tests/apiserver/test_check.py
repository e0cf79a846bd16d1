"""`helm test`: what the check says of an operator that works, that is gone, and of a CRD that is not there."""

import asyncio

import kopf
import pytest

from flowoperator.check import check
from flowoperator.settings import Settings
from flowoperator.shell.cluster import Cluster
from flowoperator.shell.connection import Connection
from flowoperator.shell.lease import LeaseName
from kit.apiserver.leaders import LEASE, holder, operator
from kit.apiserver.plane import NAMESPACE
from kit.apiserver.scene import wait_for

PLACE = LeaseName(NAMESPACE, "computable-flows", "")


def said(scene, seconds, account=""):
    """What the check says with the rights of the operator's account, or with another token."""
    plane = scene.plane

    async def ask():
        shown = account or plane.token
        info = kopf.ConnectionInfo(server=plane.url, ca_path=str(plane.authority), scheme="Bearer", token=shown)
        async with Connection(lambda: info) as api:
            return await check(Cluster(api), Settings("engine:1", lease=PLACE), seconds=seconds)

    return asyncio.run(ask())


@pytest.fixture
def alone(idle_scene):
    idle_scene.api.delete(LEASE)
    return idle_scene


def test_an_operator_that_renews_its_lease_is_found_well_and_one_that_is_gone_is_missed(alone, loop):
    assert "nobody holds Lease computable-flows" in said(alone, 0.1)
    with operator(alone, loop, "first"):
        wait_for("it to hold the Lease", lambda: holder(alone), 60)
        assert said(alone, 30) == ""
    assert "nobody renews Lease computable-flows" in said(alone, 3)
    alone.api.delete(LEASE)


def test_an_account_without_rights_is_told_what_to_install(alone):
    sentence = said(alone, 0.1, account="another")
    assert "the apiserver refuses the operator's account (401" in sentence
    assert sentence.endswith("Install the CRD (crds.install) and the RBAC.")
