"""What every test layer shares: the cluster, and with `CFLOW_STRICT=1`, as in CI, a skipped test is a failed one."""

import os

import pytest

from kit import cluster as kit

STRICT = os.environ.get("CFLOW_STRICT") == "1"


@pytest.hookimpl(tryfirst=True)  # before xdist looks for groups
def pytest_collection_modifyitems(items):
    """Tests that share the cluster run one after another: what one does to nodes or operator, another would feel."""
    for item in items:
        if "cluster" in item.fixturenames:
            item.add_marker(pytest.mark.cluster)
            item.add_marker(pytest.mark.xdist_group("cluster"))
    items.sort(key=lambda item: item.path.name == "test_teardown.py")  # it takes the cluster away


@pytest.fixture(scope="session")
def cluster():
    try:
        return kit.ensure()
    except kit.KitError as error:
        if os.environ.get("CFLOW_REQUIRE_CLUSTER") == "1":
            raise
        pytest.skip(str(error))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if STRICT and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, and CI allows no skip: {reason}"
    return report
