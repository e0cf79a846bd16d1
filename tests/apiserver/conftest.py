"""One control plane without nodes for the tests of a worker; a namespace and an operator of its own for each test."""

import pytest

from kit.apiserver import plane as planes
from kit.apiserver.operator import Loop
from kit.apiserver.scene import scene as make_scene
from kit.cluster.errors import KitError


@pytest.fixture(scope="session")
def plane(tmp_path_factory):
    import os

    try:
        context = planes.start(tmp_path_factory.mktemp("plane"))
        found = context.__enter__()
    except KitError as error:
        if os.environ.get("CFLOW_REQUIRE_CLUSTER") == "1":
            raise
        pytest.skip(str(error))
    yield found
    context.__exit__(None, None, None)


@pytest.fixture(scope="session")
def loop():
    found = Loop()
    yield found
    found.close()


@pytest.fixture
def scene(plane, loop):
    with make_scene(plane, loop) as found:
        yield found


@pytest.fixture
def idle_scene(plane, loop):
    """The same, and the operator is not started yet."""
    with make_scene(plane, loop, started=False) as found:
        yield found
